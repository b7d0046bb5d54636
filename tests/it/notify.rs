//! A service manager that speaks systemd's protocol: a plain datagram socket that is listened to.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Fault, Op},
    host::TestHost,
};
use serde_json::json;
use std::{fs, os::linux::net::SocketAddrExt, os::unix::net as std_net, path::Path};
use tokio::net::UnixDatagram;

/// Listens where the daemon is told to speak.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        Self(UnixDatagram::bind(path).expect("a path of ours"))
    }

    /// The next message that is no sign of life.
    async fn hear(&self) -> Vec<String> {
        loop {
            let message = self.hear_any().await;
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }

    async fn hear_any(&self) -> Vec<String> {
        let mut bytes = [0; 4_096];
        let heard = tokio::time::timeout(PATIENCE, self.0.recv(&mut bytes)).await.expect("it says something");
        let text = String::from_utf8(bytes[..heard.expect("ours")].to_vec()).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// The next message that says more than how it stands must begin with this.
    async fn expect(&self, first: &str) -> Vec<String> {
        let mut message = self.hear().await;
        while message[0].starts_with("STATUS=") {
            message = self.hear().await;
        }
        assert_eq!(message[0], first, "{message:?}");
        message
    }

    /// Waits for a line that contains this.
    async fn until_said(&self, words: &str) {
        while !self.hear().await.iter().any(|line| line.starts_with("STATUS=") && line.contains(words)) {}
    }
}

fn told_at(host: TestHost, manager: &str, watchdog: &str) -> TestHost {
    host.with_variable("NOTIFY_SOCKET", manager).with_variable("WATCHDOG_USEC", watchdog)
}

#[tokio::test]
async fn a_manager_hears_the_start_each_reload_and_the_stop_in_order() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let path = host.path("notify");
    let manager = Manager::at(&path);
    let host = told_at(host, &path.display().to_string(), "");
    let daemon_config = host.path("publisher.json");
    let mut daemon = host.start();
    manager.expect("READY=1").await;
    fs::write(&daemon_config, "{").expect("ours");
    daemon.hang_up().await;
    let reloading = manager.expect("RELOADING=1").await;
    let moment = reloading.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("a moment");
    assert!(moment.parse::<u64>().is_ok_and(|moment| moment > 0), "{moment}");
    let refused = manager.expect("READY=1").await;
    assert!(refused[1].contains("was refused, the one before it runs"), "{refused:?}");
    host.write_config();
    daemon.hang_up().await;
    manager.expect("RELOADING=1").await;
    let ready = manager.expect("READY=1").await;
    assert!(!ready[1].contains("refused"), "{ready:?}");
    assert!(daemon.terminate().await.success());
    let stopping = manager.expect("STOPPING=1").await;
    assert_eq!(stopping[..2], ["STOPPING=1", "EXTEND_TIMEOUT_USEC=15000000"]);
}

#[tokio::test]
async fn it_runs_without_a_network_says_what_waits_and_gives_signs_of_life() {
    let aws = FakeAws::start();
    aws.fail(&[Op::PutLogEvents], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]);
    let path = host.path("notify");
    let manager = Manager::at(&path);
    let host = told_at(host, &path.display().to_string(), "400000");
    host.append("app.log", "one\n");
    let daemon = host.start();
    let ready = manager.hear_any().await;
    assert_eq!(ready, ["READY=1", "STATUS=running, nothing delivered yet"]);
    for _ in 0..3 {
        while manager.hear_any().await != ["WATCHDOG=1"] {}
    }
    manager.until_said("logs wait: ").await;
    aws.heal();
    manager.until_said("delivering").await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn no_child_is_told_where_the_manager_listens() {
    let host = TestHost::against("http://127.0.0.1:9")
        .with("agent.instance", json!({ "prefix": "sys", "command": "env >shell.env; echo story" }))
        .with("logs.logs_collected.journal", json!(true))
        .with_program("journalctl", "#!/bin/sh\nenv >\"$HOME/draft\"; mv \"$HOME/draft\" \"$HOME/journalctl.env\"\n");
    let hidden = format!("publisher-story-{}", std::process::id());
    let address = std_net::SocketAddr::from_abstract_name(&hidden).expect("a name");
    let socket = std_net::UnixDatagram::bind_addr(&address).expect("nobody else has it");
    socket.set_nonblocking(true).expect("ours");
    let manager = Manager(UnixDatagram::from_std(socket).expect("ours"));
    let host = told_at(host, &format!("@{hidden}"), "60000000").with_variable("STORY", "told");
    let daemon = host.start();
    manager.expect("READY=1").await;
    for file in ["shell.env", "journalctl.env"] {
        host.until_there(file).await;
        let told = fs::read_to_string(host.path(file)).expect("written");
        assert!(told.contains("STORY=told"), "{told}");
        assert!(!told.contains("NOTIFY_SOCKET") && !told.contains("WATCHDOG_"), "{file}: {told}");
    }
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_configuration_that_cannot_run_is_told_with_its_first_error() {
    let host = TestHost::against("ht!tp://");
    let path = host.path("notify");
    let manager = Manager::at(&path);
    let host = told_at(host, &path.display().to_string(), "");
    let output = host.run([Path::new("run"), &host.write_config()]).await;
    assert_eq!(output.status.code(), Some(78));
    let told = manager.hear().await;
    assert!(told.len() == 1 && told[0].starts_with("STATUS=the configuration cannot run: "), "{told:?}");
    assert!(told[0].contains("agent.endpoint_override"), "{told:?}");
}
