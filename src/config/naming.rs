//! Group and stream names: what may be in them, and which stream a file gets when nobody names one.
use super::{
    finding::{Severity, nearest},
    placeholder::{self, Piece, pieces},
    section::Section,
};
use crate::model::{LogName, limits::LOG_NAME};
use std::{
    collections::HashSet,
    path::{Component, Path},
};

/// Which of the two names is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Name {
    Group,
    Stream,
    /// A stream that may have `{unit}` in it: its source knows the units.
    StreamOfUnits,
}

/// The text of a section as a template that can be filled when it runs. `None`: it was reported, and what needs it is not run.
/// `agents`: what stands in braces and is no placeholder stays as it is, where the name may hold braces.
pub fn template(section: &Section<'_>, name: Name, region: Option<&str>, agents: bool) -> Option<String> {
    let text = section.text()?;
    let mut template = String::with_capacity(text.len());
    let mut usable = true;
    // A variable that is not set, `${NAME}`, was reported as that.
    let is_variable = |template: &str| template.ends_with('$') && name != Name::Group;
    for piece in pieces(text) {
        match piece {
            Piece::Literal(literal) => {
                usable &= fits(section, name, literal);
                template.push_str(literal);
            }
            Piece::Placeholder(known) if placeholder::KNOWN.contains(&known) => match region {
                Some(region) if known == placeholder::REGION => template.push_str(region),
                _ => template.push_str(&format!("{{{known}}}")),
            },
            Piece::Placeholder(placeholder::UNIT) if name == Name::StreamOfUnits => {
                template.push_str(&format!("{{{}}}", placeholder::UNIT));
            }
            Piece::Placeholder(variable) if is_variable(&template) => template.push_str(&format!("{{{variable}}}")),
            Piece::Placeholder(unknown) => {
                let known = placeholder::KNOWN.into_iter();
                let suggestion = nearest(unknown, known.clone()).or_else(|| part_of(unknown, known));
                let suggestion = suggestion.map(|known| format!("{{{known}}}"));
                if agents && name != Name::Group {
                    let why = format!("`{{{unknown}}}` is no placeholder, so it stays in the name as it is");
                    section.report(Severity::Warning, why, suggestion);
                    template.push_str(&format!("{{{unknown}}}"));
                } else {
                    section.report(Severity::Error, format!("unknown placeholder `{{{unknown}}}`"), suggestion);
                    usable = false;
                }
            }
        }
    }
    // A longer text was reported as it stands.
    let short = text.chars().count() <= LOG_NAME;
    let literal: usize = pieces(&template).iter().map(Piece::least).sum();
    if short && literal > LOG_NAME {
        section
            .error(format!("has {literal} characters or more with the region in it; at most {LOG_NAME} are allowed"));
    }
    (usable && !template.is_empty() && short && literal <= LOG_NAME).then_some(template)
}

/// The placeholder of which somebody wrote only the beginning, or one of its words.
fn part_of<'a>(word: &str, mut known: impl Iterator<Item = &'a str>) -> Option<String> {
    let has = |name: &str| name.starts_with(word) || name.split('_').any(|part| part == word);
    known.find(|name| word.len() >= 2 && has(name)).map(str::to_owned)
}

fn fits(section: &Section<'_>, name: Name, literal: &str) -> bool {
    let (which, what) = match name {
        Name::Group => (LogName::Group, "a log group's name takes letters, digits and . - _ / #"),
        Name::Stream | Name::StreamOfUnits => (LogName::Stream, "a log stream's name takes no : and no *"),
    };
    let wrong = literal.chars().find(|c| !which.fits(*c));
    if let Some(wrong) = wrong {
        // `{instance-id}` is no word, so nobody took it for a placeholder.
        let braced =
            literal.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(inside, _)| inside.trim());
        let meant = braced.and_then(|inside| nearest(&inside.replace('-', "_"), placeholder::KNOWN));
        let why = format!("{what}, found `{}`", wrong.escape_debug());
        section.report(Severity::Error, why, meant.map(|known| format!("{{{known}}}")));
    }
    wrong.is_none()
}

