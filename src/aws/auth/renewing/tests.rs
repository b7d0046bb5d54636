use super::*;
use crate::aws::testing::{SECRET, TOKEN, assert_no_secret};
use futures_util::future::{BoxFuture, join_all};
use std::sync::atomic::AtomicU32;
use tokio::time::advance;

/// Gives keys that live as long as it was told, after a second of work; or fails.
struct Script {
    lifetime: Option<Duration>,
    failing: AtomicBool,
    /// The keys end in a line break.
    unfit: AtomicBool,
    logins: AtomicU32,
    clock: Clock,
}

struct Handle(Arc<Script>);

impl Source for Handle {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(async move {
            let login = self.0.logins.fetch_add(1, Ordering::Relaxed) + 1;
            sleep(Duration::from_secs(1)).await;
            if self.0.failing.load(Ordering::Relaxed) {
                return Err(SignInError::Refused { advice: "no".to_owned(), source: Cause::new("NotAuthorized: no") });
            }
            let expiry = self.0.lifetime.map(|lifetime| (self.0.clock)() + lifetime);
            let id = if self.0.unfit.load(Ordering::Relaxed) { "AKID\n".to_owned() } else { format!("AKID{login}") };
            Ok(Credentials::new(id, SECRET, Some(TOKEN.to_owned()), expiry, "test"))
        })
    }

    fn name(&self) -> &'static str {
        "a script"
    }
}

/// A wall clock that goes with the paused one.
fn clock() -> Clock {
    let (wall, start) = (SystemTime::now(), Instant::now());
    Arc::new(move || wall + start.elapsed())
}

fn with(lifetime: Option<u64>, clock: Clock) -> (Arc<Script>, Arc<Renewing>, Arc<Board>) {
    let script = Arc::new(Script {
        lifetime: lifetime.map(Duration::from_secs),
        failing: AtomicBool::new(false),
        unfit: AtomicBool::new(false),
        logins: AtomicU32::new(0),
        clock: Arc::clone(&clock),
    });
    let board = Arc::new(Board::default());
    let renewing = Renewing::new(Handle(Arc::clone(&script)), clock, Some(Arc::clone(&board)));
    (script, renewing, board)
}

fn living(seconds: u64) -> (Arc<Script>, Arc<Renewing>, Arc<Board>) {
    with(Some(seconds), clock())
}

fn logins(script: &Script) -> u32 {
    script.logins.load(Ordering::Relaxed)
}

