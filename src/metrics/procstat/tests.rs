use super::*;
use crate::{
    config::{
        measurements::Table,
        settings::metrics::{Expression, Measurement, Measurements, SourceDimensions},
    },
    metrics::{Moment, Reader, readings},
    model::{Point, Resolution, Timestamp, Values},
};
use std::fs;
use tempfile::TempDir;

/// A `/proc` that the test writes, and the items that look at it.
struct Machine {
    folder: TempDir,
    look: Arc<Mutex<Look>>,
    begun: Instant,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        fs::create_dir_all(&proc).expect("made");
        let look = Arc::new(Mutex::new(Look::of(Census::below(&proc, &groups))));
        let machine = Self { folder, look, begun: Instant::now() };
        machine.runs(1, "init", "/sbin/first", 0, 0);
        machine
    }

    /// A process that has used so many seconds of a processor.
    fn runs(&self, pid: u32, name: &str, command: &str, started: u64, seconds: u64) {
        let folder = self.folder.path().join(format!("proc/{pid}"));
        fs::create_dir_all(&folder).expect("made");
        let ticks = seconds * 100;
        let stat = format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 50 0 0 20 5 3 0 {started} 8192 2 0\n");
        fs::write(folder.join("stat"), stat).expect("written");
        fs::write(folder.join("cmdline"), command.replace(' ', "\0")).expect("written");
        fs::write(folder.join("status"), "VmData:\t 8 kB\nShdPnd:\t0000000000000001\n").expect("written");
        let limits = "Max open files            1024                 unlimited            files     \n";
        fs::write(folder.join("limits"), limits).expect("written");
    }

    fn ends(&self, pid: u32) {
        fs::remove_dir_all(self.folder.path().join(format!("proc/{pid}"))).expect("it was there");
    }

    fn item(&self, by: ProcessSelector, name: Option<&str>, fields: &[&str]) -> Reader {
        let table = Table::find("procstat").expect("a table");
        let measurement = |field: &&str| Measurement {
            field: (*field).into(),
            name: table.published(field),
            unit: table.field(field).expect(field).unit,
            scale: 1.0,
            is_delta: false,
        };
        let plugin = Plugin {
            at: "metrics.metrics_collected.procstat[0]".into(),
            key: "procstat",
            measurements: Measurements::These(fields.iter().map(measurement).collect()),
            interval: Duration::from_secs(10),
            resolution: Resolution::Second,
            dimensions: SourceDimensions::default(),
            options: Options::Procstat { by, name: name.map(str::to_owned) },
        };
        let collector = Box::new(Procstat::of(&plugin, self.look.clone()));
        Reader { collector, wanted: readings::Wanted::of(&plugin) }
    }

    /// The reading so many seconds after the beginning.
    fn read(&self, item: &mut Reader, second: u64) -> (Vec<Point>, Result<(), CollectError>) {
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: self.begun + Duration::from_secs(second) };
        item.read(now)
    }
}

/// Name and value, with the process's name before it.
fn told(points: &[Point]) -> Vec<String> {
    let one = |point: &Point| {
        let Values::One(value) = point.value else { unreachable!("one reading has one value") };
        let process = point.dimensions.iter().find(|dimension| dimension.name == "process_name");
        let process = process.map_or_else(String::new, |dimension| format!("{} ", dimension.value));
        format!("{process}{} {value}", point.name.trim_start_matches("procstat_"))
    };
    points.iter().map(one).collect()
}

fn expression(text: &str) -> Expression {
    Expression { text: text.to_owned(), regex: regex::bytes::Regex::new(text).expect("a pattern") }
}

fn pattern(text: &str) -> ProcessSelector {
    ProcessSelector::Pattern(expression(text))
}

