//! How many PutLogEvents a second are begun: the quota is of the account and region, so all lanes share one pace.
//!
//! It starts without a bound. When the service throttles, the pace falls to nine tenths of what was achieved, but at most to 45 of a
//! hundred of what it was; where only some calls are refused, to nine tenths of what it was. Then it grows again a little with each
//! second in which calls are taken. Where nothing was achieved before the fall, nobody knows where the bound is: it grows with each
//! call that is taken, until one is refused. After [`FORGET`] without a refusal there is no
//! bound any more. Calls are begun in the order in which they were asked for, so no lane keeps the others out. A call that was
//! begun before the pace fell says nothing about the new pace.
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Over this time it is counted what was achieved.
const WINDOW: Duration = Duration::from_secs(1);
/// Calls a second below which the pace never falls: one each ten seconds tells soon enough that the service takes calls again.
const LEAST: f64 = 0.1;
/// Calls a second to begin with where nothing was achieved yet.
const FIRST: f64 = 5.0;
/// By so much the pace grows with each call that is taken while the bound is not known: twofold in a second and a half.
const SEEK: f64 = 0.5;
/// So many calls in a window say what part of them is refused.
const TELLING: u32 = 8;
/// Up to this part of calls that are refused in a window, only some are.
const SOME: f64 = 0.25;
/// Of what was achieved: a little less, so that what has piled up at the service flows off.
const BELOW: f64 = 0.9;
/// By this part of what it fell to the pace grows in a second: two seconds after a fall it is where it was refused.
const GROWTH: f64 = 0.05;
/// By so many calls a second it grows in a second at least.
const LEAST_GROWTH: f64 = 0.1;
/// So long without a refusal, and there is no bound.
const FORGET: Duration = Duration::from_mins(5);
/// The longest rest that a service may ask for.
const LONGEST_REST: Duration = Duration::from_mins(4);

/// The pace of all lanes.
#[derive(Debug, Default)]
pub struct Pace {
    /// Whoever holds it is next. Fair: first come, first served.
    line: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// A call that was begun, and when.
#[derive(Clone, Copy, Debug)]
pub struct Begun(Instant);

#[derive(Debug, Default)]
struct State {
    bound: Option<Bound>,
    /// Nothing is begun before.
    rest_until: Option<Instant>,
    /// The window that counts now.
    window: Option<Window>,
    /// What was taken in a second of the window before.
    achieved: f64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    taken: u32,
    refused: u32,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    /// Calls a second.
    rate: f64,
    /// What it fell to.
    fell_to: f64,
    fell: Instant,
    /// Up to when growth is counted.
    grown: Instant,
    /// When the next call may begin.
    next: Instant,
    /// Nothing was achieved before it fell: where the bound is, is still to be found out.
    sought: bool,
}

impl Pace {
    /// Wait until a call may begin; not where it comes right behind one that had its turn. `None`: it would have to wait, and
    /// since `stop` nobody does. Calls that need not wait begin after it, too.
    pub async fn turn(&self, behind: bool, stop: &CancellationToken) -> Option<Begun> {
        if behind {
            return Some(Begun(Instant::now()));
        }
        // Whoever holds it hears the stop, so this is no wait that outlives it.
        let _next = self.line.lock().await;
        loop {
            let wait = self.state().wait(Instant::now());
            match wait {
                Some(at) => stop.run_until_cancelled(sleep_until(at)).await?,
                None => return Some(Begun(Instant::now())),
            }
        }
    }

    /// The service took a call, whatever it answered.
    pub fn succeeded(&self) {
        self.state().succeeded(Instant::now());
    }

