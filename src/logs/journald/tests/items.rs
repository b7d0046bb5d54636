//! Items of the agent's list: what they choose, how they say it, and which position is theirs.
use super::*;

/// An item of the agent's list with this format and these units.
fn item_of(format: JournalFormat, units: &[&str]) -> impl FnOnce(Options) -> Options {
    let selection =
        EntrySelection { units: units.iter().map(|unit| (*unit).to_owned()).collect(), ..EntrySelection::default() };
    move |options| Options { item: "g:s".into(), format, selection, ..options }
}

#[tokio::test(start_paused = true)]
async fn an_item_asks_for_its_units_sends_the_agents_json_and_saves_under_its_own_name() {
    let scripts = [ends(line(2)), follows("")];
    let mut story = Story::of(None, None, scripts, item_of(JournalFormat::Json, &["sshd"]));
    let chunk = story.chunks.recv().await.expect("read");
    let text = String::from_utf8_lossy(&chunk.text).into_owned();
    assert_eq!(text, format!("{{\"body\":{{\"MESSAGE\":\"line 2\",\"__CURSOR\":\"{}\"}}}}", cursor('a', 2, OLD_BOOT)));
    assert_eq!(chunk.events[0].at, Timestamp::from_millis(2));
    assert_eq!(story.runs(1).await[0], "--boot --unit=sshd");
    let Position::Journal(opened) = story.shared.host().opened[0].1.clone() else { panic!("a journal position") };
    let Position::Journal(end) = chunk.end else { panic!("a journal position") };
    assert_eq!((opened.item.as_ref(), end.item.as_ref()), ("g:s", "g:s"));
}

#[tokio::test(start_paused = true)]
async fn the_position_of_the_publishers_journal_is_not_that_of_an_item() {
    let publishers = saved(cursor('a', 3, OLD_BOOT));
    let scripts = [ends(line(1)), follows("")];
    let mut story = Story::of(Some(publishers), None, scripts, item_of(JournalFormat::Message, &[]));
    assert_eq!(story.lines(1).await, ["1"]);
    assert_eq!(story.runs(1).await[0], "--boot");
}

#[tokio::test(start_paused = true)]
async fn other_units_than_before_are_no_gap_where_the_journal_still_has_the_saved_entry() {
    let position = || {
        let at = Timestamp::from_millis(3);
        Some(Position::Journal(JournalPosition { cursor: cursor('a', 3, OLD_BOOT), at, item: "g:s".into() }))
    };
    let before = counters::JOURNAL_GAPS.here();
    // The second run asks for every unit.
    let scripts = [ends(line(7)), ends(line(3) + &line(4)), follows(line(7))];
    let mut story = Story::of(position(), None, scripts, item_of(JournalFormat::Message, &["new"]));
    assert_eq!(story.lines(1).await, ["7"]);
    let runs = story.runs(3).await;
    assert_eq!(runs[1], format!("--cursor={}", cursor('a', 3, OLD_BOOT)));
    assert_eq!(counters::JOURNAL_GAPS.here(), before);
    let scripts = [ends(line(7)), ends(line(5)), follows(line(7))];
    let mut story = Story::of(position(), None, scripts, item_of(JournalFormat::Message, &["new"]));
    assert_eq!(story.lines(1).await, ["7"]);
    story.runs(3).await;
    assert_eq!(counters::JOURNAL_GAPS.here(), before + 1);
}
