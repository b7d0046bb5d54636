//! What the daemon itself sends to the relay's socket, like any other client: the use of the processors each minute, and of memory and
//! disk where that is configured.
use super::client;
use crate::{
    config::settings::serial_relay::Tag,
    platform::{
        cpus::{self, Times},
        mounts, ram,
    },
    telemetry::{chain, counters},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// As the EC2 System Monitor has it.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Measures and sends.
pub struct Feeder {
    tags: Vec<Tag>,
    /// The processors' times at the reading before.
    before: Option<Times>,
}

impl Feeder {
    /// The first reading of the processors is of the time since now.
    pub fn new(tags: Vec<Tag>) -> Self {
        let mut feeder = Self { tags, before: None };
        if feeder.tags.contains(&Tag::Cpu) {
            feeder.before = cpus::read().ok().map(|cpus| cpus.total);
        }
        feeder
    }

    fn feed(&mut self, socket: &Path) {
        for tag in self.tags.clone() {
            let word = tag.word();
            let value = match self.measure(tag) {
                Ok(Some(value)) => value,
                // The first reading, or no time has passed.
                Ok(None) => continue,
                Err(error) => {
                    counters::POLLS_FAILED.add(1);
                    tracing::warn!(%error, "{word} could not be read for the serial device");
                    continue;
                }
            };
            match client::send(socket, word, decimal(value).as_bytes(), false) {
                Ok(bytes) => counters::RELAY_BYTES_SENT.add(bytes as u64),
                Err(error) => {
                    counters::RELAY_READINGS_NOT_SENT.add(1);
                    tracing::warn!(error = chain(&error), "{word} could not be sent to the serial device");
                }
            }
        }
    }

    /// In percent.
    fn measure(&mut self, tag: Tag) -> io::Result<Option<f64>> {
        match tag {
            Tag::Cpu => {
                let now = cpus::read()?.total;
                Ok(self.before.replace(now).and_then(|before| busy(&before, &now)))
            }
            Tag::Memory => ram::ram().map(|ram| percent(ram.used, ram.total)),
            Tag::Disk => {
                let mounts = mounts::mounts()?;
                let root = mounts.iter().find(|mount| mount.path == Path::new("/"));
                let space = mounts::space(root.ok_or(io::ErrorKind::NotFound)?)?;
                Ok(percent(space.used, space.used.saturating_add(space.free)))
            }
        }
    }
}

/// The share of the time that was not idle. `None`: no time has passed, or the machine was moved and its clock started anew.
fn busy(before: &Times, now: &Times) -> Option<f64> {
    let passed = now.total().checked_sub(before.total())?;
    let active = now.active().saturating_sub(before.active());
    percent(active.min(passed), passed)
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// The shortest decimal that means this number, without an exponent, as Go's `FormatFloat(x, 'f', -1, 64)` writes it.
fn decimal(value: f64) -> String {
    format!("{value}")
}

/// Feed the socket each minute, without an end.
pub async fn run(feeder: &Arc<Mutex<Feeder>>, socket: PathBuf) {
    let mut tick = interval_at(Instant::now() + INTERVAL, INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let (feeder, socket) = (feeder.clone(), socket.clone());
        // Reading may block on a dead disk, sending on a relay that is not read: on this one, too, which this thread serves.
        let fed = tokio::task::spawn_blocking(move || {
            feeder.lock().unwrap_or_else(PoisonError::into_inner).feed(&socket);
        });
        let _ = fed.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_decimals_in_their_shortest_form() {
        for (value, text) in [
            (2.0, "2"),
            (0.0, "0"),
            (12.5, "12.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100.0, "100"),
            (1e-7, "0.0000001"),
            (33.333_333_333_333_336, "33.333333333333336"),
            (1e21, "1000000000000000000000"),
        ] {
            assert_eq!(decimal(value), text);
        }
    }

    #[test]
    fn the_share_is_of_the_time_since_the_reading_before() {
        let at = |user, idle| Times { user, idle, ..Times::default() };
        assert_eq!(busy(&at(100, 100), &at(125, 175)), Some(25.0));
        assert_eq!(busy(&at(100, 100), &at(100, 200)), Some(0.0));
        assert_eq!(busy(&at(100, 100), &at(100, 100)), None, "no time has passed");
        assert_eq!(busy(&at(100, 100), &at(1, 1)), None, "the clock was started anew");
    }

    /// What came to a relay that takes what these tags send, within so much time: tags and data.
    #[cfg(unix)]
    async fn fed(tags: Vec<Tag>, within: Duration) -> Vec<(String, String)> {
        use crate::relay::frame::{Message, decode};
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let mut feeder = Feeder::new(tags);
        // Since the start of the host: between two readings of a test no time may pass.
        feeder.before = feeder.before.map(|_| Times::default());
        let feeder = Arc::new(Mutex::new(feeder));
        assert!(tokio::time::timeout(within, run(&feeder, socket)).await.is_err(), "it goes on");
        std::iter::from_fn(|| listener.accept().ok())
            .map(|(client, _)| {
                let frame = io::read_to_string(client).expect("text");
                let Message { tag, compressed, data } = decode(frame.as_bytes()).expect("one frame");
                assert!(!compressed);
                (tag, String::from_utf8(data).expect("text"))
            })
            .collect()
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn the_use_of_the_processors_comes_each_minute_and_not_before() {
        assert_eq!(fed(vec![Tag::Cpu], INTERVAL - Duration::from_millis(1)).await, []);
        let came = fed(vec![Tag::Cpu], INTERVAL + Duration::from_millis(1)).await;
        let [(tag, share)] = came.as_slice() else { panic!("one reading: {came:?}") };
        assert_eq!(tag, "cpuutil");
        assert!(share.bytes().all(|c| c.is_ascii_digit() || c == b'.'), "a plain decimal: {share}");
        assert!((0.0..=100.0).contains(&share.parse::<f64>().expect("a number")), "{share}");
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn memory_and_disk_come_where_they_are_asked_for_and_only_there() {
        let tags = async |asked| -> Vec<String> {
            let came = fed(asked, INTERVAL * 2 + Duration::from_millis(1)).await;
            came.into_iter().map(|(tag, _)| tag).collect()
        };
        assert_eq!(tags(vec![Tag::Memory, Tag::Disk]).await, ["memory", "disk", "memory", "disk"]);
        assert_eq!(tags(vec![]).await, Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn this_host_has_a_share_of_everything() {
        let mut feeder = Feeder::new(vec![Tag::Cpu, Tag::Memory, Tag::Disk]);
        assert!(feeder.before.is_some(), "the first minute counts");
        for tag in [Tag::Memory, Tag::Disk] {
            let share = feeder.measure(tag).expect("readable").expect("there");
            assert!(share > 0.0 && share <= 100.0, "{tag:?}: {share}");
        }
    }
}
