//! What the service manager hears of the daemon: that it runs, reloads, stops, how it stands in one line, and that it lives.
//!
//! It runs (`READY=1`) when its sources are started; no network is needed for that. Its line (`STATUS=`) is said anew when it becomes
//! another one, not for each event.
//!
//! A sign of life (`WATCHDOG=1`) is given in half of the time that the manager waits for one, by the very task that hears the signals, and
//! only after a task beside it has had its turn: while something holds the one thread that does all that waits, from the stages to
//! the publishers, there is none. Threads that read foreign files have no part in it: one that hangs on a dead mount would
//! hang again after a restart, and the board tells of it. Neither has what waits, for a network or for ever: it holds no thread.
//!
//! Without a manager that listens nothing is said, and nothing is spent.
use crate::{
    platform::notify::{Socket, monotonic},
    telemetry::board::{Board, Standing},
};
use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

/// How often to look for another line, where no signs of life are to be given more often.
const LOOK: Duration = Duration::from_secs(5);

/// Beyond the time that a stop may take: what comes after its deadline takes no second.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// Characters of one reason in the line.
const REASON: usize = 160;

/// Tells the service manager.
#[derive(Debug, Default)]
pub struct Notify {
    manager: Option<Socket>,
    shown: Mutex<Shown>,
}

/// Of the configuration that runs.
#[derive(Debug, Default)]
struct Shown {
    board: Option<Arc<Board>>,
    /// It has said that it runs; nobody waits for signs of life before.
    is_up: bool,
    line: String,
    /// It did not hear us; said once.
    unheard: bool,
}

impl Notify {
    /// To whoever started us. See [`Socket::take`] for when to call this.
    pub fn to_who_started_us() -> Self {
        Self { manager: Socket::take(), shown: Mutex::default() }
    }

    /// One line about ourselves.
    pub fn say(&self, line: &str) {
        self.tell(&format!("STATUS={}", one_line(line)));
    }

    /// It runs, with what is on this board; also after a reload, whatever came of that.
    pub(super) fn ready(&self, board: &Arc<Board>) {
        let line = describe(&board.standing());
        {
            let mut shown = self.shown();
            (shown.board, shown.is_up, shown.line) = (Some(board.clone()), true, line.clone());
        }
        self.tell(&format!("READY=1\nSTATUS={line}"));
    }

