//! Saved positions in search of their files.
//!
//! Whoever finds a file takes every position that the file bears out: reading begins at the least of them.
use crate::{
    logs::files::{
        TICK,
        content::{self, Bytes},
        handle::Handle,
        search::{Opened, Search, Sibling, is_still_changing, tell_forbidden},
    },
    model::{FilePosition, SourceId, Timestamp},
    platform::files::Stat,
};
use std::{
    cmp::Reverse,
    fs::File,
    io::{self, ErrorKind},
    path::PathBuf,
};

pub(super) type Saved = (SourceId, FilePosition);

/// A saved position and the file beside the path that it belongs to now.
pub(super) struct Claim {
    pub id: SourceId,
    pub offset: u64,
    pub path: PathBuf,
    pub file: Handle,
    pub stat: Stat,
}

pub(super) struct Claims {
    /// Without a file so far. Where several fit, the furthest is the best proof: it comes first.
    pub open: Vec<Saved>,
    /// Those that another one made needless: it begins earlier in the same file.
    pub merged: Vec<Saved>,
}

impl Claims {
    pub fn new(saved: &[Saved]) -> Self {
        let mut open = saved.to_vec();
        open.sort_by_key(|(_, p)| Reverse((p.offset, p.identity.head.length)));
        Self { open, merged: Vec::new() }
    }

    /// The file at the path is the one that was read, or the one that was awaited.
    pub fn at_path(&mut self, here: Option<&(File, Stat)>) -> io::Result<Option<(SourceId, u64)>> {
        let same = |p: &FilePosition, stat: &Stat| {
            is_promise(p) || (p.identity.device, p.identity.inode) == (stat.id.device, stat.id.inode)
        };
        here.map_or(Ok(None), |(file, stat)| self.take(file, stat, |p| same(p, stat)))
    }

    /// The file at the path is another one that says the same: an editor's work, or a device that got another number.
    /// Short logs often begin alike and cost little to send again.
    pub fn replaced(&mut self, here: Option<&(File, Stat)>) -> io::Result<Option<(SourceId, u64)>> {
        here.map_or(Ok(None), |(file, stat)| self.take(file, stat, |p| content::is_telling(p.identity.head)))
    }

    /// Files that have another name now. The device may have been numbered anew since; the content is asked anyway.
    pub fn renamed(&mut self, search: &Search<'_>, held: &dyn Fn(&Stat) -> bool) -> io::Result<Vec<Claim>> {
        if self.open.iter().all(|(_, p)| is_promise(p)) {
            return Ok(Vec::new());
        }
        let fits = |p: &FilePosition, sibling: &Sibling| {
            // Without a head there must be a name that speaks for it.
            let named = p.identity.device == sibling.stat.id.device && sibling.named;
            p.identity.inode == sibling.stat.id.inode && !is_promise(p) && (is_proven(p) || named)
        };
        let open = &self.open;
        let wanted = |s: &Sibling| !held(&s.stat) && open.iter().any(|(_, p)| fits(p, s));
        let siblings = search.list(&wanted)?;
        self.claim(search, siblings, |claims, sibling, file, stat| claims.take(file, stat, |p| fits(p, sibling)))
    }

    /// Files that were cut short, or are gone, but say on in a copy that is named like a rotated generation; it may be
    /// compressed.
    pub fn copies(&mut self, search: &Search<'_>, taken: &dyn Fn(&Sibling) -> bool) -> io::Result<Vec<Claim>> {
        if !self.open.iter().any(|(_, p)| is_proven(p)) {
            return Ok(Vec::new());
        }
        let mut siblings = search.list(&|s| s.named && !taken(s))?;
        // The longest copy says the most. Of compressed ones the length says nothing, and they come oldest first.
        siblings.sort_by_key(|s| (s.packed, Reverse(if s.packed { 0 } else { s.stat.size })));
        self.claim(search, siblings, |claims, sibling, file, stat| {
            // Many logs begin alike, and many old ones lie about: a short head is believed of a later one only.
            let later = |p: &FilePosition| Timestamp::from(stat.modified).plus(TICK) >= p.modified;
            let fits = |p: &FilePosition| {
                is_proven(p) && (!sibling.packed || content::is_telling(p.identity.head) || later(p))
            };
            match claims.take(file, stat, fits)? {
                Some(found) => Ok(Some(found)),
                None => claims.take_behind(file, stat),
            }
        })
    }

