//! An AWS inside the test: CloudWatch, CloudWatch Logs, the Cognito login and a call each of EC2 and STS on one port of this machine.
//!
//! It is stricter than the real one. Each request is checked against the limits of the API and its signature is
//! computed again; what is wrong is kept in [`Seen::violations`], which must stay empty. It fails when told to
//! ([`Fault`]), and it keeps what it accepted for the story to look at.
//!
//! It lives on a thread of its own, so a story may block. [`FakeAws::until`] waits for what a request brings.
//!
//! To teach it an operation, add it to [`Op`] and to `answer` in `server.rs`.
mod cloud;
mod faults;
mod limits;
mod server;
mod signature;
mod tests;
mod wire;

pub use cloud::{Call, Datum, Key, Seen};
pub use faults::{Fault, Op};

use super::PATIENCE;
use cloud::State;
use faults::Plan;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::TcpSocket,
    sync::{oneshot, watch},
};

/// The running fake. It stops when it is dropped.
pub struct FakeAws {
    address: SocketAddr,
    shared: Arc<Shared>,
    plug: Option<oneshot::Sender<mpsc::Sender<()>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the story and the server both hold.
struct Shared {
    state: Mutex<State>,
    plan: Mutex<Plan>,
    /// Goes up by one after each request.
    changed: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeAws {
    /// A cloud that answers.
    pub fn start() -> Self {
        let mut aws = Self::unplugged();
        aws.plug_in();
        aws
    }

    /// A cloud whose port is reserved but closed: connections are refused until [`Self::plug_in`].
    pub fn unplugged() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.local_addr().expect("the port just bound");
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            plan: Mutex::new(Plan::default()),
            changed: watch::Sender::new(0),
        });
        let (plug, plugged) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || server::run(socket, plugged, stopped, serving));
        Self { address, shared, plug: Some(plug), stop: Some(stop), thread: Some(thread) }
    }

    /// From now on it listens: it does when this returns.
    pub fn plug_in(&mut self) {
        if let Some(plug) = self.plug.take() {
            let (listening, listens) = mpsc::channel();
            plug.send(listening).expect("the server waits for this");
            listens.recv().expect("the server says when it listens");
        }
    }

    /// `http://127.0.0.1:PORT`, for `agent.endpoint_override`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Fail each call of these operations until [`Self::heal`].
    pub fn fail(&self, ops: &[Op], fault: Fault) {
        self.shared.plan().lasting(ops, fault);
    }

    /// Fail the next `times` calls of this operation.
    pub fn fail_next(&self, op: Op, times: usize, fault: Fault) {
        self.shared.plan().next(op, times, fault);
    }

    /// Answer everything properly again. Calls that hang go on hanging.
    pub fn heal(&self) {
        self.shared.plan().heal();
    }

    /// Refuse each PutLogEvents with an event that contains `text`, as the service does with an event it cannot take.
    pub fn refuse_text(&self, text: &str) {
        self.shared.state().refused_text = Some(text.to_owned());
    }

    /// To this cloud the times of log events, and with [`Self::tell_time`] those of metrics, are of a machine whose clock is late by so much.
    pub fn see_clock_late_by(&self, time: Duration) {
        self.shared.state().ahead = i64::try_from(time.as_millis()).expect("a few years");
    }

    /// From now on its answers bear the time of its own clock.
    pub fn tell_time(&self) {
        self.shared.state().tells_time = true;
    }

    /// Every temporary key so far has expired; keys that are issued from now on are good.
    pub fn expire_keys(&self) {
        self.shared.state().expire_keys();
    }

    /// A fresh key that this cloud accepts.
    pub fn issue_key(&self) -> Key {
        self.shared.state().issue_key()
    }

    /// Cognito takes this name and password only. Without this call it takes any.
    pub fn expect_login(&self, name: &str, password: &str) {
        self.shared.state().login = Some((name.to_owned(), password.to_owned()));
    }

    /// The instance belongs to this Auto Scaling group.
    pub fn scale(&self, group: &str) {
        self.shared.state().scaling_group = Some(group.to_owned());
    }

    /// A log group that somebody else made beforehand.
    pub fn create_group(&self, name: &str) {
        self.shared.state().seen.groups.entry(name.to_owned()).or_default();
    }

    /// A log group and a stream in it that somebody else made beforehand.
    pub fn create_stream(&self, group: &str, stream: &str) {
        let mut state = self.shared.state();
        state.seen.groups.entry(group.to_owned()).or_default().streams.insert(stream.to_owned());
    }

    /// Somebody deletes the log group with its streams. What it held stays in [`Seen::events`].
    pub fn delete_group(&self, name: &str) {
        let removed = self.shared.state().seen.groups.remove(name);
        assert!(removed.is_some(), "the story deletes log group {name}, which is not there");
    }

    /// Look at what has arrived.
    pub fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.shared.state().seen)
    }

    /// The messages of one log stream in the order in which they were accepted.
    pub fn messages(&self, stream: &str) -> Vec<String> {
        self.look(|seen| seen.messages(stream))
    }

    /// How often this operation was called, answered or not.
    pub fn calls(&self, op: Op) -> usize {
        self.look(|seen| seen.calls(op))
    }

    /// Wait until `ready` holds. It is asked now and after each request.
    pub async fn until(&self, what: &str, mut ready: impl FnMut(&Seen) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        let waiting = async {
            while !self.look(&mut ready) {
                changes.changed().await.expect("the fake outlives the wait");
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited {PATIENCE:?} for {what}; so far {}", self.look(Seen::summary));
        }
    }

    /// Fail unless every request so far kept to the API's rules.
    pub fn assert_no_violations(&self) {
        let violations = self.look(|seen| seen.violations.clone());
        assert!(violations.is_empty(), "requests broke the rules of the API: {violations:#?}");
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        drop(self.plug.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed where it happened.
            let _ = thread.join();
        }
    }
}

/// How long a fake answer may take before a story would call it hung.
pub const SLOW: Duration = Duration::from_millis(300);
