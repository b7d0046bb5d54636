//! Commands that a configuration names: whether they are the user's own, and whether their programs are there.
use super::{File, Section, Serial, Settings};
use crate::platform::permissions::{self, Owner};
use std::{fs, io, path::Path};

/// Looks at each command that the configuration names.
///
/// `programs`: whether theirs are looked for, which may take for ever on a dead mount.
pub(super) fn check(settings: &Settings, file: &File, root: &Section<'_>, programs: bool) {
    // Also one that `serial` overrules today.
    let name = root.path(&["agent", "instance", "command"]);
    if name.exists() || matches!(settings.agent.instance.serial, Serial::Command(_)) {
        command_is_ours(&name, file);
    }
    for item in root.path(&["metrics", "metrics_collected", "exec"]).items() {
        let command = item.child("command");
        command_is_ours(&command, file);
        if programs {
            program_is_there(&command);
        }
    }
}

/// A program that is named by its whole path, in a list or at the beginning of what a shell runs. What else a shell makes of a text only
/// the shell knows.
fn program_is_there(command: &Section<'_>) {
    let words = command.items();
    let first = words.first().unwrap_or(command);
    let Some(text) = first.verbatim() else { return };
    let named = if words.is_empty() { text.split_whitespace().next().unwrap_or_default() } else { text };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
    let path = Path::new(named);
    if !path.is_absolute() || (words.is_empty() && !named.chars().all(is_plain)) {
        return;
    }
    let trouble = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "there is no program",
        // The daemon may see more than whoever validates.
        Err(_) => return,
        Ok(metadata) if metadata.is_dir() => "this is a folder and no program:",
        Ok(metadata) if !permissions::is_executable(&metadata) => {
            return first.warning(format!("nobody may execute {named}; give the right (chmod +x)"));
        }
        Ok(_) => return,
    };
    first.warning(format!("{trouble} {named}; each turn of this command would fail"));
}

/// Whoever may write the configuration may run a command as us, so nobody else may: none of its files, and no folder of them.
fn command_is_ours(command: &Section<'_>, file: &File) {
    for (path, rights) in file.all_rights() {
        let (this, it) = match path == file.path && file.len() == 1 {
            true => ("this file".to_owned(), "it"),
            false => (path.display().to_string(), "this configuration"),
        };
        if rights.others_may_write {
            command.error(format!(
                "refused: others than its owner may write {this}, and {it} names a command to run; \
                 take the right away (chmod go-w)"
            ));
        }
        if let Owner::Other(uid) = rights.owner {
            command.error(format!(
                "refused: {this} belongs to user {uid}, not to the user that runs the command, nor to root; change its owner"
            ));
        }
    }
}
