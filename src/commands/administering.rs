//! What the administrator's commands share: their runtime, their way to AWS, being interrupted in order, and a few words.
use crate::{
    aws::Admin,
    cli::Place,
    config,
    ops::{
        stack::Progress,
        templates::{self, Template},
    },
};
use anyhow::Context;
use tokio_util::sync::CancellationToken;

/// Names that are shown of a long list.
const MOST_NAMES: usize = 20;
/// What a shell reports of whoever was ended by Ctrl-C: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The runtime.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the asynchronous runtime could not be started")
}

/// The way to AWS.
pub async fn connect(place: &Place) -> anyhow::Result<Admin> {
    Ok(Admin::connect(&config::of_nobody(place.region.as_deref())).await?)
}

/// The stack that is meant, and what it is made of.
pub fn stack_of(place: &Place) -> (&str, &'static Template) {
    let template = if place.iot { &templates::IOT } else { &templates::COGNITO };
    (place.stack.as_deref().unwrap_or(template.stack), template)
}

/// From now on Ctrl-C is heard by this, so that nothing is left half made; a second one ends the program at once.
pub fn interruption() -> CancellationToken {
    let asked = CancellationToken::new();
    let told = asked.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if told.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            eprintln!("interrupted: what has begun is finished first (once more, and it ends at once)");
            told.cancel();
        }
    });
    asked
}

/// How it goes, on standard error: a line for each step and each event.
pub fn progress(progress: Progress<'_>) {
    match progress {
        Progress::Step(text) => eprintln!("{text}"),
        Progress::Event(event) => {
            // 2026-01-31T12:00:00.123Z: the time of the day is what people compare.
            let time = event.time.get(11..19).unwrap_or(&event.time);
            let reason = event.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            eprintln!("  {time}  {:<24} {} ({}){reason}", event.status, event.logical, event.kind);
        }
    }
}

/// As people count.
pub fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The first names of a list.
pub fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMES {
        text += &format!(" and {} more", names.len() - MOST_NAMES);
    }
    text
}