#[test]
fn all_processes_that_match_are_published_under_the_users_own_pattern() {
    let machine = Machine::new();
    machine.runs(5, "nginx", "nginx: worker process", 10, 1);
    machine.runs(6, "nginx", "nginx: worker process", 11, 2);
    machine.runs(7, "cron", "/usr/sbin/cron -f", 12, 3);
    let mut item = machine.item(pattern("nginx: w.*"), None, &["pid", "cpu_time_user", "pid_count"]);
    let (points, result) = machine.read(&mut item, 0);
    result.expect("readable");
    let expected = ["nginx pid 5", "nginx cpu_time_user 1", "nginx pid 6", "nginx cpu_time_user 2", "pid_count 2"];
    assert_eq!(told(&points), expected);
    let dimensions = |point: &Point| {
        point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(dimensions(&points[0]), "pattern=nginx: w.* process_name=nginx");
    assert_eq!(dimensions(&points[4]), "pattern=nginx: w.* pid_finder=native");
}

#[test]
fn zero_is_published_of_what_does_not_run() {
    let machine = Machine::new();
    let mut item = machine.item(pattern("^nginx"), None, &["pid", "pid_count"]);
    assert_eq!(told(&machine.read(&mut item, 0).0), ["pid_count 0"]);
}

#[test]
fn the_share_of_a_processor_is_that_since_the_reading_before_and_may_exceed_a_hundred() {
    let machine = Machine::new();
    let mut item = machine.item(pattern("db"), None, &["cpu_usage"]);
    machine.runs(5, "db", "db", 10, 100);
    assert_eq!(told(&machine.read(&mut item, 0).0), [] as [&str; 0], "one reading has none");
    machine.runs(5, "db", "db", 10, 125);
    assert_eq!(told(&machine.read(&mut item, 10).0), ["db cpu_usage 250"]);
    assert_eq!(told(&machine.read(&mut item, 20).0), ["db cpu_usage 0"]);
}

#[test]
fn a_process_with_the_number_of_one_that_ended_begins_anew() {
    let machine = Machine::new();
    let mut item = machine.item(pattern("db"), None, &["cpu_usage"]);
    machine.runs(5, "db", "db", 10, 100);
    machine.read(&mut item, 0).1.expect("readable");
    machine.runs(5, "db", "db", 900, 101);
    assert_eq!(told(&machine.read(&mut item, 10).0), [] as [&str; 0]);
    machine.ends(5);
    machine.read(&mut item, 20).1.expect("readable");
    machine.runs(5, "db", "db", 900, 102);
    assert_eq!(told(&machine.read(&mut item, 30).0), [] as [&str; 0], "it was not seen in between");
    machine.runs(5, "db", "db", 900, 103);
    assert_eq!(told(&machine.read(&mut item, 40).0), ["db cpu_usage 10"]);
}

#[test]
fn items_of_one_tick_share_one_look_and_the_next_tick_looks_again() {
    let machine = Machine::new();
    let [mut first, mut second] = [(), ()].map(|()| machine.item(pattern("a"), None, &["pid_count"]));
    machine.runs(5, "a", "a", 10, 1);
    assert_eq!(told(&machine.read(&mut first, 0).0), ["pid_count 1"]);
    machine.runs(6, "a", "a", 10, 1);
    assert_eq!(told(&machine.read(&mut second, 0).0), ["pid_count 1"], "what was seen before");
    machine.ends(5);
    assert_eq!(told(&machine.read(&mut first, 1).0), ["pid_count 1"]);
    assert_eq!(told(&machine.read(&mut second, 1).0), ["pid_count 1"]);
}

#[test]
fn limits_are_published_and_what_is_unlimited_as_the_systems_headers_have_it() {
    let machine = Machine::new();
    machine.runs(5, "a", "a", 10, 1);
    let fields =
        ["memory_data", "nice_priority", "signals_pending", "rlimit_num_fds_soft", "rlimit_num_fds_hard", "num_fds"];
    let mut item = machine.item(pattern("a"), None, &fields);
    let expected = [
        "a memory_data 8192",
        "a signals_pending 1",
        "a nice_priority 15",
        "a rlimit_num_fds_soft 1024",
        "a rlimit_num_fds_hard -1",
    ];
    assert_eq!(told(&machine.read(&mut item, 0).0), expected);
}

#[test]
fn processor_times_are_seconds_and_those_that_no_process_has_are_zero() {
    let machine = Machine::new();
    machine.runs(5, "a", "a", 10, 3);
    let fields = ["cpu_time", "cpu_time_system", "cpu_time_steal", "cpu_time_stolen"];
    let mut item = machine.item(pattern("a"), None, &fields);
    assert_eq!(
        told(&machine.read(&mut item, 0).0),
        ["a cpu_time_system 0.5", "a cpu_time 3", "a cpu_time_steal 0"],
        "whole seconds of both; nobody counts the stolen ones"
    );
}

#[test]
fn a_pid_file_names_one_process_and_without_the_file_there_is_none() {
    let machine = Machine::new();
    machine.runs(5, "a", "a", 10, 1);
    let path = machine.folder.path().join("a.pid");
    let file = path.display().to_string();
    let mut item = machine.item(ProcessSelector::PidFile(file.clone()), Some("web"), &["pid", "pid_count"]);
    fs::write(&path, " 5\n").expect("written");
    let (points, result) = machine.read(&mut item, 0);
    result.expect("readable");
    assert_eq!(told(&points), ["web pid 5", "pid_count 1"]);
    assert_eq!(points[1].dimensions[0].name, "pidfile");
    fs::write(&path, "6").expect("written");
    assert_eq!(told(&machine.read(&mut item, 10).0), ["pid_count 0"], "left behind by one that ended");
    fs::remove_file(&path).expect("there");
    let (points, result) = machine.read(&mut item, 20);
    result.expect("nothing failed");
    assert_eq!(told(&points), ["pid_count 0"]);
}

#[test]
fn what_is_in_a_pid_file_and_no_number_says_so_and_is_no_zero() {
    let machine = Machine::new();
    let path = machine.folder.path().join("a.pid");
    let file = path.display().to_string();
    let mut item = machine.item(ProcessSelector::PidFile(file), None, &["pid_count"]);
    for bad in ["", "five", "-5", "99999999999", "5 6", "\u{1}\u{2}"] {
        fs::write(&path, bad).expect("written");
        let (points, result) = machine.read(&mut item, 0);
        assert!(points.is_empty(), "{bad:?}");
        let CollectError::Read { source, .. } = result.expect_err(bad);
        assert!(source.to_string().contains("no number"), "{source}");
    }
}

#[cfg(unix)]
#[test]
fn a_pid_file_that_is_a_fifo_is_an_error_and_hangs_nobody() {
    let machine = Machine::new();
    let path = machine.folder.path().join("a.pid");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("POSIX has it").success());
    let mut item = machine.item(ProcessSelector::PidFile(path.display().to_string()), None, &["pid_count"]);
    let (done, answer) = std::sync::mpsc::channel();
    thread::spawn(move || _ = done.send(machine.read(&mut item, 0)));
    // Whoever waits for a writer waits for ever.
    let (points, result) = answer.recv_timeout(Duration::from_secs(60)).expect("it comes back");
    assert!(points.is_empty());
    let CollectError::Read { source, .. } = result.expect_err("no pid file");
    assert!(source.to_string().contains("a.pid: it is not a regular file"), "{source}");
}