/// Characters of `_` and a number that no list of files reaches.
const LONGEST_NUMBER: usize = 12;

/// The streams that the publisher's way of naming has given away.
pub struct Streams(HashSet<String>);

impl Streams {
    /// With these already taken.
    pub fn taken(streams: impl IntoIterator<Item = &'static str>) -> Self {
        Self(streams.into_iter().map(str::to_owned).collect())
    }

    /// The base name of the file; where another file has it already, with as much of the path before it as tells the two apart.
    /// The flag says that it had to be longer. `None`: the path names no file.
    pub fn take(&mut self, path: &Path) -> Option<(String, bool)> {
        let names: Vec<_> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(placeholder::stream_value(&name.to_string_lossy()).into_owned()),
                Component::ParentDir => Some("..".into()),
                Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
            })
            .collect();
        path.file_name()?;
        let longer = (1..=names.len()).map(|last| names[names.len() - last..].join("_"));
        // Two paths may still read the same once `/` is `_`, or once they are cut.
        let whole: String = names.join("_").chars().take(LOG_NAME - LONGEST_NUMBER).collect();
        let numbered = (2..).map(|n| format!("{whole}_{n}"));
        for (index, stream) in longer.chain(numbered).enumerate() {
            let stream: String = stream.chars().take(LOG_NAME).collect();
            if self.0.insert(stream.clone()) {
                return Some((stream, index > 0));
            }
            if index > self.0.len() + names.len() {
                break;
            }
        }
        None
    }
}

/// The group that the agent gives a file for which none is named: its path without the last extension.
pub fn group_of(path: &str) -> String {
    let base = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let end = path[base..].rfind('.').map_or(path.len(), |at| base + at);
    placeholder::group_value(&path[..end].replace('\\', "/")).chars().take(LOG_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_its_base_name_and_the_next_of_that_name_more_of_its_path() {
        let mut streams = Streams::taken(["system-journal"]);
        let mut take = |path: &str| streams.take(Path::new(path)).expect("a file");
        assert_eq!(take("/var/log/a/app.log"), ("app.log".into(), false));
        assert_eq!(take("/var/log/b/app.log"), ("b_app.log".into(), true));
        assert_eq!(take("/srv/b/app.log"), ("srv_b_app.log".into(), true));
        assert_eq!(take("/b/app.log"), ("b_app.log_2".into(), true));
        assert_eq!(take("/var/log/system-journal"), ("log_system-journal".into(), true));
    }

    #[test]
    fn paths_that_differ_behind_the_longest_name_are_told_apart() {
        let mut streams = Streams::taken([]);
        let deep = format!("/{}", vec!["d".repeat(100); 12].join("/"));
        for end in 0..40 {
            let (stream, _) = streams.take(Path::new(&format!("{deep}{end}/{}", "f".repeat(600)))).expect("a file");
            assert!(stream.chars().count() <= LOG_NAME, "{stream}");
        }
        assert_eq!(streams.0.len(), 40);
    }

    #[test]
    fn a_stream_has_no_colon_of_its_file() {
        assert_eq!(Streams::taken([]).take(Path::new("/x/a:b.log")), Some(("a_b.log".into(), false)));
    }

    #[test]
    fn a_path_that_ends_above_itself_names_no_file() {
        assert_eq!(Streams::taken([]).take(Path::new("/var/..")), None);
        assert_eq!(Streams::taken([]).take(Path::new("/")), None);
    }

    #[test]
    fn the_agent_drops_the_last_extension() {
        assert_eq!(group_of("/tmp/T.log.2017-07-11"), "/tmp/T.log");
        assert_eq!(group_of("/var/log/messages"), "/var/log/messages");
        assert_eq!(group_of("/etc/x.d/messages"), "/etc/x.d/messages");
        assert_eq!(group_of(r"c:\logs\a b.log"), "c_/logs/a_b");
    }
}
