//! One pattern below one root: the folders that can hold a match, and the matches as they were last seen.
//!
//! A folder is read again only when its own time has changed, or had changed so shortly before that another change may
//! not show. What cannot match is never looked into.
//!
//! A folder that is not there any more as a whole, or lies on another device than before (an empty mount point), does
//! not mean that its files were deleted: nothing is said of them.
use super::{Avoid, News};
use crate::{
    config::{glob::Below, settings::Matching},
    logs::files::{Seen, TICK, siblings},
    platform::files::{self, FileId, FileKind},
};
use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs::DirEntry,
    hash::{Hash, Hasher},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

#[derive(Debug)]
pub(super) struct Tree {
    family: usize,
    root: PathBuf,
    rule: Arc<Matching>,
    /// Those of the pattern's ways that begin at `root`.
    ways: Vec<usize>,
    /// By path below the root.
    folders: BTreeMap<PathBuf, Folder>,
    /// That it was looked through once was told.
    listed: bool,
    /// Folders that cannot be looked into.
    troubles: HashSet<PathBuf>,
    /// Items of which it was told that they mean a match as well.
    shared: HashSet<String>,
}

#[derive(Debug)]
struct Folder {
    id: FileId,
    modified: SystemTime,
    /// No change can have been missed by the time.
    sure: bool,
    /// Matches; `None` where nothing stands that can be followed: a link that leads nowhere, a pipe.
    files: HashMap<Match, Option<Seen>>,
    /// Folders below that can hold matches.
    folders: Vec<OsString>,
}

/// The path of a match, which is found by its name in its folder. It is the same one that the family knows: of each match
/// there is one path in memory.
#[derive(Clone, Debug)]
struct Match(Arc<Path>);

impl Borrow<OsStr> for Match {
    fn borrow(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }
}

impl PartialEq for Match {
    fn eq(&self, other: &Self) -> bool {
        let (name, other): (&OsStr, &OsStr) = (self.borrow(), other.borrow());
        name == other
    }
}

impl Eq for Match {}

impl Hash for Match {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let name: &OsStr = self.borrow();
        name.hash(state);
    }
}

impl Tree {
    pub fn new(family: usize, root: PathBuf, rule: Arc<Matching>) -> Self {
        let ways = rule.glob.ways().iter().enumerate().filter(|(_, way)| way.root() == root).map(|(n, _)| n).collect();
        let (folders, troubles, shared) = (BTreeMap::new(), HashSet::new(), HashSet::new());
        Self { family, root, rule, ways, folders, listed: false, troubles, shared }
    }

