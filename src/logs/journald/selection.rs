//! What journalctl is asked for: where to begin, and which entries.
use crate::config::settings::EntrySelection;

/// Where one run of journalctl begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Seek {
    /// At the entry that this cursor names, or at the first one after it that is left.
    Cursor(String),
    /// At the beginning of the running boot.
    Boot,
}

/// The arguments of one run.
///
/// `--all`: without it journalctl leaves out every field over 4096 bytes (`journalctl(1)`). `--no-tail`: following
/// shows only the last ten entries otherwise.
pub(super) fn arguments(seek: &Seek, follow: bool, selection: &EntrySelection) -> Vec<String> {
    let mut arguments: Vec<String> = ["--output=json", "--all", "--no-pager"].map(str::to_owned).into();
    arguments.push(match seek {
        Seek::Cursor(cursor) => format!("--cursor={cursor}"),
        Seek::Boot => "--boot".to_owned(),
    });
    if follow {
        arguments.extend(["--follow", "--no-tail"].map(str::to_owned));
    }
    arguments.extend(narrowed(selection));
    arguments
}

/// The arguments that leave entries out. journalctl joins its three kinds by "and": any of the units, the priority, and any of
/// the matches (`+` between them).
fn narrowed(selection: &EntrySelection) -> Vec<String> {
    let EntrySelection { units, priority, matches } = selection;
    let units = units.iter().map(|unit| format!("--unit={unit}"));
    let mut arguments: Vec<_> = units.chain(priority.map(|priority| format!("--priority={priority}"))).collect();
    for (index, all) in matches.iter().enumerate() {
        if index > 0 {
            arguments.push("+".to_owned());
        }
        arguments.extend(all.iter().map(|(field, value)| format!("{field}={value}")));
    }
    arguments
}

/// Whether every entry is wanted.
pub(super) fn is_everything(selection: &EntrySelection) -> bool {
    narrowed(selection).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(field: &str, value: &str) -> (String, String) {
        (field.to_owned(), value.to_owned())
    }

    #[test]
    fn units_priority_and_matches_are_what_journalctl_joins() {
        let selection = EntrySelection {
            units: vec!["sshd".into(), "nginx.service".into()],
            priority: Some(4),
            matches: vec![vec![pair("_UID", "0"), pair("_COMM", "a b")], vec![pair("_TRANSPORT", "kernel")]],
        };
        let arguments = arguments(&Seek::Boot, true, &selection);
        assert_eq!(
            arguments[3..],
            [
                "--boot",
                "--follow",
                "--no-tail",
                "--unit=sshd",
                "--unit=nginx.service",
                "--priority=4",
                "_UID=0",
                "_COMM=a b",
                "+",
                "_TRANSPORT=kernel"
            ]
        );
        assert!(!is_everything(&selection) && is_everything(&EntrySelection::default()));
    }
}