    /// The service was asked too often; `after`: how long it wants to be left alone.
    pub fn throttled(&self, call: Begun, after: Option<Duration>) {
        self.state().throttled(call, after, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain numbers: whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Until when to wait; `None`: a call begins now.
    fn wait(&mut self, now: Instant) -> Option<Instant> {
        if let Some(rest) = self.rest_until.filter(|until| *until > now) {
            return Some(rest);
        }
        self.rest_until = None;
        let Some(bound) = &mut self.bound else { return None };
        if now.duration_since(bound.fell) >= FORGET {
            tracing::info!("CloudWatch Logs takes calls at any rate again");
            self.bound = None;
            return None;
        }
        if bound.next > now {
            return Some(bound.next);
        }
        // What was not used is not saved up: a burst is what the service refuses.
        bound.next = now + Duration::from_secs_f64(1.0 / bound.rate);
        None
    }

    fn succeeded(&mut self, now: Instant) {
        self.roll(now);
        if let Some(window) = &mut self.window {
            window.taken += 1;
        }
        if let Some(bound) = self.bound.as_mut().filter(|bound| bound.sought) {
            bound.rate += SEEK;
            (bound.grown, bound.next) = (now, bound.next.min(now + Duration::from_secs_f64(1.0 / bound.rate)));
        } else if let Some(bound) = &mut self.bound {
            // Time without calls is no proof that more are taken.
            let time = now.duration_since(bound.grown).min(WINDOW.max(Duration::from_secs_f64(1.0 / bound.rate)));
            bound.rate += time.as_secs_f64() * (bound.fell_to * GROWTH).max(LEAST_GROWTH);
            bound.grown = now;
        }
    }

    fn throttled(&mut self, call: Begun, after: Option<Duration>, now: Instant) {
        if let Some(after) = after {
            let rest = now + after.min(LONGEST_REST);
            self.rest_until = Some(self.rest_until.map_or(rest, |until| until.max(rest)));
        }
        self.roll(now);
        if let Some(window) = &mut self.window {
            window.refused += 1;
        }
        if self.bound.is_some_and(|bound| call.0 < bound.fell) {
            return;
        }
        let Window { taken, refused, .. } = self.window.unwrap_or(Window { begun: now, taken: 0, refused: 1 });
        let achieved = self.achieved.max(f64::from(taken));
        let few = taken + refused >= TELLING && f64::from(refused) <= SOME * f64::from(taken + refused);
        let rate = match self.bound {
            Some(bound) if few => bound.rate * BELOW,
            Some(bound) => achieved.min(bound.rate).max(bound.rate / 2.0) * BELOW,
            None if achieved > 0.0 => achieved * BELOW,
            None => FIRST,
        };
        let sought = achieved == 0.0;
        let rate = rate.max(LEAST);
        if self.bound.is_none() {
            tracing::warn!(
                calls_a_second = rate,
                "CloudWatch Logs throttles PutLogEvents: all log streams together keep to what it takes; what waits stays in its source"
            );
        }
        let next = now + Duration::from_secs_f64(1.0 / rate);
        self.bound = Some(Bound { rate, fell_to: rate, fell: now, grown: now, next, sought });
    }

    /// Begin a new window when the one that counts is over.
    fn roll(&mut self, now: Instant) {
        let fresh = Window { begun: now, taken: 0, refused: 0 };
        let Window { begun, taken, .. } = *self.window.get_or_insert(fresh);
        let time = now.duration_since(begun);
        if time >= WINDOW {
            self.achieved = f64::from(taken) / time.as_secs_f64();
            self.window = Some(fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A service that takes `rate` calls a second, with so many saved up at most. Each call takes a while.
    struct Server {
        rate: f64,
        tokens: Mutex<(f64, Instant)>,
        taken: Mutex<u32>,
        refused: Mutex<u32>,
    }

    impl Server {
        fn new(rate: f64) -> Arc<Self> {
            let tokens = Mutex::new((rate, Instant::now()));
            Arc::new(Self { rate, tokens, taken: Mutex::default(), refused: Mutex::default() })
        }

        fn takes(&self) -> bool {
            let mut tokens = self.tokens.lock().expect("whole");
            let (had, since) = *tokens;
            let now = Instant::now();
            let has = (had + now.duration_since(since).as_secs_f64() * self.rate).min(self.rate);
            let takes = has >= 1.0;
            *tokens = (if takes { has - 1.0 } else { has }, now);
            *(if takes { &self.taken } else { &self.refused }).lock().expect("whole") += 1;
            takes
        }

        /// What was taken and refused since the last time.
        fn counts(&self) -> (u32, u32) {
            let take = |count: &Mutex<u32>| std::mem::take(&mut *count.lock().expect("whole"));
            (take(&self.taken), take(&self.refused))
        }
    }

    /// The next turn, where nobody stops.
    async fn turn(pace: &Pace) -> Begun {
        pace.turn(false, &CancellationToken::new()).await.expect("no stop")
    }

    /// So many lanes that always have something to send; a refused one waits a little by itself.
    fn lanes(count: usize, pace: &Arc<Pace>, server: &Arc<Server>) -> Vec<tokio::task::JoinHandle<u32>> {
        let lane = |pace: Arc<Pace>, server: Arc<Server>| async move {
            let mut sent = 0;
            let end = Instant::now() + Duration::from_mins(2);
            while Instant::now() < end {
                let begun = turn(&pace).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
                if server.takes() {
                    pace.succeeded();
                    sent += 1;
                } else {
                    pace.throttled(begun, None);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            sent
        };
        (0..count).map(|_| tokio::spawn(lane(pace.clone(), server.clone()))).collect()
    }

    /// After a minute to settle in: calls taken and refused in a second, and what each lane sent.
    async fn settled(count: usize, rate: f64) -> (f64, f64, Vec<u32>) {
        let (pace, server) = (Arc::new(Pace::default()), Server::new(rate));
        let lanes = lanes(count, &pace, &server);
        tokio::time::sleep(Duration::from_mins(1)).await;
        server.counts();
        tokio::time::sleep(Duration::from_mins(1) - Duration::from_millis(1)).await;
        let (taken, refused) = server.counts();
        let sent = futures_util::future::join_all(lanes).await.into_iter().map(|lane| lane.expect("ends")).collect();
        (f64::from(taken) / 60.0, f64::from(refused) / 60.0, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn many_lanes_settle_near_what_the_service_takes_with_few_refusals() {
        for (count, rate) in [(16, 10.0), (64, 10.0), (64, 50.0), (16, 3.0)] {
            let (taken, refused, sent) = settled(count, rate).await;
            eprintln!("{count} lanes, {rate} a second: {taken:.1} taken, {refused:.2} refused, {sent:?}");
            assert!(taken >= rate * 0.85, "{count} lanes: {taken} of {rate}");
            assert!(refused <= rate * 0.1, "{count} lanes: {refused} of {rate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_start_under_throttling_the_pace_is_found_within_seconds() {
        let pace = Pace::default();
        for _ in 0..5 {
            let begun = turn(&pace).await;
            pace.throttled(begun, None);
        }
        // Nothing was ever achieved; from here on the service takes everything.
        let start = Instant::now();
        for _ in 0..200 {
            turn(&pace).await;
            pace.succeeded();
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_refuses_each_tenth_call_is_still_sent_to() {
        let (pace, mut taken, start) = (Pace::default(), 0, Instant::now());
        for n in 0.. {
            let begun = turn(&pace).await;
            if start.elapsed() > Duration::from_mins(1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            match n % 10 {
                9 => pace.throttled(begun, None),
                _ => (taken, _) = (taken + 1, pace.succeeded()),
            }
        }
        assert!(taken > 180, "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_share_evenly() {
        let (_, _, sent) = settled(16, 10.0).await;
        let (least, most) = (sent.iter().min().expect("some"), sent.iter().max().expect("some"));
        assert!(most - least <= most / 3, "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_takes_nothing_is_asked_seldom_and_found_again_when_it_does() {
        let (pace, server) = (Arc::new(Pace::default()), Server::new(0.0));
        let lanes = lanes(16, &pace, &server);
        tokio::time::sleep(Duration::from_secs(20)).await;
        server.counts();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(server.counts().1 <= 7, "all lanes together");
        drop(lanes);
        let begun = turn(&pace).await;
        assert!(begun.0.elapsed() <= Duration::from_secs(10));
        for _ in 0..100 {
            turn(&pace).await;
            pace.succeeded();
        }
        assert!(pace.state().bound.expect("not forgotten").rate > 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_refusal_nothing_waits_and_after_a_while_none_is_remembered() {
        let (pace, start) = (Pace::default(), Instant::now());
        for _ in 0..1000 {
            turn(&pace).await;
            pace.succeeded();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        let begun = turn(&pace).await;
        pace.throttled(begun, None);
        tokio::time::sleep(FORGET).await;
        let start = Instant::now();
        for _ in 0..1000 {
            turn(&pace).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_the_service_asks_for_is_everybodys() {
        let pace = Pace::default();
        let begun = turn(&pace).await;
        pace.throttled(begun, Some(Duration::from_secs(20)));
        let start = Instant::now();
        turn(&pace).await;
        assert!(start.elapsed() >= Duration::from_secs(20));
        let begun = turn(&pace).await;
        pace.throttled(begun, Some(Duration::MAX));
        let start = Instant::now();
        turn(&pace).await;
        assert!(start.elapsed() <= LONGEST_REST + Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_stop_ends_every_wait_for_a_turn_and_what_need_not_wait_goes_on() {
        let (pace, stop) = (Pace::default(), CancellationToken::new());
        let begun = turn(&pace).await;
        pace.throttled(begun, Some(Duration::from_mins(1)));
        let start = Instant::now();
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.cancel();
        };
        let ((), first, second) = tokio::join!(stopping, pace.turn(false, &stop), pace.turn(false, &stop));
        assert!(first.is_none() && second.is_none());
        assert_eq!(start.elapsed(), Duration::from_secs(2), "the one that waits, and the one in line behind it");
        assert!(pace.turn(false, &stop).await.is_none() && pace.turn(true, &stop).await.is_some());
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(pace.turn(false, &stop).await.is_some(), "its turn has come");
    }
}
