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
    written_to(&log(&options), say)
}

fn log(options: &LogOptions) -> Log {
    let log = Log::new(Sink::Memory(vec![]), false, now);
    log.set_levels(options);
    log
}

/// Whoever listens to lines, or has it found out anew who listens: one at a time. What is enabled is remembered for the whole
/// process, and while there is one subscriber only, whether the thread that asks has it decides for all threads.
pub static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn written_to(log: &Log, say: impl FnOnce()) -> Vec<String> {
    let _alone = ALONE.blocking_lock();
    with_default(log.subscriber(CAPPED, now), say);
    let sink = log.out.0.lock().expect("whole");
    let Sink::Memory(bytes) = &*sink else { panic!("memory") };
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// What the own log of a daemon says while `act` works, for the tests of whoever says it.
pub fn said(act: impl FnOnce()) -> Vec<String> {
    // Beside an only subscriber, a line that another test's thread comes to first would be turned off for all threads.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    written(LogOptions::default(), act)
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
fn what_repeats_is_summed_up_at_its_own_level() {
    let lines = written(LogOptions::default(), || {
        for _ in 0..7 {
            tracing::error!("no disk");
        }
        NOW.set(61_000);
        tracing::error!("another");
    });
    let told = "1970-01-01T00:01:01.000Z ERROR (said 2 more times within a minute) no disk";
    assert!(lines.contains(&told.to_owned()), "{lines:?}");
}

#[test]
fn what_repeated_is_told_though_nothing_else_is_said() {
    let log = log(&LogOptions::default());
    let lines = written_to(&log, || {
        NOW.set(20_000_000);
        for _ in 0..8 {
            tracing::warn!("no route");
        }
        log.repeats.tell_all();
        NOW.set(20_061_000);
        log.repeats.tell_all();
        log.repeats.tell_all();
    });
    let told: Vec<_> = lines.iter().filter(|line| line.contains("said 3 more times")).collect();
    assert_eq!((lines.len(), told.len()), (6, 1), "{lines:?}");
}

#[test]
fn levels_and_file_follow_a_new_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let options = |name: &str, debug| LogOptions { file: Some(path(name)), named: true, debug, ..Default::default() };
    let (sink, _) = open(&options("one.log", false)).expect("opened");
    let log = Log::new(sink, false, now);
    log.set_levels(&options("one.log", false));
    let _alone = ALONE.blocking_lock();
    with_default(log.subscriber(CAPPED, now), || {
        let debug = |word: &str| tracing::debug!("{word}");
        debug("unsaid");
        log.change(&options("one.log", true)).expect("the same file");
        debug("first");
        log.change(&options("two.log", true)).expect("another file");
        debug("second");
        let blocked = log.change(&options("two.log/inner.log", false));
        assert!(matches!(blocked, Err(LogError::Unwritable { .. })));
        debug("third");
    });
    let said = |name: &str| std::fs::read_to_string(path(name)).expect("written");
    assert!(said("one.log").ends_with("DEBUG first\n") && !said("one.log").contains("unsaid"));
    assert!(said("two.log").contains("DEBUG second\n") && said("two.log").ends_with("DEBUG third\n"));
}

#[test]
fn a_log_that_is_prepared_elsewhere_turns_nothing_off() {
    let say = || tracing::info!("said");
    let lines = written(LogOptions::default(), || {
        say();
        std::thread::scope(|threads| _ = threads.spawn(|| log(&LogOptions::default())));
        say();
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
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
