//! Somebody to ask, for tests.
use super::{Answer, Asks};
use crate::{
    aws::{InquiryError, Metadata},
    model::facts::Volume,
};
use futures_util::FutureExt;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// Answers each question after so long; `None`: it has no answer.
pub struct Cloud {
    pub metadata: Option<(Duration, Metadata)>,
    pub account: Option<Duration>,
    /// One answer after the other; the last one for ever.
    pub groups: Mutex<VecDeque<Result<Option<&'static str>, InquiryError>>>,
    pub volumes: Mutex<VecDeque<Result<Vec<Volume>, InquiryError>>>,
    /// Whenever something was asked for.
    pub heard: Notify,
    pub began: Instant,
    pub asked: Mutex<Vec<(&'static str, Duration)>>,
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            metadata: None,
            account: None,
            groups: Mutex::default(),
            volumes: Mutex::default(),
            heard: Notify::default(),
            began: Instant::now(),
            asked: Mutex::default(),
        }
    }
}

impl Cloud {
    /// How often it was asked for this.
    pub fn count(&self, question: &str) -> usize {
        self.asked().iter().filter(|(asked, _)| *asked == question).count()
    }

    /// When it was asked for this, in seconds.
    pub fn times(&self, question: &str) -> Vec<u64> {
        self.asked().iter().filter(|(asked, _)| *asked == question).map(|(_, at)| at.as_secs()).collect()
    }

    fn asked(&self) -> MutexGuard<'_, Vec<(&'static str, Duration)>> {
        self.asked.lock().expect("whole")
    }

    fn hear(&self, question: &'static str) {
        self.asked().push((question, self.began.elapsed()));
        self.heard.notify_one();
    }
}

/// This machine lacks a permission.
pub fn denied(action: &'static str) -> InquiryError {
    InquiryError::Denied { action, source: "UnauthorizedOperation".into() }
}

/// Nobody is there.
pub fn silent() -> InquiryError {
    InquiryError::Metadata("no route".into())
}

/// The next answer.
fn next<T: Clone>(answers: &Mutex<VecDeque<Result<T, InquiryError>>>) -> Result<T, InquiryError> {
    let mut answers = answers.lock().expect("whole");
    let same = |error: &InquiryError| match error {
        InquiryError::Denied { action, .. } => denied(action),
        _ => silent(),
    };
    match answers.front() {
        None => Err(silent()),
        Some(Ok(last)) if answers.len() == 1 => Ok(last.clone()),
        Some(Err(last)) if answers.len() == 1 => Err(same(last)),
        Some(_) => answers.pop_front().expect("there are two"),
    }
}

impl Asks for Cloud {
    fn metadata(&self) -> Answer<'_, Metadata> {
        self.hear("metadata");
        async {
            let Some((after, metadata)) = &self.metadata else { return Err(silent()) };
            sleep(*after).await;
            Ok(metadata.clone())
        }
        .boxed()
    }

    fn document(&self) -> Answer<'_, Metadata> {
        async { self.metadata().await.map(|metadata| Metadata { hostname: None, ..metadata }) }.boxed()
    }

    fn region(&self) -> Answer<'_, String> {
        async { Ok("eu-west-1".to_owned()) }.boxed()
    }

    fn account(&self) -> Answer<'_, String> {
        self.hear("account");
        async {
            let after = self.account.ok_or_else(|| InquiryError::Account("not signed in".into()))?;
            if !after.is_zero() {
                sleep(after).await;
            }
            Ok("111122223333".to_owned())
        }
        .boxed()
    }

    fn auto_scaling_group(&self) -> Answer<'_, Option<String>> {
        self.hear("group");
        async { next(&self.groups).map(|group| group.map(str::to_owned)) }.boxed()
    }

    fn volumes(&self) -> Answer<'_, Vec<Volume>> {
        self.hear("volumes");
        async { next(&self.volumes) }.boxed()
    }
}
