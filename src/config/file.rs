//! What the user wrote: the texts of one or several files, the JSON tree that they make together, and where each part of it stands.
//!
//! ```text
//! sources (which files) -> part (one text) -> tree (its JSON) -> merge (one tree)
//! ```
//! What the parts mean is not known here.
mod broken;
mod merge;
mod part;
mod sources;
mod tree;

pub use tree::{Entry, Node, Value};

use super::finding::Finding;
use crate::platform::permissions::{self, Rights};
use part::Part;
use sources::Sources;
use std::{
    cell::RefCell,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Of all files together. Far above any real configuration (16,384 log files fit), far below what would hurt a small machine.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The configuration as written.
pub struct File {
    /// As the user named it: a file, or a folder of them.
    pub path: PathBuf,
    pub tree: Node,
    /// What is wrong with the texts although they are JSON, and what was passed over.
    pub(super) findings: Vec<Finding>,
    /// At least one, each with a range of the places of all nodes.
    parts: Vec<Part>,
    /// Whose files belong to it.
    folders: Vec<(PathBuf, Option<Rights>)>,
    names: merge::Names,
    /// Values of environment variables that no finding repeats, each with what is shown instead.
    secrets: RefCell<Vec<(String, String)>>,
}

/// Where something stands.
pub struct Place<'a> {
    pub file: &'a Path,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// Reads and parses the file, or all files, that this names.
    ///
    /// # Errors
    /// What is wrong with each file that cannot be used.
    pub fn read(path: &Path) -> Result<Self, Vec<Finding>> {
        let Sources { files, folders, mut findings } = Sources::of(path);
        let (mut parts, mut trees, mut room): (Vec<Part>, Vec<Node>, u64) = (vec![], vec![], LARGEST);
        let mut base = 0;
        for source in &files {
            match Part::read(source, base, room) {
                Ok((part, tree, found)) => {
                    findings.extend(found);
                    // One more, so that the end of a text is no place of the next one.
                    base += part.len() + 1;
                    room = room.saturating_sub(part.len() as u64);
                    if files.len() > 1 && !matches!(tree.value, Value::Table(_)) {
                        let why = format!("expected an object, found {}", tree.kind());
                        findings.push(Finding::of_file(source, why));
                    }
                    parts.push(part);
                    trees.push(tree);
                }
                Err(finding) => findings.push(*finding),
            }
        }
        if parts.len() < files.len() || parts.is_empty() {
            return Err(findings);
        }
        let rights = |folder: PathBuf| {
            let rights = fs::metadata(&folder).ok().and_then(|metadata| permissions::of(&metadata));
            (folder, rights)
        };
        let folders = folders.into_iter().map(rights).collect();
        Ok(Self::of(path, parts, trees, findings, folders))
    }

    /// Parses what stood in one file.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(path: &Path, bytes: Vec<u8>, rights: Option<Rights>) -> Result<Self, Box<Finding>> {
        let (part, tree, findings) = Part::parse(path, bytes, rights, 0, LARGEST)?;
        Ok(Self::of(path, vec![part], vec![tree], findings, vec![]))
    }

    fn of(
        path: &Path,
        parts: Vec<Part>,
        trees: Vec<Node>,
        findings: Vec<Finding>,
        folders: Vec<(PathBuf, Option<Rights>)>,
    ) -> Self {
        let tree = Node::new(0, Value::Null);
        let mut file = Self {
            path: path.to_owned(),
            tree,
            findings,
            parts,
            folders,
            names: merge::Names::new(),
            secrets: RefCell::default(),
        };
        let (tree, names, conflicts) = merge::all(&file, trees);
        (file.tree, file.names) = (tree, names);
        file.findings.extend(conflicts);
        file
    }

    /// How many files it consists of.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Where the `start` of a node or a key is.
    pub fn place(&self, at: usize) -> Place<'_> {
        let part = self.part(at);
        let (line, column) = part.place(at - part.base);
        Place { file: &part.path, line, column }
    }

    /// The JSON path of a part as its own file has it: lists of several files are one list here.
    pub fn own_path(&self, at: &str) -> String {
        match self.own(at) {
            Some((own, rest)) => format!("{}{rest}", own.path),
            None => at.to_owned(),
        }
    }

    /// The same for a sentence, with the file where there are several.
    pub fn called(&self, at: &str) -> String {
        match self.own(at) {
            Some((own, rest)) => format!("{}{rest} of {}", own.path, self.place(own.start).file.display()),
            None => at.to_owned(),
        }
    }

    /// A finding about a part of which only the path is known.
    pub fn finding_at(&self, at: &str, why: String) -> Finding {
        let file = match self.own(at) {
            Some((own, _)) => self.place(own.start).file,
            None if self.parts.len() == 1 => &self.parts[0].path,
            None => &self.path,
        };
        Finding { at: self.own_path(at), ..Finding::of_file(file, self.without_secrets(why)) }
    }

    /// Who may do what with the file that this place is in.
    pub fn rights_at(&self, at: usize) -> Option<Rights> {
        self.part(at).rights
    }

    /// Everything by which the configuration can be changed, files and folders, where the system tells who may.
    pub fn all_rights(&self) -> impl Iterator<Item = (&Path, Rights)> {
        let files = self.parts.iter().map(|part| (part.path.as_path(), part.rights));
        let all = files.chain(self.folders.iter().map(|(path, rights)| (path.as_path(), *rights)));
        all.filter_map(|(path, rights)| Some((path, rights?)))
    }

    /// See [`File::without_secrets`].
    pub fn keep_secret(&self, name: &str, value: &str) {
        self.secrets.borrow_mut().push((value.to_owned(), format!("${{{name}}}")));
    }

    /// A text that repeats no value which is to be kept secret.
    pub fn without_secrets(&self, text: String) -> String {
        self.secrets.borrow().iter().fold(text, |text, (value, instead)| text.replace(value, instead))
    }

    fn part(&self, at: usize) -> &Part {
        let index = self.parts.partition_point(|part| part.base <= at).saturating_sub(1);
        &self.parts[index]
    }

    /// The item of a merged list that a path leads into, and the rest of the path.
    fn own<'a>(&self, at: &'a str) -> Option<(&merge::Own, &'a str)> {
        if self.names.is_empty() {
            return None;
        }
        let ends = at.match_indices(']').map(|(end, _)| at.split_at(end + 1));
        ends.filter_map(|(item, rest)| Some((self.names.get(item)?, rest))).next()
    }
}

#[cfg(test)]
mod tests;
