//! Single processes: what is published of one that the story starts, beside what psutil says of it at the same time.
use crate::support::{
    fake::{Datum, FakeAws, Seen},
    host::TestHost,
    moto::interpreter,
};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Uses something of everything, says so, and rests until its input ends.
const BUSY: &str = r#"
import os, sys, threading, time
files = [open(os.devnull) for _ in range(37)]
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
memory = bytearray(b"x") * (40 << 20)
while time.process_time() < 0.7:
    pass
with open(sys.argv[1], "w") as pid_file:
    print(os.getpid(), file=pid_file)
print("ready", flush=True)
sys.stdin.read()
"#;

/// What psutil says of a process.
const TOLD: &str = r#"
import json, psutil, sys
process = psutil.Process(int(sys.argv[1]))
memory, cpu, io, switches = process.memory_info(), process.cpu_times(), process.io_counters(), process.num_ctx_switches()
soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
print(json.dumps({
    "name": process.name(),
    "procstat_pid": process.pid,
    "procstat_memory_rss": memory.rss,
    "procstat_memory_vms": memory.vms,
    "procstat_num_fds": process.num_fds(),
    "procstat_num_threads": process.num_threads(),
    "procstat_cpu_time_user": cpu.user,
    "procstat_cpu_time_system": cpu.system,
    "procstat_read_count": io.read_count,
    "procstat_write_count": io.write_count,
    "procstat_read_bytes": io.read_bytes,
    "procstat_write_bytes": io.write_bytes,
    "procstat_voluntary_context_switches": switches.voluntary,
    "procstat_involuntary_context_switches": switches.involuntary,
    "procstat_rlimit_num_fds_soft": soft,
    "procstat_rlimit_num_fds_hard": hard,
    "procstat_nice_priority": 20 - process.nice(),
}))
"#;

/// The process; it ends with its input.
async fn busy(pid_file: &Path) -> Child {
    let mut child = Command::new(interpreter())
        .args(["-c", BUSY])
        .arg(pid_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the interpreter can be started");
    let mut said = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("piped above"));
    output.read_line(&mut said).await.expect("it speaks");
    assert_eq!(said, "ready\n");
    child
}

async fn told(pid: u32) -> Value {
    let output = Command::new(interpreter()).args(["-c", TOLD, &pid.to_string()]).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// The last datum of this name with this dimension.
fn last<'a>(seen: &'a Seen, name: &str, key: &str, value: &str) -> Option<&'a Datum> {
    let has = |datum: &&Datum| datum.dimensions.get(key).is_some_and(|found| found == value);
    seen.metric(name).into_iter().rfind(has)
}

fn counts(seen: &Seen, count: f64, selectors: [(&str, &str); 2]) -> bool {
    selectors.iter().all(|(key, value)| {
        let datum = last(seen, "procstat_lookup_pid_count", key, value);
        datum.is_some_and(|datum| datum.value == count && datum.dimensions["pid_finder"] == "native")
    })
}

#[tokio::test]
async fn a_process_is_found_by_its_command_line_and_pid_file_and_measured_as_psutil_does() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url());
    let pid_file = host.path("busy.pid");
    let named = pid_file.display().to_string();
    let mut child = busy(&pid_file).await;
    let pid = child.id().expect("alive");
    let told = told(pid).await;
    let measured: Vec<&str> =
        told.as_object().expect("ours").keys().map(String::as_str).filter(|k| *k != "name").collect();
    let mut measurement = measured.clone();
    measurement.extend(["cpu_usage", "cpu_time", "pid_count"]);
    let host =
        host.with("agent.metrics_collection_interval", json!(1)).with("metrics.force_flush_interval", json!(1)).with(
            "metrics.metrics_collected.procstat",
            json!([
                { "pattern": named, "measurement": measurement },
                { "pid_file": named, "measurement": ["pid_count", "memory_rss"], "process_name": "busy" },
            ]),
        );
    let mut daemon = host.start();
    let selectors = [("pattern", named.as_str()), ("pidfile", named.as_str())];
    let all_there = |seen: &Seen| {
        let wanted = measured.iter().chain(&["procstat_cpu_usage", "procstat_cpu_time"]);
        counts(seen, 1.0, selectors) && wanted.into_iter().all(|name| !seen.metric(name).is_empty())
    };
    daemon.until_cloud(&aws, "the process", all_there).await;
    aws.look(|seen| {
        for name in &measured {
            let datum = last(seen, name, "pattern", &named).expect("seen above");
            assert_eq!(Some(datum.value), told[*name].as_f64(), "{name}");
            assert_eq!(datum.dimensions.get("process_name"), told["name"].as_str().map(str::to_owned).as_ref());
        }
        let whole = told["procstat_cpu_time_user"].as_f64().zip(told["procstat_cpu_time_system"].as_f64());
        let whole = whole.map(|(user, system)| (user + system).floor());
        assert_eq!(seen.metric("procstat_cpu_time").last().map(|datum| datum.value), whole);
        assert_eq!(seen.metric("procstat_cpu_usage").last().map(|datum| datum.value), Some(0.0), "it rests");
        let by_file = last(seen, "procstat_memory_rss", "pidfile", &named).expect("by the pid file, too");
        assert_eq!(by_file.dimensions["process_name"], "busy", "the name that the user gave");
        assert_eq!(by_file.unit, "Bytes");
    });
    drop(child.stdin.take());
    child.wait().await.expect("it is ours to wait for");
    daemon.until_cloud(&aws, "zero where there was one", |seen| counts(seen, 0.0, selectors)).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}
