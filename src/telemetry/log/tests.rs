use super::*;
use std::cell::Cell;
use tracing::subscriber::with_default;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW.get())
}

const CAPPED: &[(&str, LevelFilter)] = &[("aws_config", LevelFilter::ERROR), ("aws_", LevelFilter::WARN)];

/// What is written while `say` runs.
fn written(options: LogOptions, say: impl FnOnce()) -> Vec<String> {
    let out = Shared::new(Sink::Memory(vec![]));
    with_default(subscriber(out.clone(), levels(&options).0, CAPPED, false, now), say);
    let sink = out.0.lock().expect("whole");
    let Sink::Memory(bytes) = &*sink else { panic!("memory") };
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

#[test]
fn a_line_has_its_time_its_level_its_message_and_its_fields() {
    let lines = written(LogOptions::default(), || tracing::info!(group = "g", count = 3, "created"));
    assert_eq!(lines, ["1970-01-01T00:00:00.000Z  INFO created group=\"g\" count=3"]);
}

#[test]
fn debug_and_quiet_say_how_much_is_written() {
    let say = || {
        tracing::debug!("d");
        tracing::info!("i");
        tracing::error!("e");
        tracing::info!(target: "somebody_else", "theirs");
    };
    let count = |options| written(options, say).len();
    assert_eq!(count(LogOptions::default()), 2);
    assert_eq!(count(LogOptions { debug: true, ..Default::default() }), 3);
    assert_eq!(count(LogOptions { debug: true, quiet: true, ..Default::default() }), 1);
    assert_eq!(count(LogOptions { rust_log: Some("trace".into()), ..Default::default() }), 4);
    assert_eq!(count(LogOptions { rust_log: Some("somebody_else=info".into()), ..Default::default() }), 1);
}

#[test]
fn whoever_would_print_secrets_is_kept_quiet_whatever_is_asked() {
    let options =
        LogOptions { rust_log: Some("trace,aws_config=trace,aws_runtime=trace".into()), ..Default::default() };
    let lines = written(options, || {
        tracing::trace!(target: "aws_runtime::auth", "SECRET");
        tracing::info!(target: "aws_runtime::auth", "SECRET");
        tracing::warn!(target: "aws_config::sts", "SECRET");
        tracing::warn!(target: "aws_runtime::auth", "harmless");
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("harmless"));
}

#[test]
fn levels_that_are_not_understood_are_named_and_change_nothing() {
    let options = LogOptions { rust_log: Some("x=loud".into()), ..Default::default() };
    assert_eq!(levels(&options).1.as_deref(), Some("x=loud"));
    assert_eq!(written(options, || tracing::info!("i")).len(), 1);
}

#[test]
fn what_repeats_is_summed_up_when_its_minute_is_over() {
    let say = |times: u32| {
        for attempt in 0..times {
            tracing::warn!(attempt, "no route");
        }
    };
    let lines = written(LogOptions::default(), || {
        say(40);
        tracing::warn!("something else");
        NOW.set(61_000);
        tracing::info!("information never repeats too often");
        say(1);
    });
    assert_eq!(lines.iter().filter(|line| line.contains("no route attempt")).count(), 6);
    assert!(
        lines.contains(&"1970-01-01T00:01:01.000Z  WARN (said 35 more times within a minute) no route".into()),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.contains("something else")));
}

#[test]
fn a_clock_that_goes_back_silences_nobody() {
    NOW.set(10_000_000);
    let lines = written(LogOptions::default(), || {
        for back in [0, 9_000_000] {
            NOW.set(10_000_000 - back);
            for _ in 0..6 {
                tracing::warn!("the same");
            }
        }
    });
    assert_eq!(lines.iter().filter(|line| line.ends_with(" the same") && !line.contains("more times")).count(), 10);
}

#[test]
fn a_default_file_that_cannot_be_written_falls_back_and_a_named_one_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocked = folder.path().join("file").join("own.log");
    std::fs::write(folder.path().join("file"), "").expect("in the way");
    let options = |named| LogOptions { file: Some(blocked.clone()), named, ..Default::default() };
    let (sink, note) = open(&options(false)).expect("standard error serves");
    assert!(matches!(sink, Sink::Standard) && note.expect("said").contains(blocked.to_str().expect("UTF-8")));
    let Err(error) = open(&options(true)) else { panic!("must fail") };
    assert!(error.to_string().contains("agent.logfile"), "{error}");
}
