//! A destination for tests that answers as it is told.
use super::{Put, PutError, PutFuture, Rejected};
use crate::model::{
    LogBatch, MetricBatch, Skew, Target, Timestamp,
    limits::{AHEAD, OLDEST},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What a group has for a retention, or why that is not told.
pub type Kept = Result<Option<u16>, fn() -> PutError>;

/// Answers each call as the script says, success where it has no error, then accepts everything.
#[derive(Default)]
pub struct Scripted {
    pub script: Mutex<VecDeque<Option<PutError>>>,
    /// Batches with this text in them are refused.
    pub poison: Option<&'static str>,
    /// Metric calls never answer.
    pub hang: bool,
    /// Put calls take this long.
    pub slow: Duration,
    /// What the next accepted log calls discard by its time.
    pub discarding: Mutex<VecDeque<Rejected>>,
    /// What was called, and what was accepted as `event:TEXT` and `point:NAME@MILLIS`.
    pub calls: Mutex<Vec<String>>,
    /// How far its clock is ahead. Known when the first call is answered; points outside its times are refused then.
    pub clock: Option<Skew>,
    /// The times of accepted log events.
    pub stamps: Mutex<Vec<Timestamp>>,
    /// When each of these was said.
    pub times: Mutex<Vec<Instant>>,
    /// Answers to the calls that are not Put calls, one by one; success after that.
    pub making: Mutex<VecDeque<Option<PutError>>>,
    /// What each group has for a retention. `None`: what is wanted, and nobody hears of the question.
    pub kept: Option<Kept>,
}

impl Scripted {
    /// These errors come first.
    pub fn failing(errors: impl IntoIterator<Item = PutError>) -> Self {
        Self::answering(errors.into_iter().map(Some))
    }

    /// These answers come first.
    pub fn answering(answers: impl IntoIterator<Item = Option<PutError>>) -> Self {
        Self { script: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    /// Add errors while it runs.
    pub fn fail(&self, errors: impl IntoIterator<Item = PutError>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).extend(errors.into_iter().map(Some));
    }

    /// Everything so far.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only what was accepted.
    pub fn accepted(&self) -> Vec<String> {
        self.calls().into_iter().filter(|c| c.contains(':')).collect()
    }

    fn say(&self, call: impl Into<String>) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.into());
        self.times.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    fn answer(&self) -> Result<(), PutError> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten().map_or(Ok(()), Err)
    }

    fn make(&self, call: &str) -> Result<(), PutError> {
        self.say(call);
        self.making.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten().map_or(Ok(()), Err)
    }
}

impl Put for Scripted {
    fn metrics<'a>(&'a self, batch: &'a MetricBatch) -> PutFuture<'a, ()> {
        Box::pin(async {
            self.say("metrics");
            if self.hang {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.slow).await;
            self.answer()?;
            if let Some(poison) = self.poison
                && batch.points.iter().any(|p| p.name == poison)
            {
                return Err(PutError::Refused { service: super::Service::CloudWatch, reason: "poison".into() });
            }
            if let Some(skew) = self.clock {
                let now = Timestamp::now().shifted(skew);
                if batch.points.iter().any(|p| p.at.since(now) > AHEAD || now.since(p.at) > OLDEST) {
                    return Err(PutError::Refused { service: super::Service::CloudWatch, reason: "time".into() });
                }
            }
            for point in &batch.points {
                self.say(format!("point:{}@{}", point.name, point.at.as_millis()));
            }
            Ok(())
        })
    }

    fn logs<'a>(&'a self, batch: &'a LogBatch) -> PutFuture<'a, Rejected> {
        Box::pin(async {
            self.say("logs");
            tokio::time::sleep(self.slow).await;
            self.answer()?;
            let events = batch.events().expect("our own JSON");
            if let Some(poison) = self.poison
                && events.iter().any(|e| e.message.contains(poison))
            {
                return Err(PutError::Refused { service: super::Service::CloudWatchLogs, reason: "poison".into() });
            }
            let rejected = self.discarding.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let rejected = rejected.unwrap_or_default();
            let places = rejected.places(events.len());
            for (_, event) in events.into_iter().enumerate().filter(|(place, _)| !places.contains(*place)) {
                self.say(format!("event:{}", event.message));
                let stamp = Timestamp::from_millis(event.timestamp);
                self.stamps.lock().unwrap_or_else(PoisonError::into_inner).push(stamp);
            }
            Ok(rejected)
        })
    }

    fn create_group<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { self.make("create_group") })
    }

    fn create_stream<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { self.make("create_stream") })
    }

    fn set_retention<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { self.make("set_retention") })
    }

    fn retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, Option<u16>> {
        Box::pin(async {
            let Some(kept) = &self.kept else { return Ok(target.retention_in_days) };
            self.say("retention");
            kept.map_err(|error| error())
        })
    }

    fn renew(&self) -> PutFuture<'_, ()> {
        Box::pin(async { self.make("renew") })
    }

    fn skew(&self) -> Skew {
        let known = self.clock.filter(|_| !self.calls().is_empty());
        known.unwrap_or_default()
    }

    fn service_time(&self) -> Option<Timestamp> {
        let known = self.clock.filter(|_| !self.calls().is_empty());
        known.map(|skew| Timestamp::now().shifted(skew))
    }
}
