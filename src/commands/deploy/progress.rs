//! How it goes, on standard error: a line for each step and each event.
use crate::ops::stack::Progress;

/// Print it.
pub fn say(progress: Progress<'_>) {
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