async fn key(renewing: &Renewing) -> String {
    renewing.ready().await.expect("signed in").access_key_id().to_owned()
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_at_once_share_one_login() {
    let (script, renewing, _) = living(3600);
    let keys = join_all((0..20).map(|_| key(&renewing))).await;
    assert!(keys.iter().all(|key| key == "AKID1"), "{keys:?}");
    assert_eq!(logins(&script), 1);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_ahead_of_their_expiry() {
    let (script, renewing, _) = living(3600);
    let stop = CancellationToken::new();
    let task = tokio::spawn({
        let (renewing, stop) = (Arc::clone(&renewing), stop.clone());
        async move { renewing.run(&stop).await }
    });
    sleep(Duration::from_secs(2)).await;
    assert_eq!(key(&renewing).await, "AKID1");
    // A sixth of an hour ahead, and up to a tenth of it earlier still.
    sleep(Duration::from_secs(3600 * 70 / 100)).await;
    assert_eq!(logins(&script), 1);
    sleep(Duration::from_secs(3600 * 15 / 100)).await;
    assert_eq!(key(&renewing).await, "AKID2");
    stop.cancel();
    task.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_what_is_valid_and_is_seldom_repeated() {
    let (script, renewing, board) = living(3600);
    assert_eq!(key(&renewing).await, "AKID1");
    script.failing.store(true, Ordering::Relaxed);
    advance(GAP).await;
    renewing.renew().await.expect_err("refused");
    assert_eq!(key(&renewing).await, "AKID1");
    let line = board.read().destinations[DESTINATION].clone();
    assert_eq!(line.last_error.as_deref(), Some("no: NotAuthorized: no"));
    for _ in 0..10 {
        renewing.renew().await.expect_err("still waiting");
    }
    assert_eq!(logins(&script), 2);
    advance(Duration::from_secs(4000)).await;
    renewing.ready().await.expect_err("expired by now");
    script.failing.store(false, Ordering::Relaxed);
    advance(LAST_WAIT).await;
    assert_eq!(key(&renewing).await, "AKID4");
    assert_eq!(board.read().destinations[DESTINATION].failures_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn the_back_off_grows_to_its_cap() {
    let (script, renewing, _) = living(3600);
    script.failing.store(true, Ordering::Relaxed);
    let stop = CancellationToken::new();
    let task = tokio::spawn({
        let (renewing, stop) = (Arc::clone(&renewing), stop.clone());
        async move { renewing.run(&stop).await }
    });
    sleep(Duration::from_secs(24 * 3600)).await;
    // At most every 150 seconds in the long run, and at least every 300.
    assert!((280..600).contains(&logins(&script)), "{}", logins(&script));
    stop.cancel();
    task.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_fetched_anew_but_not_twice_within_seconds() {
    let (script, renewing, _) = living(3600);
    assert_eq!(key(&renewing).await, "AKID1");
    advance(GAP).await;
    renewing.distrust();
    join_all((0..5).map(|_| renewing.renew())).await.into_iter().for_each(|outcome| outcome.expect("signed in"));
    assert_eq!(key(&renewing).await, "AKID2");
    assert!(!renewing.distrusted());
    renewing.renew().await.expect("just done");
    assert_eq!(logins(&script), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_without_expiry_are_not_renewed() {
    let (script, renewing, _) = with(None, clock());
    let stop = CancellationToken::new();
    let task = tokio::spawn({
        let (renewing, stop) = (Arc::clone(&renewing), stop.clone());
        async move { renewing.run(&stop).await }
    });
    sleep(Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(logins(&script), 1);
    assert_eq!(key(&renewing).await, "AKID1");
    stop.cancel();
    task.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_live_only_seconds_are_not_fetched_in_a_loop() {
    let (script, renewing, _) = living(4);
    let stop = CancellationToken::new();
    let background = async { tokio::time::timeout(Duration::from_secs(120), renewing.run(&stop)).await };
    background.await.expect_err("goes on");
    assert!((15..=21).contains(&logins(&script)), "{}", logins(&script));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_past_the_expiry_signs_in_before_it_calls() {
    let slept = Arc::new(AtomicU32::new(0));
    let (wall, asleep) = (clock(), Arc::clone(&slept));
    let clock: Clock = Arc::new(move || wall() + Duration::from_secs(asleep.load(Ordering::Relaxed).into()));
    let (_, renewing, _) = with(Some(3600), clock);
    assert_eq!(key(&renewing).await, "AKID1");
    slept.store(8 * 3600, Ordering::Relaxed);
    advance(GAP).await;
    assert_eq!(renewing.until_due(), Duration::ZERO);
    assert_eq!(key(&renewing).await, "AKID2");
}

#[tokio::test(start_paused = true)]
async fn a_clock_far_ahead_does_not_make_fresh_credentials_useless() {
    let wall = clock();
    let ahead: Clock = Arc::new(move || wall() + Duration::from_secs(24 * 3600));
    let script = Arc::new(Script {
        lifetime: Some(Duration::from_secs(3600)),
        failing: AtomicBool::new(false),
        unfit: AtomicBool::new(false),
        logins: AtomicU32::new(0),
        clock: clock(),
    });
    let renewing = Renewing::new(Handle(Arc::clone(&script)), ahead, None);
    assert_eq!(key(&renewing).await, "AKID1");
    assert_eq!(key(&renewing).await, "AKID1");
    assert!(renewing.until_due() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_is_given_up_with_a_plain_error() {
    struct Hanging;
    impl Source for Hanging {
        fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
            Box::pin(std::future::pending())
        }

        fn name(&self) -> &'static str {
            "nobody"
        }
    }
    let renewing = Renewing::new(Hanging, clock(), None);
    let start = Instant::now();
    let error = renewing.ready().await.expect_err("no login");
    assert_eq!(error.to_string(), "signing in took longer than 45 seconds");
    assert!(error.passes());
    assert_eq!(start.elapsed(), LOGIN);
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_sign_are_a_failed_login_and_fetched_again_after_a_back_off() {
    let (script, renewing, board) = living(3600);
    script.unfit.store(true, Ordering::Relaxed);
    let error = renewing.ready().await.expect_err("nothing to sign with");
    assert!(error.to_string().starts_with("the access key id that a script gives holds"), "{error}");
    assert_eq!(board.read().destinations[DESTINATION].failures_in_a_row, 1);
    renewing.ready().await.expect_err("still waiting");
    assert_eq!(logins(&script), 1);
    script.unfit.store(false, Ordering::Relaxed);
    advance(LAST_WAIT).await;
    assert_eq!(key(&renewing).await, "AKID2");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_secret() {
    let (_, renewing, _) = living(3600);
    let credentials = renewing.ready().await.expect("signed in");
    let provider = Arc::clone(&renewing).provider();
    assert_no_secret(&format!("{renewing:?} {provider:?} {credentials:?}"));
}
