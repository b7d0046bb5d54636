//! Credentials that are always fresh: fetched in the background, renewed ahead of expiry, kept while they are valid.
//!
//! There is one login at a time, whoever asks for it; all who wait share its outcome. After a failure nobody logs in again
//! before the back-off is over, so that a wrong password does not lock its user. Valid credentials stay in use meanwhile.
//! This is the only cache: the SDK's own is turned off.
//!
//! The two clocks: waiting runs on the monotonic one; the wall clock is asked only how long fresh credentials live and
//! whether a machine that slept through it has to renew at once. Credentials that seem expired on arrival are used all the
//! same, for a short assumed life: then it is this host's clock that is wrong, and the service knows better.
use super::{Shared, SignInError, Source, keys};
use crate::{
    aws::errors::Cause,
    telemetry::{
        board::{self, Board, Part},
        counters::{CREDENTIAL_FAILURES, CREDENTIAL_RENEWALS},
        gist,
    },
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The line of the board.
const DESTINATION: &str = board::CREDENTIALS;
/// Renewal begins at least this long before expiry, or a sixth of the lifetime, where the lifetime leaves room for it.
const AHEAD: Duration = Duration::from_secs(300);
/// No AWS role session is longer: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use.html>
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How long credentials are believed that seem expired when they arrive.
const ASSUMED: Duration = Duration::from_secs(300);
/// A login that takes longer has failed.
const LOGIN: Duration = Duration::from_secs(45);
/// How long a call waits for the credentials: longer than a login, so that it hears the login's own error.
const PATIENCE: Duration = Duration::from_secs(60);
/// Fresh credentials are not fetched again within this time, however often they are refused.
const GAP: Duration = Duration::from_secs(5);
/// Back-off after a failure: doubles from the first to the last, the last one lower for what may pass by itself.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(300);
const LAST_WAIT_PASSING: Duration = Duration::from_secs(60);
/// How often the background looks at the wall clock: a machine that slept has not noticed on the other one.
const LOOK: Duration = Duration::from_secs(300);

/// The wall clock, passed in so that tests own it.
pub(in crate::aws) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Keeps the credentials of one source.
pub(in crate::aws) struct Renewing {
    source: Box<dyn Source>,
    clock: Clock,
    /// Where to tell how it goes; `None` for a login that others build on and report.
    board: Option<Arc<Board>>,
    /// Two roles share the line of the board.
    part: Part,
    /// Whoever holds it logs in.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    refused: AtomicBool,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Logins that came to an end, so that a waiter can tell whether one did meanwhile.
    attempts: u64,
    last: Option<(Instant, Result<(), Shared>)>,
    failures: u32,
    /// No login before this.
    wait_until: Option<Instant>,
    /// The cause of trouble that was logged last.
    said: Option<String>,
}

struct Held {
    credentials: Credentials,
    /// `None`: they do not expire.
    life: Option<Life>,
}

struct Life {
    renew_at: Instant,
    expires_at: Instant,
    /// By the wall clock, with the distance at which to renew. `None` where the wall clock made no sense.
    wall: Option<(SystemTime, Duration)>,
}

impl Renewing {
    pub(in crate::aws) fn new(source: impl Source + 'static, clock: Clock, board: Option<Arc<Board>>) -> Arc<Self> {
        Arc::new(Self {
            source: Box::new(source),
            clock,
            board,
            part: Part::unique(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            refused: AtomicBool::new(false),
        })
    }

    /// Renew ahead of expiry until `stop`. Those who need credentials do not depend on this task: it only spares them waiting.
    pub(in crate::aws) async fn run(&self, stop: &CancellationToken) {
        loop {
            let wait = self.until_due().min(LOOK);
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
            // The outcome is on the board, and in the log when it is news.
            if self.until_due().is_zero() && stop.run_until_cancelled(self.renew()).await.is_none() {
                return;
            }
        }
    }

    /// Credentials to use now. Waits for the login where there are none.
    pub(in crate::aws) async fn ready(&self) -> Result<Credentials, Shared> {
        if let Some(credentials) = self.current() {
            return Ok(credentials);
        }
        match timeout(PATIENCE, self.renew()).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(SignInError::TooSlow { limit: PATIENCE }.into()),
        }
        self.current()
            .ok_or_else(|| SignInError::Unusable { advice: "the credentials expired on arrival".to_owned() }.into())
    }

    /// Log in now, or share the login that is under way or has just been.
    pub(in crate::aws) async fn renew(&self) -> Result<(), Shared> {
        let seen = self.state().attempts;
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.recent(seen) {
            return outcome;
        }
        let fetched = match timeout(LOGIN, self.source.fetch()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(SignInError::TooSlow { limit: LOGIN }),
        };
        let fit = |keys: Credentials| keys::check(&keys, self.source.name()).map(|()| keys).map_err(SignInError::from);
        match fetched.and_then(fit) {
            Ok(credentials) => {
                self.keep(credentials);
                Ok(())
            }
            Err(error) => Err(self.failed(error.into())),
        }
    }

    /// The service refused what [`Self::ready`] gave.
    pub(in crate::aws) fn distrust(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether that is so and nothing fresh has come since.
    pub(in crate::aws) fn distrusted(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// For an SDK client.
    pub(in crate::aws) fn provider(self: Arc<Self>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Provider(self))
    }

    /// Unless they expired.
    fn current(&self) -> Option<Credentials> {
        let state = self.state();
        let held = state.held.as_ref()?;
        let expired = held.life.as_ref().is_some_and(|life| {
            Instant::now() >= life.expires_at || life.wall.is_some_and(|(expiry, _)| (self.clock)() >= expiry)
        });
        (!expired).then(|| held.credentials.clone())
    }

    /// The outcome to share instead of logging in: of a login since `seen`, or of one so recent that another must wait.
    fn recent(&self, seen: u64) -> Option<Result<(), Shared>> {
        let state = self.state();
        let (at, outcome) = state.last.as_ref()?;
        let now = Instant::now();
        let shared = match outcome {
            Ok(()) => state.attempts != seen || now < *at + GAP,
            Err(_) => state.attempts != seen || state.wait_until.is_some_and(|until| now < until),
        };
        shared.then(|| outcome.clone())
    }

    fn until_due(&self) -> Duration {
        let state = self.state();
        let now = Instant::now();
        if let Some(until) = state.wait_until {
            return until.saturating_duration_since(now);
        }
        let wish = match &state.held {
            None => Duration::ZERO,
            Some(Held { life: None, .. }) => Duration::MAX,
            Some(Held { life: Some(life), .. }) => match life.wall {
                Some((expiry, ahead)) if (self.clock)() + ahead >= expiry => Duration::ZERO,
                _ => life.renew_at.saturating_duration_since(now),
            },
        };
        // What lives only seconds is not fetched in a loop.
        let gap = state.last.as_ref().map_or(Duration::ZERO, |(at, _)| (*at + GAP).saturating_duration_since(now));
        wish.max(gap)
    }

    fn keep(&self, credentials: Credentials) {
        let life = credentials.expiry().map(|expiry| Life::of(expiry, (self.clock)()));
        let expiry = credentials.expiry().map(|e| crate::model::Timestamp::from(e).rfc3339());
        let mut state = self.state();
        let news = state.held.is_none() || state.said.is_some();
        state.held = Some(Held { credentials, life });
        state.attempts += 1;
        state.last = Some((Instant::now(), Ok(())));
        (state.failures, state.wait_until, state.said) = (0, None, None);
        drop(state);
        self.refused.store(false, Ordering::Relaxed);
        CREDENTIAL_RENEWALS.add(1);
        if let Some(board) = &self.board {
            board.part_succeeded(DESTINATION, self.part);
            if news {
                match expiry {
                    Some(expires) => tracing::info!(expires, "signed in"),
                    // Keys that only were read, and that nobody was asked about.
                    None => {
                        tracing::info!("has credentials, which do not expire: AWS judges them with the first request")
                    }
                }
            }
        }
    }

    fn failed(&self, error: Shared) -> Shared {
        let why = Cause::of(&error).to_string();
        let mut state = self.state();
        let last = if error.passes() { LAST_WAIT_PASSING } else { LAST_WAIT };
        let wait = FIRST_WAIT.saturating_mul(1 << state.failures.min(16)).min(last);
        // Between half and all of it, so that a fleet does not come back in the same second.
        let wait = wait / 2 + (wait / 2).mul_f64(chance());
        let cause = Some(gist(&why));
        let news = state.said != cause;
        state.attempts += 1;
        state.last = Some((Instant::now(), Err(error.clone())));
        state.failures += 1;
        state.wait_until = Some(Instant::now() + wait);
        state.said = cause;
        drop(state);
        CREDENTIAL_FAILURES.add(1);
        if let Some(board) = &self.board {
            if news {
                let valid = self.current().is_some();
                tracing::warn!(error = why, still_valid = valid, "cannot sign in; trying again");
            }
            board.part_failed(DESTINATION, self.part, why);
        }
        error
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; and if it did, the state is whole between any two fields.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Renewing")
            .field("signed_in", &state.held.is_some())
            .field("failures", &state.failures)
            .finish_non_exhaustive()
    }
}

impl Life {
    fn of(expiry: SystemTime, wall_now: SystemTime) -> Self {
        let now = Instant::now();
        let left = expiry.duration_since(wall_now).ok().filter(|left| !left.is_zero());
        let lifetime = left.unwrap_or(ASSUMED).min(LONGEST);
        let ahead = AHEAD.max(lifetime / 6).min(lifetime / 2);
        // Up to a tenth of the lifetime earlier, so that a fleet that started together does not renew together.
        let renew_in = lifetime - ahead - (lifetime / 10).mul_f64(chance());
        let wall = left.filter(|left| *left <= LONGEST).map(|_| (expiry, ahead));
        Self { renew_at: now + renew_in, expires_at: now + lifetime, wall }
    }
}

/// From 0 up to 1, evenly. For spreading, not for secrets.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let chance = random as f64 / (1_u64 << 53) as f64;
    chance
}

/// What an SDK client asks.
#[derive(Debug)]
struct Provider(Arc<Renewing>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // Nearly always there; then nothing is boxed or awaited.
        match self.0.current() {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => future::ProvideCredentials::new(async {
                self.0.ready().await.map_err(CredentialsError::provider_error)
            }),
        }
    }
}

#[cfg(test)]
mod tests;
