//! The tail thread: turns while there is something to read, and otherwise sleeps until the file system, a lane or the
//! daemon speaks up, or the poll is due.
//!
//! The watcher's word is only a hint: an event that is lost, or a folder that appears later, costs a few seconds, never
//! a line. Hints are gathered by name. This thread rests after each gathering, so that a file that is written to ten
//! thousand times a second costs some ten wakes a second and not ten thousand; the watcher's thread rests now and then,
//! and in between takes whatever its queue holds.
use super::{
    Items,
    tailer::{Tailer, Turn},
    watching::Watching,
};
use crate::model::Timestamp;
use notify::{Event, EventKind};
use std::{
    collections::HashSet,
    ffi::OsString,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    time::{Duration, Instant},
};

/// The shortest time between two gatherings of hints.
const REST: Duration = Duration::from_millis(100);
/// How long the watcher takes whatever comes before it rests again: enough for thousands of names.
const OPEN: Duration = Duration::from_millis(20);
/// More different names than this are not worth telling apart.
const MANY: usize = 1024;

/// What the tail thread is woken for.
#[derive(Debug)]
pub enum Wake {
    /// There are hints to gather.
    Changed,
    /// A scanner has news.
    Found,
    /// A full lane has room again.
    Space,
    /// There is more to follow.
    More(Items),
    /// The daemon stops, or wants this tailer to.
    Stop,
}

/// Files that something happened to since the last gathering.
#[derive(Debug, Default)]
struct Hints {
    gathering: Mutex<Gathering>,
    /// No folder is being added: the watcher may rest.
    may_rest: AtomicBool,
}

#[derive(Debug, Default)]
struct Gathering {
    names: HashSet<OsString>,
    everything: bool,
    /// Until then the watcher does not rest.
    open_until: Option<Instant>,
}

