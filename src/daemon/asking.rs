//! Asking what only the network can tell, until it is told.
use crate::{
    aws::{Inquiry, InquiryError, Metadata},
    model::facts::Volume,
    publish::chain,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::time::Duration;
use tokio::time::sleep;

/// Pauses between two attempts grow from the one to the other.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a question comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, InquiryError>>;

/// Answers the questions, each time with one attempt. See [`Inquiry`].
pub trait Asks: Send + Sync {
    fn metadata(&self) -> Answer<'_, Metadata>;
    fn document(&self) -> Answer<'_, Metadata>;
    fn region(&self) -> Answer<'_, String>;
    fn account(&self) -> Answer<'_, String>;
    fn auto_scaling_group(&self) -> Answer<'_, Option<String>>;
    fn volumes(&self) -> Answer<'_, Vec<Volume>>;
}

impl Asks for Inquiry {
    fn metadata(&self) -> Answer<'_, Metadata> {
        Inquiry::metadata(self).boxed()
    }

    fn document(&self) -> Answer<'_, Metadata> {
        Inquiry::document(self).boxed()
    }

    fn region(&self) -> Answer<'_, String> {
        Inquiry::region(self).boxed()
    }

    fn account(&self) -> Answer<'_, String> {
        Inquiry::account(self).boxed()
    }

    fn auto_scaling_group(&self) -> Answer<'_, Option<String>> {
        Inquiry::auto_scaling_group(self).boxed()
    }

    fn volumes(&self) -> Answer<'_, Vec<Volume>> {
        Inquiry::volumes(self).boxed()
    }
}

/// Why there is no answer, for people.
pub fn said(error: InquiryError) -> String {
    chain(&error)
}

/// Ask until there is an answer, with growing pauses. Why there is none is said once. `who` needs it, in the plural.
pub async fn until_answered<T>(
    who: &str,
    what: &str,
    question: impl Fn() -> BoxFuture<'static, Result<T, String>>,
) -> T {
    let mut pause = FIRST_PAUSE;
    loop {
        match question().await {
            Ok(answer) => return answer,
            Err(why) if pause == FIRST_PAUSE => {
                tracing::warn!("{who} need {what}, which is asked for again: {why}");
            }
            Err(why) => tracing::debug!("{who} need {what}, which is asked for again: {why}"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
pub mod pretended;