#[test]
fn where_the_system_hides_processes_nothing_found_is_an_error_and_no_zero() {
    let machine = Machine::new();
    let path = machine.folder.path().join("a.pid");
    fs::write(&path, "5").expect("written");
    let file = ProcessSelector::PidFile(path.display().to_string());
    let mut items = [pattern("db"), file].map(|by| machine.item(by, None, &["pid", "pid_count"]));
    machine.ends(1);
    for item in &mut items {
        let (points, result) = machine.read(item, 0);
        assert!(points.is_empty(), "{points:?}");
        let CollectError::Read { source, .. } = result.expect_err("nobody knows");
        assert!(source.to_string().contains("hidepid"), "{source}");
    }
    machine.runs(5, "db", "db", 10, 1);
    for item in &mut items {
        let (points, result) = machine.read(item, 10);
        result.expect("found among those that are shown");
        assert_eq!(told(&points), ["db pid 5", "pid_count 1"]);
    }
}

#[test]
fn a_systemd_unit_has_all_of_its_processes_and_zero_when_it_is_stopped() {
    let machine = Machine::new();
    machine.runs(5, "web", "web", 10, 1);
    machine.runs(6, "helper", "helper", 10, 1);
    let mut item = machine.item(ProcessSelector::SystemdUnit("web".into()), None, &["pid", "pid_count"]);
    let (points, result) = machine.read(&mut item, 0);
    assert!(points.is_empty() && result.is_err(), "no systemd: nobody knows");
    let slice = machine.folder.path().join("groups/system.slice");
    fs::create_dir_all(slice.join("web.service")).expect("made");
    fs::write(slice.join("web.service/cgroup.procs"), "5\n6\n").expect("written");
    let (points, result) = machine.read(&mut item, 10);
    result.expect("readable");
    assert_eq!(told(&points), ["web pid 5", "helper pid 6", "pid_count 2"]);
    assert_eq!(
        (points[2].dimensions[0].name.as_str(), points[2].dimensions[0].value.as_str()),
        ("systemd_unit", "web")
    );
    fs::remove_dir_all(slice.join("web.service")).expect("made above");
    assert_eq!(told(&machine.read(&mut item, 20).0), ["pid_count 0"]);
}

#[cfg(unix)]
#[test]
fn an_executable_is_found_by_its_path_wherever_the_pattern_matches_in_it() {
    let machine = Machine::new();
    machine.runs(5, "java", "java -jar a.jar", 10, 1);
    machine.runs(6, "cron", "java", 10, 1);
    let link = |pid: u32, to: &str| {
        let path = machine.folder.path().join(format!("proc/{pid}/exe"));
        std::os::unix::fs::symlink(to, path).expect("made");
    };
    link(5, "/usr/lib/jvm/bin/java");
    link(6, "/usr/sbin/cron");
    let by = ProcessSelector::Exe(expression("jvm/.*/java$"));
    let mut item = machine.item(by, None, &["pid"]);
    assert_eq!(told(&machine.read(&mut item, 0).0), ["java pid 5"]);
}
