//! Real commands, by the shell that every POSIX system has.
use super::*;
use crate::{
    config::settings::{
        exposition::{Counters, Exposition},
        metrics::{Measurements, SourceDimensions},
    },
    metrics::scheduler::Place,
    model::{Headcount, Unit, Values},
    telemetry::log,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn plugin(command: Command, format: Format) -> Plugin {
    let minute = Duration::from_secs(60);
    let exposition = Exposition { counters: Counters::Delta, buckets: false };
    Plugin {
        at: "exec[0]".into(),
        key: "exec",
        measurements: Measurements::Everything { prefix: "my_".into() },
        interval: minute,
        resolution: Resolution::Second,
        dimensions: SourceDimensions::default(),
        options: Options::Exec(Exec { command, format, timeout: minute, exposition }),
    }
}

fn runner(command: Command, format: Format) -> Runner {
    let plugin = plugin(command, format);
    let Options::Exec(exec) = &plugin.options else { unreachable!("just made") };
    Runner::new(&plugin, exec)
}

fn lines(command: &str) -> Runner {
    runner(Command::Shell(command.into()), Format::Lines)
}

fn value(values: Values) -> String {
    values.iter().map(|(value, _)| format!("{value:?}")).collect()
}

/// Names with values, and what is wrong.
async fn once(runner: &mut Runner) -> (Vec<(String, Unit)>, Option<String>) {
    let points = runner.turn(Timestamp::from_millis(7)).await;
    assert!(points.iter().all(|point| point.at == Timestamp::from_millis(7)));
    let told = points.into_iter().map(|point| (format!("{}={}", point.name, value(point.value)), point.unit)).collect();
    (told, runner.complaint.last().map(str::to_owned))
}

#[tokio::test]
async fn a_command_prints_names_values_and_units() {
    let mut printer = lines("echo users=3:Count; echo '# a comment'; echo; printf 'load=0.5'");
    let (points, wrong) = once(&mut printer).await;
    assert_eq!(points, [("my_users=3.0".to_owned(), Unit::Count), ("my_load=0.5".to_owned(), Unit::None)]);
    assert_eq!(wrong, None);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named_and_its_arguments_are_not() {
    let mut none = runner(Command::Program(vec!["/no/such/program".into(), "--token=x".into()]), Format::Lines);
    let (_, wrong) = once(&mut none).await;
    assert!(wrong.is_some_and(|why| why.starts_with("`/no/such/program` could not be started")), "with its name");
    assert_eq!(none.name(), "exec[0] /no/such/program");
    assert_eq!(lines("TOKEN=x /bin/a b").name(), "exec[0] /bin/a", "what may be secret is left out");
    for quoted in [r#"TOKEN="x s3cret" /bin/a"#, r"TOKEN=x\ s3cret /bin/a", "TOKEN=$(cat s3cret) /bin/a", "'s3cret'"] {
        assert!(!lines(quoted).name().contains("s3cret"), "{quoted}");
    }
}

#[tokio::test]
async fn a_program_is_run_with_its_arguments_and_without_a_shell() {
    let words = ["/bin/echo", "a=1; exit 3"].map(str::to_owned).to_vec();
    let (points, wrong) = once(&mut runner(Command::Program(words), Format::Lines)).await;
    assert_eq!(points, []);
    assert!(wrong.is_some_and(|why| why.contains("no number")), "the shell's words are none");
    let nobody = vec!["/no/such/program".to_owned()];
    let (_, wrong) = once(&mut runner(Command::Program(nobody), Format::Lines)).await;
    assert!(wrong.is_some_and(|why| why.contains("could not be started")));
}

#[tokio::test]
async fn what_a_failing_command_printed_counts_and_its_first_word_of_complaint_is_told() {
    let (points, wrong) = once(&mut lines("echo a=1; echo; echo 'no such table' >&2; echo more >&2; exit 3")).await;
    assert_eq!(points.len(), 1);
    let wrong = wrong.expect("it failed");
    assert!(wrong.contains("failed") && wrong.contains("no such table") && !wrong.contains("more"), "{wrong}");
}

#[tokio::test]
async fn a_line_that_is_no_metric_costs_only_itself_and_is_counted() {
    let refused = counters::SAMPLES_REFUSED.here();
    let (points, wrong) = once(&mut lines("echo a=1; echo nonsense; printf 'b\\377=1\\n'; echo c=2")).await;
    assert_eq!(points.len(), 2);
    assert_eq!(counters::SAMPLES_REFUSED.here(), refused + 2);
    assert!(wrong.is_some_and(|why| why.contains("no `=`")));
}

#[tokio::test]
async fn a_command_without_a_word_is_a_complaint() {
    assert!(once(&mut lines("true")).await.1.is_some_and(|why| why.contains("no metric")));
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_and_its_whole_lines_count() {
    // However slow this host is, one of these is long enough for a word, and none for the whole command.
    for limit in [50, 500, 5_000, 60_000].map(Duration::from_millis) {
        let mut slow = lines("echo a=1; printf b=; sleep 600");
        slow.exec.timeout = limit;
        let (points, wrong) = once(&mut slow).await;
        assert!(wrong.is_some_and(|why| why.contains("did not end")));
        if !points.is_empty() {
            assert_eq!(points.len(), 1);
            return;
        }
    }
    panic!("what it printed is lost");
}

#[tokio::test]
async fn a_command_that_never_stops_talking_is_read_up_to_the_bound() {
    let (points, wrong) = once(&mut lines("yes a=1")).await;
    assert_eq!(points.len() as u64, LONGEST_OUTPUT / 4);
    assert!(wrong.is_some_and(|why| why.contains("more than")));
}

#[tokio::test]
async fn the_prometheus_format_has_counters_of_which_the_growth_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("n");
    let command = format!("printf '# TYPE c counter\\nc{{a=\"b\"}} '; cat {}; echo g 7", file.display());
    let mut printer = runner(Command::Shell(command), Format::Prometheus);
    for (count, expected) in [("5\n", vec!["my_g=7.0"]), ("8\n", vec!["my_c=3.0", "my_g=7.0"])] {
        std::fs::write(&file, count).expect("written");
        let (points, wrong) = once(&mut printer).await;
        assert_eq!(points.iter().map(|(point, _)| point.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(wrong, None);
    }
}

#[test]
fn a_command_that_fails_again_and_again_does_not_hide_another_in_the_own_log() {
    let told = log::said(|| {
        let mut noisy = lines("true");
        for _ in 0..10 {
            noisy.tell(Some(&ExecError::Nothing));
            noisy.tell(None);
        }
        Runner { at: "exec[1]".into(), ..lines("true") }.tell(Some(&ExecError::Nothing));
    });
    let complaints: Vec<_> = told.iter().filter(|line| line.contains("WARN")).collect();
    assert!(complaints.len() < 10 && complaints.last().is_some_and(|line| line.contains("exec[1]")), "{told:?}");
}

#[tokio::test]
async fn a_command_does_not_see_the_password_of_the_login() {
    let text = format!("test -z \"${PASSWORD_VARIABLE}\" && echo unset=1");
    let mut asks = lines(&text);
    let command = asks.command();
    let hidden = command.as_std().get_envs().any(|(name, value)| name == PASSWORD_VARIABLE && value.is_none());
    assert!(hidden);
    assert_eq!(once(&mut asks).await.0.len(), 1);
}

#[tokio::test]
async fn a_command_that_hangs_holds_up_no_other_and_ends_with_the_stop() {
    let (out, mut readings) = mpsc::channel(4);
    let (stop, first) = (CancellationToken::new(), Headcount::default());
    let rounds =
        Rounds { place: Place::at(0), out, stop: stop.clone(), first, board: Arc::default(), wall: Timestamp::now };
    let shell = |text: &str| plugin(Command::Shell(text.into()), Format::Lines);
    let all = run(vec![(3, shell("sleep 600")), (4, shell("echo a=1"))], rounds);
    let first = async {
        let first = readings.recv().await;
        stop.cancel();
        first
    };
    // As the daemon spawns it.
    let (first, all) = tokio::join!(first, tokio::spawn(all));
    all.expect("ends in order");
    let first = first.expect("the other works");
    assert_eq!((first.source, first.points[0].name.as_ref()), (4, "my_a"));
}
