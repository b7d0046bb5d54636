//! The CloudWatch Agent's state folder: one small text file for each log file or Windows event log.
//!
//! ```text
//! 4096                  how far it came: the highest offset
//! /var/log/app.log      in which file
//! 0-1024,2048-4096      which parts are delivered; `2048-` has no end. Not written by old versions
//! ```
//!
//! The agent writes it in place without a checksum, so it may be empty or cut short: then what is there is believed only
//! as far as the log file bears it out.
use super::{Imported, MOST, Stopped, Wanted, resume};
use crate::{
    model::{FilePosition, Timestamp},
    platform::files,
};
use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// For messages.
const FROM: &str = "the CloudWatch Agent";
/// How its files for Windows event logs are called before the names of group, stream and channel.
const EVENT_LOG: &str = "Amazon_CloudWatch_WindowsEventLog_";

/// What one file of the agent says.
#[derive(Clone, Debug, Eq, PartialEq)]
struct State {
    /// Up to here everything is delivered.
    delivered: u64,
    /// The file or event log; old versions may leave it out.
    name: Option<String>,
}

/// How the agent makes a file name of a path.
fn escaped(name: &str) -> String {
    name.replace(['/', ' ', ':'], "_")
}

/// `None`: nothing can be told, as from an empty file. `from_zero`: what is counted begins at 0, so that parts which begin later
/// leave a gap before them.
fn parse(text: &str, from_zero: bool) -> Option<State> {
    let mut lines = text.lines();
    let highest: u64 = lines.next()?.trim().parse().ok()?;
    let name = lines.next().map(str::to_owned).filter(|name| !name.is_empty());
    let first = lines.next().and_then(|parts| parts.split(',').next()).and_then(|part| part.trim().split_once('-'));
    let first = first.and_then(|(start, end)| {
        let start: u64 = start.parse().ok()?;
        // Without an end: everything, of which the first line says how much that is.
        let end = if end.is_empty() { highest } else { end.parse().ok()? };
        Some((start, end))
    });
    let delivered = match first {
        Some((start, _)) if from_zero && start > 0 => 0,
        Some((_, end)) => end.min(highest),
        None => highest,
    };
    Some(State { delivered, name })
}

fn read(path: &Path, from_zero: bool) -> io::Result<Option<(State, Timestamp)>> {
    let text = files::read_small(path, MOST)?;
    let at = Timestamp::from(files::stat(path)?.modified);
    Ok(parse(&String::from_utf8_lossy(&text), from_zero).map(|state| (state, at)))
}

/// Positions out of the agent's state folder. A folder that is not there says nothing.
///
/// # Errors
/// When the folder is there and cannot be read. What is wrong with one file is logged, and that file passed over.
pub fn positions(folder: &Path, wanted: Wanted<'_>) -> io::Result<Vec<Imported>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(EVENT_LOG) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        match file_positions(&entry.path(), &name, wanted) {
            Ok(positions) => found.extend(positions),
            Err(error) => {
                tracing::warn!(file = %entry.path().display(), %error, "this state of the CloudWatch Agent cannot be used: \
                its log file counts as seen for the first time")
            }
        }
    }
    Ok(found)
}

fn file_positions(state: &Path, name: &OsStr, wanted: Wanted<'_>) -> io::Result<Vec<Imported>> {
    let Some((State { delivered, name: path }, at)) = read(state, true)? else { return Ok(Vec::new()) };
    let path = path.map(PathBuf::from).or_else(|| {
        let named = |path: &&PathBuf| path.to_str().is_some_and(|path| OsStr::new(&escaped(path)) == name);
        wanted.named.iter().find(named).cloned()
    });
    let Some(path) = path else { return Ok(Vec::new()) };
    let targets = (wanted.targets)(&path);
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let Some(position) = resume(&path, Stopped { offset: delivered, at }, FROM)? else { return Ok(Vec::new()) };
    // The agent has one state for all of them.
    let imported =
        |target: String| Imported { position: FilePosition { target: target.into(), ..position.clone() }, from: FROM };
    Ok(targets.into_iter().map(imported).collect())
}

/// The record id of the last event that the agent delivered of a Windows event log without a gap; `None` where it has no state
/// for it. Reading goes on with the next one.
///
/// # Errors
/// When the state is there and cannot be read.
pub fn windows_event(folder: &Path, group: &str, stream: &str, channel: &str) -> io::Result<Option<u64>> {
    let name = format!("{EVENT_LOG}{}", escaped(&format!("{group}_{stream}_{channel}")));
    match read(&folder.join(name), false) {
        Ok(state) => Ok(state.map(|(state, _)| state.delivered)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(text: &str) -> Option<u64> {
        parse(text, true).map(|state| state.delivered)
    }

    #[test]
    fn reading_goes_on_at_the_first_gap() {
        assert_eq!(delivered("900\n/log\n0-300,600-900"), Some(300));
        assert_eq!(delivered("900\n/log\n0-900"), Some(900));
        assert_eq!(delivered("900\n/log\n100-900"), Some(0), "the beginning is a gap");
        assert_eq!(delivered("900\n/log\n0-"), Some(900), "no end");
    }

    #[test]
    fn a_state_of_old_versions_or_one_that_is_cut_short_is_believed_as_far_as_it_goes() {
        assert_eq!(delivered("900"), Some(900));
        assert_eq!(delivered("900\n/log"), Some(900));
        assert_eq!(delivered("900\n/log\n0-3"), Some(3));
        assert_eq!(delivered("900\n/log\nrubbish"), Some(900));
        assert_eq!(delivered(""), None);
        assert_eq!(delivered("rubbish\n/log"), None);
    }

    #[test]
    fn events_are_counted_from_any_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = "Amazon_CloudWatch_WindowsEventLog_a_group_s_System";
        fs::write(folder.path().join(name), "5100\nSystem\n5000-5050,5060-5100").expect("written");
        assert_eq!(windows_event(folder.path(), "a/group", "s", "System").expect("readable"), Some(5050));
        assert_eq!(windows_event(folder.path(), "a/group", "s", "Security").expect("none"), None);
    }
}
