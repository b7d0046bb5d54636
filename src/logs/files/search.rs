//! Finding and opening files beside a log while somebody may be renaming them.
//!
//! A folder that is read during a rotation shows no moment that ever was: a file that moves from `.5` to `.6` meanwhile
//! may stand in the list twice or not at all, and what is opened by a name later may be another file than the one
//! listed. So the folder is read again until two passes in a row agree on which file every name stands for, and what is
//! opened counts only if it is the file that was listed. As long as that does not come about the answer is
//! [`StillChanging`], and whoever asked asks again before reading anything later in the queue.
use super::{
    generation::open_regular,
    handle::Handle,
    siblings::{Order, folder, is_packed, is_rotation, is_sister, name, unpacked},
};
use crate::{
    model::Timestamp,
    platform::files::{self, FileId, FileKind, Stat},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// So often a folder is read in one search. A rotation of hundreds of files takes a few milliseconds, a pass less.
const PASSES: usize = 16;
/// So often what was listed is opened in one search.
const ROUNDS: usize = 4;
/// A compressed file that was written to a shorter time ago may not be complete.
const FRESH: Duration = Duration::from_secs(3);

/// The files are being renamed right now: ask again in a moment.
#[derive(Debug, thiserror::Error)]
#[error("the rotated files are being renamed at this moment")]
struct StillChanging;

/// Whether a search failed only because files were being renamed.
pub(super) fn is_still_changing(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<StillChanging>())
}

/// A regular file beside a log, plain or compressed by gzip.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub path: PathBuf,
    pub stat: Stat,
    /// It is named as a rotated generation would be.
    pub named: bool,
    /// It is compressed.
    pub packed: bool,
    /// Its place among those that are named in the same way.
    order: Option<Order>,
    /// Its name says that it is younger than the newest one of [`Search::newest`], whatever the clock said when it was
    /// written.
    pub younger: bool,
    /// A compressed one, of which times tell less: its name, and when that was given, say that it is older than that one.
    pub older: bool,
}

/// A [`Sibling`] and its open file, which is no other.
#[derive(Debug)]
pub(super) struct Opened {
    pub path: PathBuf,
    pub file: Handle,
    /// Of a compressed one: as the file system says, not of its text.
    pub stat: Stat,
    /// [`Sibling::younger`].
    pub younger: bool,
}

impl Opened {
    /// Opens a file of a calm folder.
    ///
    /// # Errors
    /// [`StillChanging`] if it is not the one that was listed any more.
    pub fn new(Sibling { path, stat: listed, packed, younger, .. }: Sibling) -> io::Result<Self> {
        match open_regular(&path) {
            Ok((file, stat)) if stat.id == listed.id => {
                Ok(Self { path, file: Handle::of(file, packed)?, stat, younger })
            }
            Ok(_) => Err(still_changing()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                Err(still_changing())
            }
            Err(error) => Err(error),
        }
    }
}

/// What a search found, oldest first.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub opened: Vec<Opened>,
    /// There are younger ones that were not opened.
    pub more: bool,
    /// There are compressed ones that may not be complete; see [`Search::in_hand`].
    pub passed_over: bool,
    /// Of those that time puts in order, all that are older were opened.
    pub up_to: Option<SystemTime>,
}

/// What is searched for.
pub(super) struct Search<'a> {
    /// The log's path; after it the files that it led to when it was a link.
    pub places: &'a [PathBuf],
    /// Of the generations that were here before: those that were the last ones.
    pub newest: &'a [FileId],
    /// Files of any name, not only of those that rotation gives.
    pub any_name: bool,
    /// When the files in hand that have no name any more were written to. A compressed file that is no younger than one of
    /// them holds what it said, most likely: it need not be waited for although it may not be complete. It is passed over,
    /// and has to be searched for once more.
    pub in_hand: &'a [SystemTime],
    /// Go on with what was seen in any pass, although it may not be all.
    pub anyway: bool,
    /// The present time.
    pub wall: Timestamp,
}

/// One reading of the folders.
#[derive(Default)]
struct Pass {
    siblings: Vec<Sibling>,
    /// Which file each name stood for.
    names: BTreeSet<(PathBuf, FileId)>,
    /// A rotated file was gone from its name before it could be asked what it is. Two passes may miss it both, under two
    /// names one after the other, and agree.
    missed: bool,
}

