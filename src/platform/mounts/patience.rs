//! Asking mounts that may never answer: what lies behind a network or a program (FUSE) is asked on a thread of its own, and when it
//! does not answer in time the others are asked without it. Such a thread ends when the mount answers at last or is unmounted; until
//! then the mount is not asked again, so that there is at most one for each, and never more than [`MOST`].
use super::{Mount, Space};
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::Duration,
};

/// How long an answer may take: a server that is there needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Threads that wait for dead mounts.
const MOST: usize = 16;

/// Enough for one call of the system.
const STACK: usize = 64 * 1_024;

/// Types that lie behind a network or a program.
const REMOTE: [&str; 22] = [
    "9p",
    "afpfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "macfuse",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "webdav",
];

type Ask = Arc<dyn Fn(&Mount) -> io::Result<Space> + Send + Sync>;

/// Asks, and remembers who has not answered.
pub struct Patience {
    ask: Ask,
    within: Duration,
    silent: HashMap<PathBuf, Receiver<io::Result<Space>>>,
}

impl Patience {
    /// One that asks [`super::space`].
    pub fn new() -> Self {
        Self::asking(Arc::new(super::space), PATIENCE)
    }

    /// One that asks `ask`, and waits so long.
    pub fn asking(ask: Ask, within: Duration) -> Self {
        Self { ask, within, silent: HashMap::new() }
    }

    /// How full a file system is.
    ///
    /// # Errors
    /// As [`super::space`]; `TimedOut` when it does not answer.
    pub fn space(&mut self, mount: &Mount) -> io::Result<Space> {
        if !is_remote(&mount.kind) {
            return (self.ask)(mount);
        }
        // Who has answered meanwhile, too late, may be asked again.
        self.silent.retain(|_, answer| matches!(answer.try_recv(), Err(TryRecvError::Empty)));
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
        if self.silent.contains_key(&mount.path) || self.silent.len() == MOST {
            return Err(timed_out());
        }
        let (tell, answer) = mpsc::channel();
        let (ask, asked) = (self.ask.clone(), mount.clone());
        // Nobody may listen any more when it answers.
        let work = move || _ = tell.send(ask(&asked));
        thread::Builder::new().name("mount".to_owned()).stack_size(STACK).spawn(work)?;
        match answer.recv_timeout(self.within) {
            Ok(space) => space,
            Err(RecvTimeoutError::Timeout) => {
                self.silent.insert(mount.path.clone(), answer);
                Err(timed_out())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that asked has ended")),
        }
    }
}

fn is_remote(kind: &str) -> bool {
    kind.starts_with("fuse") || REMOTE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const SPACE: Space = Space { total: 7, free: 7, used: 0, inodes_total: 0, inodes_free: 0, inodes_used: 0 };

    fn mount(path: &str, kind: &str) -> Mount {
        Mount { path: path.into(), device: "x".into(), kind: kind.into() }
    }

    #[test]
    fn a_dead_mount_is_left_out_until_it_answers_and_is_asked_by_one_thread_alone() {
        let (revive, dead) = mpsc::channel::<()>();
        let dead = Mutex::new(dead);
        let asked = Arc::new(Mutex::new(0));
        let count = asked.clone();
        let ask = move |mount: &Mount| {
            if mount.kind == "nfs" {
                *count.lock().expect("no panic") += 1;
                let _ = dead.lock().expect("no panic").recv();
            }
            Ok(SPACE)
        };
        // Nobody waits here for something that would come: a dead mount never answers.
        let mut patience = Patience::asking(Arc::new(ask), Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(patience.space(&mount("/net", "nfs")).expect_err("dead").kind(), io::ErrorKind::TimedOut);
            assert_eq!(patience.space(&mount("/", "ext4")).expect("the others are asked"), SPACE);
        }
        assert!(*asked.lock().expect("no panic") <= 1);
        drop(revive);
        patience.within = Duration::from_secs(60);
        // It answers the thread that still waits; then it is asked anew.
        while patience.space(&mount("/net", "nfs")).is_err() {
            thread::yield_now();
        }
        assert!(patience.silent.is_empty());
    }

    #[test]
    fn there_is_an_end_to_the_threads_that_wait() {
        let (_keep, dead) = mpsc::channel::<()>();
        let dead = Mutex::new(dead);
        let ask = move |_: &Mount| {
            let _ = dead.lock().expect("no panic").recv();
            Ok(SPACE)
        };
        let mut patience = Patience::asking(Arc::new(ask), Duration::ZERO);
        for number in 0..MOST + 5 {
            assert!(patience.space(&mount(&format!("/net/{number}"), "fuse.sshfs")).is_err());
        }
        assert_eq!(patience.silent.len(), MOST);
    }

    #[test]
    fn an_answer_that_is_an_error_is_one() {
        let ask = |_: &Mount| Err(io::ErrorKind::PermissionDenied.into());
        let mut patience = Patience::asking(Arc::new(ask), Duration::from_secs(60));
        for kind in ["ext4", "cifs"] {
            assert_eq!(
                patience.space(&mount("/x", kind)).expect_err("refused").kind(),
                io::ErrorKind::PermissionDenied
            );
        }
    }
}
