//! The files beside the configuration: who may send, and what types there are. Each is read again when it changed.
//!
//! A file that cannot be read leaves what it said before; that is said, and again when it can be read. Reading may wait for a dead
//! network mount, so it is done on the blocking pool, one call at a time, and datagrams do not wait long for it.
use super::{keys::Users, types::Types};
use crate::platform::files::{self, Stat};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Bytes of a file. collectd's own `types.db` has 17 KiB.
const LARGEST: u64 = 4 << 20;

/// One file, and what it was like when it was read.
struct File {
    path: PathBuf,
    seen: Option<Stat>,
    text: Vec<u8>,
    /// Why it cannot be read.
    trouble: Option<String>,
}

impl File {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None, text: vec![], trouble: None }
    }

    /// Reads it again when it is another than before. Whether it says something new, and whether there is news of its state.
    fn look(&mut self) -> Looked {
        let read = || -> io::Result<Option<(Stat, Vec<u8>)>> {
            let stat = files::stat(&self.path)?;
            let is_same = self.seen == Some(stat);
            if is_same { Ok(None) } else { Ok(Some((stat, files::read_small(&self.path, LARGEST)?))) }
        };
        match read() {
            Ok(None) => Looked { changed: false, news: self.trouble.take().is_some() },
            Ok(Some((stat, text))) => {
                self.seen = Some(stat);
                self.text = text;
                self.trouble = None;
                Looked { changed: true, news: true }
            }
            Err(error) => {
                let trouble = error.to_string();
                let news = self.trouble.as_ref() != Some(&trouble);
                self.trouble = Some(trouble);
                Looked { changed: false, news }
            }
        }
    }
}

struct Looked {
    changed: bool,
    news: bool,
}

/// What is looked at.
pub(super) struct Files {
    auth: File,
    types: Vec<File>,
    /// Somebody named these files, so they should be there.
    named: bool,
}

/// What is new.
#[derive(Default)]
pub(super) struct News {
    pub users: Option<Users>,
    pub types: Option<Types>,
    /// Why nobody can be admitted; `Some(None)`: they can be now.
    pub trouble: Option<Option<String>>,
}

impl Files {
    pub(super) fn new(auth: &Path, types: &[PathBuf], named: bool) -> Self {
        Self { auth: File::new(auth), types: types.iter().map(|path| File::new(path)).collect(), named }
    }

    /// Looks at all of them. May block.
    pub(super) fn look(&mut self) -> News {
        let mut news = News::default();
        let auth = self.auth.look();
        if auth.changed {
            let (users, wrong) = Users::read(&self.auth.text);
            // Passwords are kept as keys only.
            self.auth.text = vec![];
            tracing::info!(path = %self.auth.path.display(), users = users.len(), "collectd's users were read");
            if let Some(line) = wrong {
                tracing::warn!(path = %self.auth.path.display(), line, "is no line `user: password`, nor are others perhaps; ignored");
            }
            news.users = Some(users);
        }
        if auth.news {
            news.trouble = Some(self.auth.trouble.as_ref().map(|why| format!("{}: {why}", self.auth.path.display())));
        }
        let looked: Vec<Looked> = self.types.iter_mut().map(File::look).collect();
        for (file, looked) in self.types.iter().zip(&looked) {
            if let Some(why) = file.trouble.as_ref().filter(|_| looked.news && self.named) {
                tracing::warn!(path = %file.path.display(), why, "a file of collectd_typesdb cannot be read, which is tried again: until then the types that are built in hold");
            }
        }
        if looked.iter().any(|looked| looked.changed) {
            news.types = Some(self.all_types(&looked));
        }
        news
    }

    fn all_types(&self, looked: &[Looked]) -> Types {
        let mut types = Types::default();
        for (file, looked) in self.types.iter().zip(looked) {
            let wrong = types.add(&String::from_utf8_lossy(&file.text));
            if let Some(wrong) = wrong.filter(|_| looked.changed) {
                let (path, line, lines) = (file.path.display(), wrong.line, wrong.lines);
                tracing::warn!(%path, line, lines, "holds lines that are none of a types.db; ignored, the first one is said");
            }
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn knows(news: &News, user: &[u8]) -> Option<bool> {
        news.users.as_ref().map(|users| users.keys(user).is_some())
    }

    #[test]
    fn users_are_read_again_when_their_file_changed_and_kept_while_it_cannot_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("auth_file");
        let mut files = Files::new(&path, &[], false);
        let missing = files.look();
        assert!(missing.users.is_none() && missing.trouble.flatten().is_some_and(|why| why.contains("auth_file")));
        assert!(files.look().trouble.is_none(), "said once");
        fs::write(&path, "alice: 1\n").expect("written");
        let there = files.look();
        assert_eq!((knows(&there, b"alice"), there.trouble), (Some(true), Some(None)));
        assert!(files.auth.text.is_empty(), "no password stays");
        let same = files.look();
        assert!(same.users.is_none() && same.trouble.is_none());
        fs::write(&path, "bob: 1\n# more\n").expect("written");
        assert_eq!(knows(&files.look(), b"alice"), Some(false));
        fs::remove_file(&path).expect("removed");
        let gone = files.look();
        assert!(gone.users.is_none() && gone.trouble.flatten().is_some());
    }

    #[test]
    fn later_files_replace_the_types_of_earlier_ones_and_one_that_is_missing_may_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let mut files = Files::new(&folder.path().join("none"), &paths, true);
        assert!(files.look().types.is_none());
        let name = |types: Option<Types>| types?.sources("load").map(|sources| sources[0].name.clone().into_string());
        fs::write(&paths[1], "load b:GAUGE:0:U").expect("written");
        assert_eq!(name(files.look().types).as_deref(), Some("b"));
        fs::write(&paths[0], "load a:GAUGE:0:U").expect("written");
        assert_eq!(name(files.look().types).as_deref(), Some("b"));
        fs::write(&paths[1], "no type").expect("written");
        assert_eq!(name(files.look().types).as_deref(), Some("a"));
        assert!(files.look().types.is_none());
    }
}