/// Follows the files until [`Wake::Stop`]; blocks its thread. `wakes` is a sender to `wake`: the watcher uses it.
///
/// Whatever was not handed on when it returns stays in the files, and dropping the tailer ends its lanes.
pub fn run(mut tailer: Tailer, wakes: Sender<Wake>, wake: &Receiver<Wake>) {
    let hints = Arc::new(Hints::default());
    let handler = {
        let hints = hints.clone();
        move |event: notify::Result<Event>| hints.take(event, &wakes)
    };
    let mut watching = Watching::new(notify::recommended_watcher(handler), &mut tailer);
    hints.may_rest.store(true, Ordering::Release);
    // The first hints of a rest are kept for its end.
    let mut changed = false;
    let mut rested = Instant::now();
    loop {
        let now = Instant::now();
        if changed && now >= rested {
            hints.tell(&mut tailer);
            (changed, rested) = (false, now + REST);
        }
        let Turn { progressed, next_look } = tailer.turn(now, Timestamp::now());
        let (moved, polled) = (tailer.take_moved(), tailer.take_polled());
        if moved || polled {
            // Each folder is asked of the watcher's thread.
            hints.may_rest.store(false, Ordering::Release);
            if moved {
                watching.follow(&mut tailer);
            } else {
                watching.renew(&mut tailer);
            }
            hints.may_rest.store(true, Ordering::Release);
        }
        let heard = if progressed {
            wake.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            let rest = if changed { rested.saturating_duration_since(now) } else { next_look };
            wake.recv_timeout(rest.min(next_look)).map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match heard {
            Ok(Wake::Changed) => changed = true,
            Ok(Wake::Space) => tailer.has_space(),
            Ok(Wake::More(items)) => tailer.follow(items),
            Ok(Wake::Stop) | Err(true) => return,
            // Each turn asks for news.
            Ok(Wake::Found) | Err(false) => {}
        }
    }
}

impl Hints {
    /// On the watcher's thread: notes what happened, and wakes the tail thread for the first note of a gathering.
    ///
    /// Then it rests, so that what happens again and again adds up in the system's queue, but only once in a while: one
    /// event a rest would let other files wait for a busy one.
    fn take(&self, event: notify::Result<Event>, wakes: &Sender<Wake>) {
        let (first, closed) = {
            let mut gathering = self.lock();
            let before = gathering.everything || !gathering.names.is_empty();
            match event {
                // Our own reading makes these.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) && !event.need_rescan() => return,
                Ok(event) if !event.need_rescan() && gathering.names.len() < MANY => {
                    let names = event.paths.iter().filter_map(|path| path.file_name());
                    gathering.names.extend(names.map(OsString::from));
                }
                // Too much happened for its queue, or it lost track.
                Ok(_) | Err(_) => gathering.everything = true,
            }
            let first = !before && (gathering.everything || !gathering.names.is_empty());
            (first, gathering.open_until.is_none_or(|until| Instant::now() >= until))
        };
        // The thread that is woken may be gone already: then there is nobody to tell.
        if first && wakes.send(Wake::Changed).is_err() {
            return;
        }
        if closed && self.may_rest.load(Ordering::Acquire) {
            std::thread::sleep(REST);
            self.lock().open_until = Some(Instant::now() + OPEN);
        }
    }

    /// Passes on what was gathered and begins anew.
    fn tell(&self, tailer: &mut Tailer) {
        let (names, everything) = {
            let mut gathering = self.lock();
            (std::mem::take(&mut gathering.names), std::mem::take(&mut gathering.everything))
        };
        if everything {
            tailer.changed_somewhere();
        }
        for name in names {
            tailer.changed(&name);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Gathering> {
        // Names are added whole: after a panic elsewhere they are still good.
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, Flag, ModifyKind};
    use std::sync::mpsc::channel;

    fn event(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(path.into()))
    }

    #[test]
    fn ten_thousand_writes_are_one_wake() {
        let (hints, (tx, rx)) = (Hints::default(), channel());
        for n in 0..10_000 {
            hints.take(event(EventKind::Modify(ModifyKind::Any), &format!("/var/log/{}.log", n % 2)), &tx);
        }
        assert!(matches!(rx.try_iter().collect::<Vec<_>>()[..], [Wake::Changed]));
        assert_eq!(std::mem::take(&mut *hints.lock()).names.len(), 2);
        hints.take(event(EventKind::Modify(ModifyKind::Any), "/var/log/0.log"), &tx);
        assert_eq!(rx.try_iter().count(), 1, "a new gathering wakes again");
    }

    #[test]
    fn a_busy_file_does_not_keep_the_names_of_others_back() {
        let (hints, (tx, rx)) = (Arc::new(Hints::default()), channel());
        hints.may_rest.store(true, Ordering::Release);
        let started = Instant::now();
        // Gathered at once after each wake, as by a tail thread that has nothing else to do.
        let gatherer = {
            let hints = hints.clone();
            std::thread::spawn(move || {
                let mut names = HashSet::new();
                while names.len() < 501 && rx.recv().is_ok() {
                    names.extend(std::mem::take(&mut hints.lock().names));
                }
                names.len()
            })
        };
        for n in 0..500 {
            for name in ["busy".to_owned(), n.to_string()] {
                hints.take(event(EventKind::Modify(ModifyKind::Any), &format!("/var/log/{name}")), &tx);
            }
        }
        drop(tx);
        assert_eq!(gatherer.join().expect("no panic"), 501);
        assert!(started.elapsed() < REST * 100, "one name a rest takes five hundred rests");
    }

    #[test]
    fn our_own_reading_wakes_nobody() {
        let (hints, (tx, rx)) = (Hints::default(), channel());
        hints.take(event(EventKind::Access(AccessKind::Any), "/var/log/0.log"), &tx);
        assert_eq!(rx.try_iter().count(), 0);
    }

    #[test]
    fn a_full_queue_an_error_or_too_many_names_mean_look_at_everything() {
        let (tx, rx) = channel();
        let overflow = || Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        for bad in [overflow(), Err(notify::Error::generic("lost track"))] {
            let hints = Hints::default();
            hints.take(bad, &tx);
            assert!(hints.lock().everything);
            assert_eq!(rx.try_iter().count(), 1);
        }
        let hints = Hints::default();
        for n in 0..=MANY {
            hints.take(event(EventKind::Modify(ModifyKind::Any), &format!("/var/log/{n}.log")), &tx);
        }
        assert!(hints.lock().everything && hints.lock().names.len() == MANY);
    }
}
