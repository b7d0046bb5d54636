//! One file of a configuration: its text, its lines, and who may do what with it.
//!
//! Whatever is wrong with the text itself becomes a [`Finding`] here: no file, a folder, not UTF-8, not JSON, nested too deep, one key twice.
use super::{
    LARGEST,
    broken::{Broken, Cause, floor},
    tree::{Node, Twice},
};
use crate::{
    config::finding::Finding,
    platform::permissions::{self, Rights},
};
use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

/// A file as it was read.
pub struct Part {
    pub path: PathBuf,
    /// Who may do what with the file that was read; `None` where the system cannot tell.
    pub rights: Option<Rights>,
    /// Where its text begins among those of all parts.
    pub base: usize,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Part {
    /// Reads and parses a file. Findings beside the tree: what is wrong although it is JSON.
    /// `room`: the most bytes that it may have.
    pub fn read(path: &Path, base: usize, room: u64) -> Result<(Self, Node, Vec<Finding>), Box<Finding>> {
        let read = contents(path, room);
        let (bytes, rights) = read.map_err(|error| Box::new(Finding::of_file(path, unreadable(&error))))?;
        Self::parse(path, bytes, rights, base, room)
    }

    /// Parses what stood in a file.
    pub fn parse(
        path: &Path,
        bytes: Vec<u8>,
        rights: Option<Rights>,
        base: usize,
        room: u64,
    ) -> Result<(Self, Node, Vec<Finding>), Box<Finding>> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > room {
            let with = if room < LARGEST { " with the other files" } else { "" };
            let why = format!("larger than {} MiB{with}; this is not a configuration", LARGEST / 1024 / 1024);
            return Err(Box::new(Finding::of_file(path, why)));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
        let lines: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        let part = Self { path: path.to_owned(), rights, base, text, lines };
        let (mut tree, twice) = Node::parse(&part.text).map_err(|broken| part.syntax(broken))?;
        tree.shift(base);
        let findings = twice.iter().map(|twice| part.twice(twice)).collect();
        Ok((part, tree, findings))
    }

    /// Bytes of its text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Line and column, both from 1, of a byte of its text.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).saturating_sub(1);
        let before = self.text.get(self.lines[line]..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    fn twice(&self, twice: &Twice) -> Finding {
        let (line, column) = self.place(twice.second);
        let (first, _) = self.place(twice.first);
        let why = format!("stands here on line {line} and before on line {first}; keep one of the two");
        let at = twice.path.clone();
        Finding { at, line: Some(line), column: Some(column), ..Finding::of_file(&self.path, why) }
    }

    fn syntax(&self, broken: Broken) -> Finding {
        let mut at = floor(&self.text, broken.at);
        let mut why = broken.why;
        // A trailing comma is only noticed at the bracket behind it.
        let before = self.text[..at].trim_end();
        if matches!(why, Cause::Syntax(_)) && self.text[at..].starts_with(['}', ']']) && before.ends_with(',') {
            (at, why) = (before.len() - 1, Cause::TrailingComma);
        }
        // The end of a line belongs to the line that it ends; that of the file is meant as it is.
        let is_the_end = matches!(&why, Cause::Syntax(why) if why.starts_with("EOF"));
        if is_the_end {
            at = self.text.trim_end().len();
        } else if at == self.text.len() || self.text.as_bytes()[at] == b'\n' {
            at = self.text[..at].trim_end().char_indices().next_back().map_or(0, |(i, _)| i);
        }
        let (line, column) = self.place(at);
        let why = why.in_words(&self.text, at);
        let excerpt = (!self.text.trim().is_empty()).then(|| self.excerpt(line, column));
        Finding { line: Some(line), column: Some(column), excerpt, ..Finding::of_file(&self.path, why) }
    }

    /// A window of one line around a column, with a caret below. Everything behind the word `password` is starred out.
    fn excerpt(&self, line: usize, column: usize) -> String {
        /// Characters shown on each side.
        const WINDOW: usize = 60;
        let start = self.lines[line - 1];
        let text = self.text[start..].lines().next().unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        let continues =
            self.text[..start].trim_end().to_ascii_lowercase().trim_end_matches([' ', ':', '"']).ends_with("password");
        let secret = if continues { Some(0) } else { lower.find("password").map(|at| at + "password".len()) };
        let shown: String = text
            .char_indices()
            .map(|(at, c)| match c {
                c if c.is_control() => ' ',
                c if secret.is_some_and(|secret| at >= secret)
                    && !c.is_ascii_whitespace()
                    && !"\":,{}[]".contains(c) =>
                {
                    '*'
                }
                c => c,
            })
            .collect();
        let from = (column - 1).saturating_sub(WINDOW);
        let window: String = shown.chars().skip(from).take(2 * WINDOW).collect();
        format!("    {}\n    {}^", window.trim_end(), " ".repeat(column - 1 - from))
    }
}

/// The bytes of a file, and whose it is. Asked of the open file, so that both are of the same one.
fn contents(path: &Path, room: u64) -> io::Result<(Vec<u8>, Option<Rights>)> {
    // Asked beforehand, because Windows calls an opened folder "access denied".
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(room + 1).read_to_end(&mut bytes)?;
    Ok((bytes, permissions::of(&metadata)))
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; create it, or name another as the first argument".into(),
        io::ErrorKind::PermissionDenied => "may not be read by this user; change its owner or mode".into(),
        io::ErrorKind::IsADirectory => "is a folder where a file is wanted".into(),
        _ => format!("cannot be read: {error}"),
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Finding {
    let valid = error.utf8_error().valid_up_to();
    let before = &error.as_bytes()[..valid];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let why = "is not UTF-8 from here on; save it as UTF-8";
    Finding { line: Some(line), column: Some(column), ..Finding::of_file(path, why) }
}
