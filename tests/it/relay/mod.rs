//! The serial relay through its front door: what programs send to the socket comes out of the device.
mod clients;
mod device;
mod frames;
mod life;
mod place;
mod socat;

use crate::support::{
    PATIENCE,
    host::{Daemon, Status, TestHost},
    terminal::Terminal,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    os::unix::{fs::symlink, net::UnixStream},
    path::PathBuf,
    process::Output,
    time::Duration,
};

/// A machine that relays and does nothing else: it knows no region and has no key. Its device is a link, which can be made to point to
/// another terminal, or to nothing.
struct Story {
    host: TestHost,
    socket: PathBuf,
    device: PathBuf,
}

impl Story {
    /// With these keys of `serial_relay` beside its device and its socket.
    fn with(keys: Value) -> Self {
        let host = TestHost::of(json!({ "agent": { "logfile": "" } })).without_keys().with_variable("AWS_REGION", "");
        let (socket, device) = (host.path("relay.sock"), host.path("device"));
        let mut relay = json!({ "device": device, "socket": socket });
        relay.as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
        Self { host: host.with("agent.serial_relay", relay), socket, device }
    }

    /// With this terminal as its device.
    fn on(terminal: &Terminal) -> Self {
        let story = Self::with(json!({}));
        story.plug(terminal);
        story
    }

    /// From here on this terminal is the device.
    fn plug(&self, terminal: &Terminal) {
        let new = self.host.path("device.new");
        symlink(terminal.path(), &new).expect("a link");
        std::fs::rename(&new, &self.device).expect("our folder");
    }

    fn unplug(&self) {
        std::fs::remove_file(&self.device).expect("it was plugged in");
    }

    /// A client, as soon as somebody listens.
    async fn client(&self) -> UnixStream {
        let connected = async {
            loop {
                match UnixStream::connect(&self.socket) {
                    Ok(client) => return client,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let connected = tokio::time::timeout(PATIENCE, connected).await;
        connected.unwrap_or_else(|_| panic!("nobody listens: {}", self.host.said()))
    }

    /// Send these bytes as one client, which closes.
    async fn send(&self, bytes: &str) {
        self.client().await.write_all(bytes.as_bytes()).expect("they are taken");
    }

    /// `relay send` with these arguments, and what comes of it.
    async fn relay_send(&self, arguments: &[&str]) -> Output {
        let socket = self.socket.to_str().expect("UTF-8");
        self.host.run([&["relay", "send", "--socket", socket], arguments].concat()).await
    }

    /// Wait until the daemon has heard of its stop, and nobody new can come.
    async fn until_stops(&self) {
        let stopping = async {
            while !self.host.said().contains("stopping seconds") || self.socket.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stopping).await.unwrap_or_else(|_| panic!("it goes on: {}", self.host.said()));
    }

    /// Wait until the daemon has said this so often.
    async fn until_said(&self, daemon: &mut Daemon<'_>, words: &str, times: usize) {
        daemon.until(words, |_| self.host.said().matches(words).count() >= times).await;
    }
}

/// What is wrong with the first source whose name begins so; `None` where nothing is.
fn trouble(status: &Status, name: &str) -> Option<String> {
    let lines = status.0["sources"].as_array().into_iter().flatten();
    let mut named = lines.filter(|line| line["name"].as_str().is_some_and(|found| found.starts_with(name)));
    let line = named.next().unwrap_or_else(|| panic!("status has no {name}: {:#}", status.0));
    line["last_error"].as_str().map(str::to_owned)
}

/// Whether the serial device is in trouble of which these words are said.
fn device_has(status: &Status, words: &str) -> bool {
    trouble(status, "serial device").is_some_and(|told| told.contains(words))
}

/// Whether the socket is in trouble of which these words are said.
fn socket_has(status: &Status, words: &str) -> bool {
    trouble(status, "serial relay").is_some_and(|told| told.contains(words))
}

/// What came out of a device that had failed: before the first frame a line end may come, in case that it had got a part of another.
fn frames_in(text: &str) -> &str {
    text.strip_prefix('\n').unwrap_or(text)
}

/// A frame without compression, of a tag and of data that need no escapes, by our own hands.
fn frame(tag: &str, data: &str) -> String {
    let (mut low, mut high) = (1, 0);
    let payload = format!(r#"{{"tag":"{tag}","compress":false,"data":"{data}"}}"#);
    for byte in payload.bytes() {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    format!("{{\"csum\":{},\"payload\":\"{}\"}}\n", high << 16 | low, payload.replace('"', "\\\""))
}

/// Frames of this length each, numbered.
fn frames(count: usize, length: usize) -> Vec<String> {
    let bare = frame("n", "").len();
    (0..count)
        .map(|number| frame("n", &format!("{number:0>width$}", width = length.saturating_sub(bare).max(6))))
        .collect()
}
