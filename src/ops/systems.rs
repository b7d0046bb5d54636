//! The list of machines, `systems.txt`: one instance id on each line.
//!
//! A name becomes a user of a pool or a thing, a part of log groups' names, and the name of a file. What cannot be all of these is refused,
//! every such line at once, before anything is made.
use super::composing::Instance;
use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
};

/// Characters of a name: those of a user name and of a thing.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUser.html>,
/// <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html>
const LONGEST: usize = 128;
/// Bytes of a list. A hundred thousand machines have a fifth of it.
const LARGEST: u64 = 16 << 20;
/// Faults that are said one by one.
const MOST_FAULTS: usize = 20;

/// A machine of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct System {
    /// `PREFIX-SERIAL`.
    pub name: String,
}

impl System {
    /// What its configuration has to say for it to be called so.
    pub fn instance(&self) -> Instance {
        let (prefix, serial) = self.name.split_once('-').expect("a name without a hyphen is refused");
        Instance { prefix: prefix.to_owned(), serial: serial.to_owned() }
    }
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SystemsError {
    #[error("cannot read the list of systems {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("nothing was done: {} cannot be used\n{}", path.display(), Faults(path, faults))]
    Unfit { path: PathBuf, faults: Vec<Fault> },
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    pub why: String,
}

struct Faults<'a>(&'a Path, &'a [Fault]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            self.1.iter().take(MOST_FAULTS).map(|Fault { line, why }| format!("{}:{line}: {why}", self.0.display()));
        let more = self.1.len().checked_sub(MOST_FAULTS + 1).map(|more| format!("and {} more lines", more + 1));
        f.write_str(&shown.chain(more).collect::<Vec<_>>().join("\n"))
    }
}

/// The list in a file.
///
/// # Errors
/// When it cannot be read, or has a line that cannot be used.
pub fn read(path: &Path) -> Result<Vec<System>, SystemsError> {
    let unreadable = |source| SystemsError::Unreadable { path: path.to_owned(), source };
    let bytes = crate::platform::files::read_small(path, LARGEST).map_err(unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")))?;
    parse(&text).map_err(|faults| SystemsError::Unfit { path: path.to_owned(), faults })
}

/// The systems of a list, in their order.
///
/// # Errors
/// Every line that cannot be used.
pub fn parse(text: &str) -> Result<Vec<System>, Vec<Fault>> {
    let (mut systems, mut faults) = (vec![], vec![]);
    // User names of our pools are the same in small and in capital letters.
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (line, text) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let name = without_comment(text).trim();
        if name.is_empty() {
            continue;
        }
        let why = fault(name).or_else(|| {
            let first = lines.insert(name.to_ascii_lowercase(), line)?;
            Some(format!("{name} stands in line {first} already, small and capital letters being the same"))
        });
        match why {
            Some(why) => faults.push(Fault { line, why }),
            None => systems.push(System { name: name.to_owned() }),
        }
    }
    if faults.is_empty() { Ok(systems) } else { Err(faults) }
}

/// A comment begins the line or follows a blank.
fn without_comment(line: &str) -> &str {
    let starts = |&(at, c): &(usize, char)| c == '#' && line[..at].chars().next_back().is_none_or(char::is_whitespace);
    line.char_indices().find(starts).map_or(line, |(at, _)| &line[..at])
}

/// Why this is no name of a machine.
fn fault(name: &str) -> Option<String> {
    let shown: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    if let Some(wrong) = name.chars().find(|&c| !fits(c)) {
        let wrong = wrong.escape_debug();
        return Some(format!("`{shown}` has a `{wrong}`: a name is made of letters, digits and - _ . :"));
    }
    if name.len() > LONGEST {
        return Some(format!("`{shown}...` has more than {LONGEST} characters"));
    }
    let (prefix, serial) = name.split_once('-').unwrap_or((name, ""));
    if prefix.is_empty() || serial.is_empty() {
        return Some(format!(
            "`{shown}` is no instance id, which is PREFIX-SERIAL, like rpi-00000000abcdef01: the machine would never call itself so"
        ));
    }
    name.starts_with('.').then(|| format!("`{shown}` begins with a dot"))
}

#[cfg(test)]
mod tests;
