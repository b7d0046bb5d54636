//! `agent.shutdown_seconds`: how long a stop may take.
//!
//! Linux: systemd is asked for that time when the stop begins. launchd and, when the system goes down, Windows have a limit that nobody may
//! ask them to move at that moment: what our own deadline is to do before it would not be done, so it stays below it, and that is said.
use super::section::Section;
use crate::platform::host::System;
use std::time::Duration;

/// Where nothing is said.
const USUAL: u64 = 10;
/// What comes after the deadline takes no longer.
const LAST_STEPS: u64 = 5;

/// launchd kills a service that is told to stop after this time: `ExitTimeOut` of our plists.
pub const LAUNCHD_WAITS: Duration = Duration::from_secs(30);
/// Windows waits so long for a service when it goes down: what we ask of it at the installation.
pub const WINDOWS_WAITS: Duration = Duration::from_mins(3);

/// The deadline, and a finding where the system does not wait for the one that is asked for.
pub(super) fn read(section: &Section<'_>, system: System) -> Duration {
    let asked = section.unsigned().unwrap_or(USUAL);
    let (waits, who) = match system {
        System::MacOs => (LAUNCHD_WAITS, "launchd kills the service"),
        System::Windows => (WINDOWS_WAITS, "Windows goes down"),
        System::Linux | System::Other => return Duration::from_secs(asked),
    };
    let most = waits.as_secs() - LAST_STEPS;
    if asked > most {
        section.warning(format!(
            "{who} {} seconds after the stop was asked for, so {most} seconds are used; at most that makes sense here",
            waits.as_secs()
        ));
    }
    Duration::from_secs(asked.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{file::File, section::Findings};
    use std::path::Path;

    /// Seconds, and whether something was said.
    fn read_on(system: System, value: u64) -> (u64, Option<String>) {
        let text = format!(r#"{{ "agent": {{ "shutdown_seconds": {value} }} }}"#);
        let file = File::parse(Path::new("c.json"), text.into_bytes(), None).expect("JSON");
        let findings = Findings::default();
        let limit = read(&Section::root(&file, &findings).path(&["agent", "shutdown_seconds"]), system);
        (limit.as_secs(), findings.into_sorted().first().map(ToString::to_string))
    }

    #[test]
    fn the_deadline_is_over_before_the_system_loses_its_patience_and_that_is_said() {
        for (system, most) in [(System::MacOs, 25), (System::Windows, 175), (System::Linux, 3_600)] {
            assert_eq!(read_on(system, most), (most, None));
            if most < 3_600 {
                let (used, said) = read_on(system, most + 1);
                assert_eq!(used, most);
                assert!(said.is_some_and(|said| said.contains(&format!("so {most} seconds are used"))));
            }
        }
    }
}