    /// Another configuration is on its way; [`ready`](Self::ready) must follow.
    pub(super) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration again", monotonic()));
    }

    /// It stops, within `limit`, for which a manager has to wait even where its own limit is shorter.
    pub(super) fn stopping(&self, limit: Duration) {
        self.shown().board = None;
        let extended = limit.saturating_add(LAST_STEPS).as_micros();
        self.tell(&format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={extended}\nSTATUS=delivering what is left, then stopping"
        ));
    }

    /// Do this work, and give signs of life while it comes to its turns.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let beating = async {
            match &self.manager {
                Some(manager) => self.beat(manager.watchdog).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = beating => unreachable!("it has no end"),
        }
    }

    async fn beat(&self, watchdog: Option<Duration>) {
        let mut turns = interval(watchdog.map_or(LOOK, |limit| LOOK.min(limit / 2)));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            // Ends when the runtime has come round to it.
            let _ = tokio::spawn(async {}).await;
            if watchdog.is_some() && self.shown().is_up {
                self.tell("WATCHDOG=1");
            }
            if let Some(line) = self.another_line() {
                self.tell(&format!("STATUS={line}"));
            }
        }
    }

    fn another_line(&self) -> Option<String> {
        let mut shown = self.shown();
        let line = describe(&shown.board.as_ref()?.standing());
        let is_another = line != shown.line;
        shown.line.clone_from(&line);
        is_another.then_some(line)
    }

    fn tell(&self, lines: &str) {
        let Some(manager) = &self.manager else { return };
        let told = manager.tell(lines);
        let unheard = std::mem::replace(&mut self.shown().unheard, told.is_err());
        if let (Err(error), false) = (told, unheard) {
            tracing::warn!(%error, "the service manager does not hear what this service says of itself; it may take it for dead");
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one line. Counts that change with each event are not in it.
fn describe(standing: &Standing) -> String {
    let mut parts: Vec<String> = vec![];
    for (name, why) in &standing.failing {
        parts.push(match *name {
            "credentials" => format!("no credentials: {}", one_line(why)),
            name => format!("{name} wait: {}", one_line(why)),
        });
    }
    if parts.is_empty() {
        parts.push(if standing.delivered { "delivering" } else { "running, nothing delivered yet" }.to_owned());
    }
    match standing.troubled {
        0 => {}
        1 => parts.push("one source has a trouble, which `status` tells".to_owned()),
        count => parts.push(format!("{count} sources have troubles, which `status` tells")),
    }
    if standing.refused_reload {
        parts.push("the configuration on the disk was refused, the one before it runs".to_owned());
    }
    parts.join("; ")
}

/// A line end would begin another message.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (number, character) in text.chars().enumerate() {
        if number == REASON {
            let _ = line.write_str("...");
            break;
        }
        line.push(if character.is_control() { ' ' } else { character });
    }
    line
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixDatagram, path::Path};
    use tempfile::TempDir;

    /// A manager that listens, and waits so long for a sign of life.
    fn manager(watchdog: Option<Duration>) -> (UnixDatagram, Notify, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        socket.set_nonblocking(true).expect("ours");
        let manager = Some(Socket::at(path.as_os_str(), watchdog).expect("a path"));
        (socket, Notify { manager, shown: Mutex::default() }, folder)
    }

    /// Everything that was said so far.
    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 4_096];
        std::iter::from_fn(|| socket.recv(&mut bytes).ok().map(|n| String::from_utf8_lossy(&bytes[..n]).into_owned()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_in_half_of_the_time_and_the_line_only_when_it_is_another() {
        let (socket, notify, _folder) = manager(Some(Duration::from_secs(4)));
        let board = Arc::new(Board::default());
        notify.ready(&board);
        notify.beside(tokio::time::sleep(Duration::from_millis(7_900))).await;
        let all = heard(&socket);
        assert_eq!(all[0], "READY=1\nSTATUS=running, nothing delivered yet");
        assert_eq!(all[1..], ["WATCHDOG=1"; 4]);
        board.failed("logs", "no\nroute".into());
        notify.beside(tokio::time::sleep(Duration::from_millis(3_900))).await;
        assert_eq!(heard(&socket), ["WATCHDOG=1", "STATUS=logs wait: no route", "WATCHDOG=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_watchdog_there_is_the_line_alone_and_after_the_stop_not_even_that() {
        let (socket, notify, _folder) = manager(None);
        let board = Arc::new(Board::default());
        notify.ready(&board);
        heard(&socket);
        board.succeeded("metrics");
        notify.beside(tokio::time::sleep(LOOK * 3)).await;
        assert_eq!(heard(&socket), ["STATUS=delivering"]);
        notify.stopping(Duration::from_secs(10));
        board.failed("metrics", "gone".into());
        notify.beside(tokio::time::sleep(LOOK * 3)).await;
        let all = heard(&socket);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n"), "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_work_keeps_its_thread_nobody_is_told_that_it_lives() {
        let (socket, notify, _folder) = manager(Some(Duration::from_millis(20)));
        notify.beside(tokio::time::sleep(Duration::from_secs(1))).await;
        assert_eq!(heard(&socket), [""; 0], "it does not run yet");
        notify.ready(&Arc::default());
        notify.beside(tokio::time::sleep(Duration::from_millis(5))).await;
        assert_eq!(heard(&socket)[1..], ["WATCHDOG=1"]);
        // Real time passes, and none that the runtime knows of: it comes to no turn.
        notify.beside(async { std::thread::sleep(Duration::from_millis(100)) }).await;
        assert_eq!(heard(&socket), [""; 0]);
    }

    #[test]
    fn the_line_names_what_waits_and_why() {
        let board = Board::default();
        board.failed("credentials", "denied".into());
        board.failed("metrics", "x".repeat(1_000));
        board.refused(Path::new("/c.json"), "x".into());
        let line = describe(&board.standing());
        assert!(line.starts_with("no credentials: denied; metrics wait: xxx") && line.len() < 400, "{line}");
        assert!(line.ends_with("the configuration on the disk was refused, the one before it runs"), "{line}");
        assert!(!line.contains("delivering"));
    }

    #[test]
    fn a_manager_that_is_gone_stops_nothing() {
        let (socket, notify, folder) = manager(None);
        drop((socket, folder));
        notify.say("anybody?");
        assert!(notify.shown().unheard);
        Notify::default().say("nobody listens");
    }
}