impl Search<'_> {
    /// Opens the oldest `at_most` of the `wanted` ones. What may not be read is said and passed over.
    ///
    /// # Errors
    /// [`StillChanging`], or what the file system says. Where no more files can be opened, what is open already is the
    /// answer.
    pub fn open(&self, at_most: usize, wanted: &dyn Fn(&Sibling) -> bool) -> io::Result<Found> {
        'round: for _ in 0..ROUNDS {
            let (siblings, passed_over) = self.list_some(wanted)?;
            let mut found = Found { passed_over, ..Found::default() };
            let (mut opened, mut moved) = (Vec::new(), Vec::new());
            let place: HashMap<_, _> = siblings.iter().enumerate().map(|(n, s)| (s.stat.id, n)).collect();
            for sibling in siblings {
                if opened.len() + moved.len() == at_most {
                    found.more = true;
                    break;
                }
                let time = (!sibling.younger).then_some(sibling.stat.modified);
                match Opened::new(sibling.clone()) {
                    Ok(met) => opened.push(met),
                    Err(error) if is_still_changing(&error) && self.anyway => moved.push(sibling),
                    Err(error) if is_still_changing(&error) => continue 'round,
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                        tell_forbidden(&sibling.path);
                        continue;
                    }
                    Err(error) if files::is_out_of_handles(&error) && !opened.is_empty() => {
                        found.more = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
                found.up_to = time.or(found.up_to);
            }
            self.chase(moved, &mut |_, met| {
                opened.push(met);
                Ok(())
            })?;
            opened.sort_by_key(|met| place.get(&met.stat.id).copied());
            return Ok(Found { opened, ..found });
        }
        Err(still_changing())
    }

    /// The `wanted` ones of a calm folder, each file once, oldest first. What is being compressed is the original until that
    /// is gone.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn list(&self, wanted: &dyn Fn(&Sibling) -> bool) -> io::Result<Vec<Sibling>> {
        self.list_some(wanted).map(|(siblings, _)| siblings)
    }

    /// Finds what had `moved` on when it was to be opened, whatever it is called by now, and hands it to `meet`, as it was listed and
    /// opened. Where nothing is ever calm: each one is opened as soon as it is met, and looked for again if it moved in between.
    /// What is met in no pass is left out: it is gone, or never stands still.
    ///
    /// # Errors
    /// What `meet` or the file system says.
    pub fn chase(
        &self,
        mut moved: Vec<Sibling>,
        meet: &mut dyn FnMut(Sibling, Opened) -> io::Result<()>,
    ) -> io::Result<()> {
        for _ in 0..PASSES {
            if moved.is_empty() {
                break;
            }
            for (folder, file_name) in self.names()? {
                let Some(now) = self.sibling(folder, &file_name, &mut false) else { continue };
                let Some(place) = moved.iter().position(|was| was.stat.id == now.stat.id) else { continue };
                match Opened::new(Sibling { younger: moved[place].younger, ..now }) {
                    Ok(met) => meet(moved.swap_remove(place), met)?,
                    Err(error) if is_still_changing(&error) => {}
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                        tell_forbidden(&moved.swap_remove(place).path);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// As [`Self::list`]; whether some were passed over.
    fn list_some(&self, wanted: &dyn Fn(&Sibling) -> bool) -> io::Result<(Vec<Sibling>, bool)> {
        let mut siblings = self.calm(wanted)?;
        self.place(&mut siblings);
        let plain: HashSet<_> = siblings.iter().filter(|s| !s.packed).map(|s| s.path.clone()).collect();
        let mut ids = HashSet::new();
        siblings.retain(|sibling| {
            let twin = sibling.packed && plain.contains(&sibling.path.with_extension(""));
            !twin && wanted(sibling) && ids.insert(sibling.stat.id)
        });
        let fresh = |s: &Sibling| s.packed && Timestamp::from(s.stat.modified).plus(FRESH) > self.wall;
        let incomplete = siblings.iter().filter(|s| !self.anyway && fresh(s));
        let (incomplete, newest) = incomplete.fold((0, None), |(n, at), s| (n + 1, at.max(Some(s.stat.modified))));
        let in_hand = self.in_hand.iter().filter(|written| Some(**written) >= newest).count();
        if incomplete > in_hand {
            return Err(still_changing());
        }
        siblings.retain(|s| incomplete == 0 || !fresh(s));
        siblings.sort_by(older);
        Ok((siblings, incomplete > 0))
    }

    /// Finds out which ones are younger than the newest known one by their names.
    ///
    /// A tool that counts up moves the older generation out of the way before it moves the younger ones, so these were
    /// renamed after it. Where a tool gives the highest number to the youngest the lower ones were not: they are older.
    /// In the middle of a rotation it may be either; most of them decide for all, so that they stay in order.
    fn place(&self, siblings: &mut [Sibling]) {
        let known = siblings.iter().filter(|sibling| self.newest.contains(&sibling.stat.id));
        let last = known.filter(|s| s.order.is_some()).max_by(|a, b| a.order.cmp(&b.order)).cloned();
        let Some(Sibling { path, stat, order: Some(order), .. }) = last else { return };
        let beyond = |sibling: &Sibling| {
            let greater = sibling.order.as_ref().is_some_and(|other| other.is_like(&order) && *other > order);
            greater && folder(&sibling.path) == folder(&path)
        };
        let (mut all, mut renamed_since) = (0, 0);
        // When a compressed one was touched last says when it was compressed.
        for sibling in siblings.iter().filter(|sibling| !sibling.packed && beyond(sibling)) {
            all += 1;
            renamed_since += usize::from(stat.touched.is_some() && sibling.stat.touched >= stat.touched);
        }
        if order.is_dated() || 2 * renamed_since > all {
            siblings.iter_mut().filter(|sibling| beyond(sibling)).for_each(|sibling| sibling.younger = true);
        }
        for sibling in siblings.iter_mut().filter(|s| s.packed && folder(&s.path) == folder(&path)) {
            let lesser = sibling.order.as_ref().is_some_and(|other| other.is_like(&order) && *other < order);
            sibling.older = lesser && stat.touched.is_some() && sibling.stat.touched <= stat.touched;
        }
    }

    /// Everything that a calm folder holds: what is named like a generation, and what else is wanted.
    fn calm(&self, wanted: &dyn Fn(&Sibling) -> bool) -> io::Result<Vec<Sibling>> {
        let mut seen = BTreeMap::new();
        let mut before: Option<Pass> = None;
        for _ in 0..PASSES {
            let pass = self.pass(wanted)?;
            if !pass.missed && before.is_some_and(|before| before.names == pass.names) {
                return Ok(pass.siblings);
            }
            seen.extend(pass.siblings.iter().map(|s| ((s.stat.id.device, s.stat.id.inode), s.clone())));
            before = Some(pass);
        }
        if self.anyway { Ok(seen.into_values().collect()) } else { Err(still_changing()) }
    }

    fn pass(&self, wanted: &dyn Fn(&Sibling) -> bool) -> io::Result<Pass> {
        let mut pass = Pass::default();
        // A file that is replaced while the folder is read is a rotation too.
        for place in self.places {
            pass.names.extend(files::stat(place).ok().map(|stat| (place.clone(), stat.id)));
        }
        for (folder, file_name) in self.names()? {
            if let Some(sibling) = self.sibling(folder, &file_name, &mut pass.missed)
                && (sibling.named || self.any_name && wanted(&sibling))
            {
                pass.names.insert((sibling.path.clone(), sibling.stat.id));
                pass.siblings.push(sibling);
            }
        }
        Ok(pass)
    }

    /// The names in our folders that may be wanted, of one moment as far as can be.
    fn names(&self) -> io::Result<BTreeSet<(&Path, OsString)>> {
        let mut names = BTreeSet::new();
        let folders: BTreeSet<&Path> = self.places.iter().map(|place| folder(place)).collect();
        for folder in folders {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                // Where a link led before: that may be gone, and what lay there with it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let file_name = entry?.file_name();
                if self.any_name || self.base(folder, &file_name.to_string_lossy()).is_some() {
                    names.insert((folder, file_name));
                }
            }
        }
        Ok(names)
    }

    /// Whose rotated generation a file of this name is: which of our places, and what that is called.
    fn base(&self, folder_of: &Path, text: &str) -> Option<(usize, String)> {
        let (plain, packed) = unpacked(text).map_or((text, false), |plain| (plain, true));
        let bases = self.places.iter().enumerate().filter(|(_, place)| folder(place) == folder_of);
        bases.map(|(index, place)| (index, name(place))).find(|(index, base)| {
            // A link is moved on from one dated file to the next; a log that is none is renamed.
            is_rotation(base, plain) || packed && plain == base || *index > 0 && is_sister(base, plain)
        })
    }

    /// A file of this name in one of our folders, if lines are to be looked for in it. `missed` is set when such a name
    /// was listed and leads to nothing.
    fn sibling(&self, folder_of: &Path, file_name: &OsStr, missed: &mut bool) -> Option<Sibling> {
        let text = file_name.to_string_lossy();
        let path = folder_of.join(file_name);
        let (plain, packed) = unpacked(&text).map_or((text.as_ref(), false), |plain| (plain, true));
        if is_packed(plain) || Some(&path) == self.places.first() {
            return None;
        }
        let base = self.base(folder_of, &text);
        if base.is_none() && !self.any_name {
            return None;
        }
        // A link that leads nowhere holds no lines for us, nor does what may not be asked.
        let stat = files::stat(&path);
        let gone = stat.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        *missed |= gone && base.is_some() && !path.is_symlink();
        let stat = stat.ok().filter(|stat| stat.kind == FileKind::Regular)?;
        let order = base.as_ref().and_then(|(_, base)| Order::of(base, plain));
        Some(Sibling { path, stat, named: base.is_some(), packed, order, younger: false, older: false })
    }
}

/// What may not be read is passed over.
pub(super) fn tell_forbidden(path: &Path) {
    tracing::warn!(path = %path.display(), "this may be a rotated log file, but it may not be read: let us read it");
}

/// Files were renamed between two steps that belong together.
pub(super) fn still_changing() -> io::Error {
    io::Error::new(ErrorKind::ResourceBusy, StillChanging)
}

/// By name where that tells who is younger than what is known; else by time of the last change, and files of the same
/// moment by name.
fn older(a: &Sibling, b: &Sibling) -> Ordering {
    let by_name = || a.order.cmp(&b.order).then_with(|| a.path.cmp(&b.path));
    let by_time = || a.stat.modified.cmp(&b.stat.modified).then_with(by_name);
    a.younger.cmp(&b.younger).then_with(|| if a.younger { by_name() } else { by_time() })
}

#[cfg(test)]
mod tests;