    /// Opens one after the other, and keeps those that `take` finds a position for.
    fn claim(
        &mut self,
        search: &Search<'_>,
        siblings: Vec<Sibling>,
        take: impl Fn(&mut Self, &Sibling, &Handle, &Stat) -> io::Result<Option<(SourceId, u64)>>,
    ) -> io::Result<Vec<Claim>> {
        let (mut claims, mut moved) = (Vec::new(), Vec::new());
        let mut meet = |sibling: Sibling, Opened { path, file, mut stat, .. }: Opened| {
            if file.is_packed() {
                if !self.may_know(&file)? {
                    return Ok(());
                }
                stat = file.stat()?;
            }
            if let Some((id, offset)) = take(self, &sibling, &file, &stat)? {
                claims.push(Claim { id, offset, path, file, stat });
            }
            Ok(())
        };
        for sibling in siblings {
            match Opened::new(sibling.clone()) {
                Ok(opened) => meet(sibling, opened)?,
                // Its name is another one's by now. Were it left out, its position would be given up although it is there.
                Err(error) if is_still_changing(&error) && search.anyway => moved.push(sibling),
                Err(error) if sibling.packed && error.kind() == ErrorKind::PermissionDenied => {
                    tell_forbidden(&sibling.path);
                }
                Err(error) => return Err(error),
            }
        }
        search.chase(moved, &mut meet)?;
        Ok(claims)
    }

    /// Whether the file begins as that of an open position does. To know more of a compressed one takes reading it all.
    fn may_know(&self, file: &Handle) -> io::Result<bool> {
        for (_, position) in self.open.iter().filter(|(_, p)| is_proven(p)) {
            if content::begins(file, position.identity.head)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first open position that `fits` and that the file bears out, or the least one that it bears out as well.
    fn take(
        &mut self,
        file: &impl Bytes,
        stat: &Stat,
        fits: impl Fn(&FilePosition) -> bool,
    ) -> io::Result<Option<(SourceId, u64)>> {
        let mut taken: Option<Saved> = None;
        let mut index = 0;
        while let Some((_, position)) = self.open.get(index) {
            let wanted = if taken.is_none() { fits(position) } else { is_proven(position) };
            if !wanted || !content::goes_on(file, stat, position)? {
                index += 1;
                continue;
            }
            // Sorted: each one that follows begins no later.
            self.merged.extend(taken.replace(self.open.remove(index)));
        }
        Ok(taken.map(|(id, position)| (id, position.offset)))
    }

    /// A copy that was made while we read on: all that it says was delivered.
    fn take_behind(&mut self, file: &Handle, stat: &Stat) -> io::Result<Option<(SourceId, u64)>> {
        for index in 0..self.open.len() {
            let (_, position) = &self.open[index];
            let head = position.identity.head;
            if stat.size < position.offset && content::is_telling(head) && content::begins(file, head)? {
                let (id, _) = self.open.remove(index);
                return Ok(Some((id, stat.size)));
            }
        }
        Ok(None)
    }
}

/// Whether a position stands for a file that did not exist yet, or was never seen: it fits whatever is at the path.
pub(super) fn is_promise(position: &FilePosition) -> bool {
    let identity = &position.identity;
    identity.device == 0 && identity.inode == 0 && identity.head.length == 0
}

/// Whether the position can be told from others by what its file said.
fn is_proven(position: &FilePosition) -> bool {
    position.identity.head.length > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{FileIdentity, Fingerprint},
        platform::files,
    };
    use std::{cell::Cell, fs};

    /// The program writes and rotates faster than the folder can be asked twice, and is never waited for again.
    #[test]
    fn a_position_is_not_given_up_because_its_file_moved_on_once_more_before_it_was_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let named = |n: u32| folder.path().join(format!("app.log.{n}"));
        fs::write(named(1), "one\ntwo\n").expect("written");
        let stat = files::stat(&named(1)).expect("there");
        let position = FilePosition {
            path: folder.path().join("app.log").into(),
            identity: FileIdentity { device: stat.id.device, inode: stat.id.inode, head: Fingerprint::of(b"one\n") },
            offset: 4,
            before: Fingerprint::of(b"one\n"),
            target: "g".into(),
            modified: stat.modified.into(),
            home: None,
        };
        let moves = Cell::new(1);
        let held = |_: &Stat| {
            let n = moves.get();
            moves.set(n + 1);
            fs::rename(named(n), named(n + 1)).expect("renamed");
            false
        };
        let places = [folder.path().join("app.log")];
        let search =
            Search { places: &places, newest: &[], any_name: true, in_hand: &[], anyway: true, wall: Timestamp::now() };
        let mut claims = Claims::new(&[(SourceId::unique(), position)]);
        let claimed = claims.renamed(&search, &held).expect("what there is");
        assert_eq!(
            claimed.iter().map(|claim| (claim.path.clone(), claim.offset)).collect::<Vec<_>>(),
            [(named(moves.get()), 4)]
        );
        assert!(claims.open.is_empty());
    }
}
