//! Which files the patterns match, looked for anew at each reading: there are few, in a folder or two.
use crate::config::glob::{Below, Glob, Way};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Names that are looked at in one search. A folder with more is not the one that was meant.
const MOST_NAMES: usize = 10_000;

/// Folders below each other that are entered, so that a link to a folder above it comes to an end.
const DEEPEST: usize = 16;

/// What was found.
pub struct Found {
    /// Each once, sorted.
    pub paths: BTreeSet<PathBuf>,
    /// There are more, or so many names that not all were looked at.
    pub more: bool,
}

/// The files that any of the patterns matches, `most` at most. Blocks. Folders that cannot be read have none.
pub fn files(patterns: &[Glob], most: usize) -> Found {
    let mut search = Search { found: Found { paths: BTreeSet::new(), more: false }, names: 0, most };
    for way in patterns.iter().flat_map(Glob::ways) {
        search.folder(way, Path::new(""), 0);
    }
    search.found
}

struct Search {
    found: Found,
    names: usize,
    most: usize,
}

impl Search {
    /// `rest`: the folder, seen from the root of the way.
    fn folder(&mut self, way: &Way, rest: &Path, depth: usize) {
        let root = if way.root().as_os_str().is_empty() { Path::new(".") } else { way.root() };
        let Ok(entries) = fs::read_dir(root.join(rest)) else { return };
        for entry in entries.flatten() {
            self.names += 1;
            if self.names > MOST_NAMES {
                self.found.more = true;
                return;
            }
            let Ok(kind) = entry.file_type() else { continue };
            let (path, rest) = (way.root().join(rest).join(entry.file_name()), rest.join(entry.file_name()));
            let is_folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
            if !is_folder {
                if way.matches(&rest) && !self.found.paths.contains(&path) {
                    if self.found.paths.len() == self.most {
                        self.found.more = true;
                        return;
                    }
                    self.found.paths.insert(path);
                }
                continue;
            }
            let enter = match way.below(&rest) {
                Below::Nothing => false,
                Below::Real => !kind.is_symlink(),
                Below::Any => true,
            };
            if enter && depth < DEEPEST {
                self.folder(way, &rest, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &Path, pattern: &str, most: usize) -> (Vec<String>, bool) {
        let glob = Glob::parse(folder.join(pattern).to_str().expect("UTF-8")).expect("a pattern");
        let found = files(&[glob], most);
        let name = |path: &PathBuf| path.strip_prefix(folder).expect("below").to_string_lossy().replace('\\', "/");
        (found.paths.iter().map(name).collect(), found.more)
    }

    #[test]
    fn files_are_found_where_the_pattern_leads_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        fs::create_dir_all(at.join("sub/deep")).expect("made");
        for name in ["a.prom", "b.prom", "b.prom.tmp", "sub/c.prom", "sub/deep/d.prom"] {
            fs::write(at.join(name), "").expect("written");
        }
        fs::create_dir(at.join("folder.prom")).expect("made");
        assert_eq!(found(at, "*.prom", 9), (vec!["a.prom".into(), "b.prom".into()], false));
        assert_eq!(found(at, "a.prom", 9).0, ["a.prom"]);
        assert_eq!(found(at, "*/c.prom", 9).0, ["sub/c.prom"]);
        assert_eq!(found(at, "**.prom", 9).0, ["a.prom", "b.prom", "sub/c.prom", "sub/deep/d.prom"]);
        assert_eq!(found(at, "nothing/*.prom", 9), (vec![], false));
        let (some, more) = found(at, "**.prom", 3);
        assert_eq!((some.len(), more), (3, true));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_it_comes_to_an_end() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.prom"), "").expect("written");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).expect("linked");
        assert_eq!(found(folder.path(), "**.prom", 9).0, ["a.prom"]);
        assert_eq!(found(folder.path(), "*/a.prom", 9).0, ["again/a.prom"]);
    }
}