    /// Where it begins.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks at the folders, and reads those in which names came or went. With `files`, asks every match how it is.
    pub fn look(&mut self, avoid: &Avoid, wall: SystemTime, files: bool, news: &mut Vec<News>) {
        let mut left = vec![PathBuf::new()];
        while let Some(below) = left.pop() {
            match self.look_at(&below, avoid, wall, files, news) {
                Ok(()) => {
                    self.recovered(&below, news);
                    let folder = self.folders.get(&below);
                    left.extend(folder.into_iter().flat_map(|f| f.folders.iter().map(|name| below.join(name))));
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => self.complain(below, &error, news),
            }
        }
        if !std::mem::replace(&mut self.listed, true) {
            news.push(News::Listed { family: self.family });
        }
    }

    /// Something happened to files of this name.
    pub fn hinted(&mut self, name: &OsStr, news: &mut Vec<News>) {
        for folder in self.folders.values_mut() {
            if let Some((Match(path), before)) = folder.files.get_key_value(name)
                // One that is gone is told of by its folder, which knows why.
                && let Some(seen) = regular(path).filter(|seen| *before != Some(*seen))
            {
                news.push(News::Seen { family: self.family, path: path.clone(), seen });
                folder.files.insert(Match(path.clone()), Some(seen));
            }
        }
    }

    /// How many folders a look asks for.
    pub fn folders(&self) -> usize {
        self.folders.len()
    }

    fn look_at(
        &mut self,
        below: &Path,
        avoid: &Avoid,
        wall: SystemTime,
        files: bool,
        news: &mut Vec<News>,
    ) -> io::Result<()> {
        let path = self.place(below);
        let stat = files::stat(named(&path))?;
        if stat.kind != FileKind::Directory {
            return Err(ErrorKind::NotADirectory.into());
        }
        if avoid.state.as_deref().and_then(|state| files::stat(state).ok()).is_some_and(|state| state.id == stat.id) {
            return Ok(());
        }
        let known = self.folders.get(below);
        if known.is_some_and(|known| known.id.device != stat.id.device) {
            self.folders.retain(|other, _| !other.starts_with(below));
        }
        let known = self.folders.get(below);
        if known.is_none_or(|known| known.id != stat.id) {
            news.push(News::Folder { path: named(&path).to_owned(), there: Some(stat.id) });
        }
        if known.is_none_or(|known| !known.sure || (known.id, known.modified) != (stat.id, stat.modified)) {
            let sure = stat.modified.checked_add(TICK).is_some_and(|after| after < wall);
            self.read(below, &path, avoid, news)?;
            if let Some(folder) = self.folders.get_mut(below) {
                (folder.id, folder.modified, folder.sure) = (stat.id, stat.modified, sure);
            }
        }
        if files && let Some(folder) = self.folders.get_mut(below) {
            for (Match(path), seen) in &mut folder.files {
                if let Some(now) = regular(path).filter(|now| *seen != Some(*now)) {
                    *seen = Some(now);
                    news.push(News::Seen { family: self.family, path: path.clone(), seen: now });
                }
            }
        }
        Ok(())
    }

    /// Reads the names in a folder.
    fn read(&mut self, below: &Path, path: &Path, avoid: &Avoid, news: &mut Vec<News>) -> io::Result<()> {
        let entries = std::fs::read_dir(named(path))?;
        let empty = || Folder {
            id: FileId { device: 0, inode: 0 },
            modified: SystemTime::UNIX_EPOCH,
            sure: false,
            files: HashMap::new(),
            folders: Vec::new(),
        };
        let before = self.folders.remove(below).unwrap_or_else(empty);
        let mut now = Folder { files: HashMap::with_capacity(before.files.len()), folders: Vec::new(), ..before };
        let mut was = before.files;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    now.files.extend(was);
                    now.folders = before.folders;
                    self.folders.insert(below.to_owned(), now);
                    return Err(error);
                }
            };
            let name = entry.file_name();
            if let Some(linked) = folder_linked(&entry) {
                if self.is_way(below, &name, linked) {
                    now.folders.push(name);
                }
            } else if self.is_match(below, &name) {
                let place = path.join(&name);
                if !was.contains_key(&*name) {
                    self.tell_shared(&place, news);
                }
                if self.is_left_out(&place, avoid) {
                    continue;
                }
                let (Match(path), seen) = was.remove_entry(&*name).unwrap_or_else(|| (Match(place.into()), None));
                let found = regular(&path);
                if let Some(found) = found.filter(|found| seen != Some(*found)) {
                    news.push(News::Seen { family: self.family, path: path.clone(), seen: found });
                } else if found.is_none() && seen.is_some() {
                    news.push(News::Gone { family: self.family, path: path.clone() });
                }
                now.files.insert(Match(path), found);
            }
        }
        for (Match(path), seen) in was {
            if seen.is_some() {
                news.push(News::Gone { family: self.family, path });
            }
        }
        for name in before.folders.iter().filter(|name| !now.folders.contains(name)) {
            self.lose(&below.join(name), news);
        }
        now.files.shrink_to_fit();
        self.folders.insert(below.to_owned(), now);
        Ok(())
    }

    /// Tells of a new match whose it is, where another item means it as well. Both patterns see it, so that the one that reads it has heard of it
    /// before it does, and says so; where the other item names the file, it is said by the pattern.
    fn tell_shared(&mut self, path: &Path, news: &mut Vec<News>) {
        let Some(own) = self.rule.at() else { return };
        let pairs: Vec<(&str, &str)> = match self.rule.left_to(path) {
            Some(reader) => vec![(reader, own)],
            None if self.rule.leaves_out(path) => return,
            None => self.rule.left_by(path).map(|other| (own, other)).collect(),
        };
        for (reader, other) in pairs {
            if self.shared.insert(if reader == own { other } else { reader }.to_owned()) {
                // What is there at the first look was there when the configuration was read.
                let (reader, other, said) = (reader.to_owned(), other.to_owned(), !self.listed);
                news.push(News::Shared { family: self.family, path: path.to_owned(), reader, other, said });
            }
        }
    }

    fn is_match(&self, below: &Path, name: &OsStr) -> bool {
        let rest = below.join(name);
        self.ways.iter().any(|way| self.rule.glob.ways()[*way].matches(&rest))
    }

    fn is_left_out(&self, path: &Path, avoid: &Avoid) -> bool {
        let folder = |path: &Path| std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        let own = |log: &PathBuf| {
            // Its rotated generations, too.
            siblings::name(path).starts_with(&siblings::name(log)) && folder(path) == folder(log)
        };
        self.rule.leaves_out(path) || avoid.own_log.as_ref().is_some_and(own)
    }

    /// Whether a folder below can hold matches. A link to one is followed where the pattern names it, not by `**`.
    fn is_way(&self, below: &Path, name: &OsStr, linked: bool) -> bool {
        let rest = below.join(name);
        self.ways.iter().any(|way| match self.rule.glob.ways()[*way].below(&rest) {
            Below::Nothing => false,
            Below::Real => !linked,
            Below::Any => true,
        })
    }

    /// A folder was deleted, with everything below.
    fn lose(&mut self, below: &Path, news: &mut Vec<News>) {
        let lost: Vec<PathBuf> = self.folders.keys().filter(|other| other.starts_with(below)).cloned().collect();
        for below in lost {
            let path = self.place(&below);
            self.recovered(&below, news);
            if let Some(folder) = self.folders.remove(&below) {
                for (Match(path), _) in folder.files.into_iter().filter(|(_, seen)| seen.is_some()) {
                    news.push(News::Gone { family: self.family, path });
                }
            }
            news.push(News::Folder { path, there: None });
        }
    }

    fn place(&self, below: &Path) -> PathBuf {
        if below.as_os_str().is_empty() { self.root.clone() } else { self.root.join(below) }
    }

    fn complain(&mut self, below: PathBuf, error: &io::Error, news: &mut Vec<News>) {
        let path = self.place(&below);
        if self.troubles.insert(below) {
            let why = Some(error.to_string());
            news.push(News::Trouble { family: self.family, path, why });
        }
    }

    fn recovered(&mut self, below: &Path, news: &mut Vec<News>) {
        if self.troubles.remove(below) {
            news.push(News::Trouble { family: self.family, path: self.place(below), why: None });
        }
    }
}

/// The current folder has no name in a pattern without folders.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Of a folder, whether it is a link to one.
fn folder_linked(entry: &DirEntry) -> Option<bool> {
    let kind = entry.file_type().ok()?;
    let leads_to_one = || files::stat(&entry.path()).is_ok_and(|stat| stat.kind == FileKind::Directory);
    (kind.is_dir() || kind.is_symlink() && leads_to_one()).then_some(kind.is_symlink())
}

/// A regular file, wherever links lead.
fn regular(path: &Path) -> Option<Seen> {
    files::stat(path).ok().filter(|stat| stat.kind == FileKind::Regular).map(Seen::from)
}
