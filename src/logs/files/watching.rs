//! Which folders are watched: those in which something may happen that concerns us, as long as they are there.
//!
//! A folder that cannot be watched, does not exist, or is another one than before under the same path is tried again at
//! each poll. Until then the poll alone sees what happens there.
use super::tailer::Tailer;
use crate::platform::files::{self, FileId};
use notify::{RecursiveMode, Watcher};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The watcher and what it watches. What cannot be watched is polled.
pub(super) struct Watching<W> {
    watcher: Option<W>,
    wanted: HashSet<PathBuf>,
    /// Those of `wanted` that are watched, as they were when that began.
    watched: HashMap<PathBuf, Folder>,
    /// That some cannot be watched was said.
    told: bool,
}

/// Which folder stands at a path: its number, and when it was made, because a new one may get the number of the one
/// before.
type Folder = (FileId, Option<SystemTime>);

impl<W: Watcher> Watching<W> {
    /// Watches every folder that exists now.
    pub fn new(watcher: notify::Result<W>, tailer: &mut Tailer) -> Self {
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "changes of log files cannot be watched: they are looked at each second instead");
                tailer.hints_come(false);
            })
            .ok();
        let mut watching = Self { watcher, wanted: HashSet::new(), watched: HashMap::new(), told: false };
        watching.follow(tailer);
        watching
    }

    /// Watches the tailer's folders, and no others any more.
    pub fn follow(&mut self, tailer: &mut Tailer) {
        self.wanted = tailer.folders();
        self.renew(tailer);
    }

    /// Watches what is not watched yet, or not any more.
    pub fn renew(&mut self, tailer: &mut Tailer) {
        let Some(watcher) = &mut self.watcher else { return };
        // Asked before it is watched: what takes its place in between shows itself at the next poll.
        let named = self.wanted.iter().filter_map(|path| Some((path.clone(), at(path)?)));
        // Who looks for what patterns match has asked already.
        let found = tailer.found_folders().iter().filter(|(path, _)| !self.wanted.contains(*path));
        let there: HashMap<PathBuf, Folder> =
            named.chain(found.map(|(path, id)| (path.clone(), (*id, None)))).collect();
        self.watched.retain(|path, folder| {
            let stays = there.get(path) == Some(&*folder);
            if !stays {
                // What is gone is not watched any more anyway.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        let (mut unwatched, mut last) = (0, None);
        for (path, folder) in there {
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => _ = self.watched.insert(path, folder),
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) || !path.exists() => {}
                Err(error) => {
                    (unwatched, last) = (unwatched + 1, Some(error));
                    if last.as_ref().is_some_and(|error| matches!(error.kind, notify::ErrorKind::MaxFilesWatch)) {
                        break; // Nor will the others be.
                    }
                }
            }
        }
        let told = std::mem::replace(&mut self.told, last.is_some());
        match last {
            Some(error) if !told && matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => {
                tracing::warn!(
                    watched = self.watched.len(),
                    "the system lets this user watch no more folders: looking for changes of log files instead; \
                    raise fs.inotify.max_user_watches (sysctl), or name fewer folders"
                );
                tailer.hints_come(false);
            }
            Some(error) if !told => {
                tracing::warn!(folders = unwatched, %error,
                    "some folders of log files cannot be watched: looking each second instead");
                tailer.hints_come(false);
            }
            None if told => {
                tracing::info!("all folders of log files are watched now");
                tailer.hints_come(true);
            }
            Some(_) | None => {}
        }
    }
}

/// `None` where there is nothing, or where that cannot be known.
fn at(path: &Path) -> Option<Folder> {
    let made = || std::fs::metadata(path).and_then(|folder| folder.created()).ok();
    files::stat(path).ok().map(|stat| (stat.id, made()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::files::tests::bench::Bench;
    use std::{fs, time::Duration};

    /// Notes what it is asked for, and refuses some of it.
    #[derive(Default)]
    struct Asked {
        calls: Vec<String>,
        full: bool,
    }

    impl Asked {
        fn note(&mut self, what: &str, path: &Path) {
            self.calls.push(format!("{what} {}", path.file_name().unwrap_or_default().display()));
        }
    }

    impl Watcher for Asked {
        fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
            Ok(Self::default())
        }

        fn watch(&mut self, path: &Path, _: RecursiveMode) -> notify::Result<()> {
            self.note("watch", path);
            if self.full { Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)) } else { Ok(()) }
        }

        fn unwatch(&mut self, path: &Path) -> notify::Result<()> {
            self.note("unwatch", path);
            Err(notify::Error::watch_not_found())
        }

        fn kind() -> notify::WatcherKind {
            notify::WatcherKind::NullWatcher
        }
    }

    /// A log in the folder `logs`, which is not there yet.
    fn bench() -> Bench {
        Bench::with(8, |bench| bench.watches[0].path = bench.path("logs/app.log"))
    }

    fn calls(watching: &mut Watching<Asked>) -> Vec<String> {
        std::mem::take(&mut watching.watcher.as_mut().expect("there").calls)
    }

    #[test]
    fn a_folder_that_comes_later_or_comes_back_is_watched_from_the_next_poll_on() {
        let mut bench = bench();
        let mut watching = Watching::new(Ok(Asked::default()), &mut bench.tailer);
        assert!(calls(&mut watching).is_empty());
        bench.turn();
        assert!(bench.tailer.take_polled() && !bench.tailer.take_polled());
        fs::create_dir(bench.path("logs")).expect("made");
        watching.renew(&mut bench.tailer);
        assert_eq!(calls(&mut watching), ["watch logs"]);
        watching.renew(&mut bench.tailer);
        assert!(calls(&mut watching).is_empty(), "it is watched already");
        bench.rename("logs", "away");
        fs::create_dir(bench.path("logs")).expect("made");
        watching.renew(&mut bench.tailer);
        assert_eq!(calls(&mut watching), ["unwatch logs", "watch logs"]);
        fs::remove_dir(bench.path("logs")).expect("removed");
        watching.renew(&mut bench.tailer);
        watching.renew(&mut bench.tailer);
        assert_eq!(calls(&mut watching), ["unwatch logs"]);
    }

    #[test]
    fn what_cannot_be_watched_is_looked_at_each_second_until_it_can() {
        let mut bench = bench();
        fs::create_dir(bench.path("logs")).expect("made");
        let full = Asked { full: true, ..Asked::default() };
        let mut watching = Watching::new(Ok(full), &mut bench.tailer);
        let next_look = |bench: &mut Bench| {
            bench.settle();
            bench.turn().next_look
        };
        assert_eq!(next_look(&mut bench), Duration::from_secs(1));
        watching.renew(&mut bench.tailer);
        assert_eq!((calls(&mut watching).len(), watching.told), (2, true), "tried again");
        watching.watcher.as_mut().expect("there").full = false;
        watching.renew(&mut bench.tailer);
        assert_eq!((calls(&mut watching).len(), watching.told), (1, false));
        assert_eq!(next_look(&mut bench), Duration::from_secs(3));
    }

    #[test]
    fn where_nothing_can_be_watched_everything_is_looked_at_each_second() {
        let mut bench = bench();
        let none = Err::<Asked, _>(notify::Error::generic("no watcher here"));
        let mut watching = Watching::new(none, &mut bench.tailer);
        watching.renew(&mut bench.tailer);
        assert_eq!(bench.turn().next_look, Duration::from_secs(1));
    }
}
