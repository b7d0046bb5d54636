//! `windows_events.collect_list`.
use crate::config::{Severity, section::Section};

/// What the agent's schema says of Windows events and a table of keys cannot.
pub fn read(section: &Section<'_>) {
    for item in section.child("collect_list").items() {
        let name = item.child("event_name");
        if name.text() == Some("Forwarded Events") {
            name.report(
                Severity::Error,
                "is the title of this channel, not its name".into(),
                Some("ForwardedEvents".into()),
            );
        }
    }
}
