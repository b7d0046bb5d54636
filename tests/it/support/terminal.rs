//! A pseudo-terminal in place of a serial device, or of somebody who types: programs have its near end, a test the far one.
use super::PATIENCE;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::{FdFlags, fcntl_setfd},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};
use tokio::sync::watch;

/// So soon the reading thread notices that it shall end.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// One with both its ends. Dropped, it is gone, as a device that was pulled out.
pub struct Terminal {
    near: PathBuf,
    far: Arc<File>,
    /// Held, so that the far end does not end when the daemon lets go of the near one.
    _open: File,
    seen: watch::Receiver<Vec<u8>>,
    reads: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// One whose far end nobody reads before [`Self::read`].
    pub fn unread() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        // A daemon that another test starts in this moment must not inherit it: then it would not be gone with us.
        #[cfg(target_os = "linux")]
        let flags = flags | OpenptFlags::CLOEXEC;
        let far = openpt(flags).expect("a pseudo-terminal");
        fcntl_setfd(&far, FdFlags::CLOEXEC).expect("ours");
        grantpt(&far).expect("granted");
        unlockpt(&far).expect("unlocked");
        let near: PathBuf = OsString::from_vec(ptsname(&far, vec![]).expect("named").into_bytes()).into();
        let open =
            File::from(open(&near, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("opened"));
        let far = Arc::new(File::from(far));
        let (show, seen) = watch::channel(vec![]);
        let (reads, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let reader = thread::spawn({
            let (far, reads, ends) = (far.clone(), reads.clone(), ends.clone());
            move || read(&far, &show, &reads, &ends)
        });
        Self { near, far, _open: open, seen, reads, ends, reader: Some(reader) }
    }

    /// One that is read all the while.
    pub fn new() -> Self {
        let terminal = Self::unread();
        terminal.read();
        terminal
    }

    /// From here on its far end is read.
    pub fn read(&self) {
        self.reads.store(true, Ordering::SeqCst);
        self.reader.as_ref().expect("it ends with us").thread().unpark();
    }

    /// The path of the near end.
    pub fn path(&self) -> &Path {
        &self.near
    }

    /// What has come out.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.borrow().clone()
    }

    /// What has come out, line by line, which are text.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.bytes()).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// Wait until so much has come out.
    pub async fn until_bytes(&self, count: usize) {
        self.until("bytes", count, |seen| seen.len()).await;
    }

    /// Wait until so many lines have come out.
    pub async fn until_lines(&self, count: usize) {
        self.until("lines", count, |seen| memchr::memchr_iter(b'\n', seen).count()).await;
    }

    /// Wait until this text has come out so many times.
    pub async fn until_times(&self, count: usize, text: &str) {
        self.until(text, count, |seen| memchr::memmem::find_iter(seen, text).count()).await;
    }

    /// Wait until this is the last that has come out.
    pub async fn until_end(&self, text: &str) {
        self.until("end", 1, |seen| seen.ends_with(text.as_bytes()).into()).await;
    }

    async fn until(&self, what: &str, count: usize, counted: impl Fn(&[u8]) -> usize) {
        let mut seen = self.seen.clone();
        let came = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| counted(seen) >= count)).await;
        let enough = came.is_ok_and(|came| came.is_ok());
        let bytes = self.bytes();
        let last = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(400)..]).into_owned();
        assert!(
            enough,
            "waited {PATIENCE:?} for {count} {what}, {} came out, the last of them: {last}",
            counted(&bytes)
        );
    }

    /// Put these bytes in at the far end.
    pub fn write(&self, bytes: &[u8]) {
        (&*self.far).write_all(bytes).expect("it is read");
    }

    /// Whether no other program has it: who opens it as a serial device locks it.
    pub fn is_free(&self) -> bool {
        let near = open(&self.near, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        flock(&near, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Whether nobody has set its line: it still echoes what is typed, as a terminal does.
    pub fn is_untouched(&self) -> bool {
        tcgetattr(&*self.far).expect("asked").local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let Some(reader) = self.reader.take() else { return };
        reader.thread().unpark();
        // It has the far end, too, which shall be gone with us.
        let _ = reader.join();
    }
}

fn read(far: &File, show: &watch::Sender<Vec<u8>>, reads: &AtomicBool, ends: &AtomicBool) {
    let mut buffer = [0; 64 * 1024];
    while !ends.load(Ordering::SeqCst) {
        if !reads.load(Ordering::SeqCst) {
            thread::park();
            continue;
        }
        let mut polled = [PollFd::new(far, PollFlags::IN)];
        if poll(&mut polled, Some(&TURN)).is_ok_and(|ready| ready > 0) {
            let count = (&*far).read(&mut buffer).expect("its near end is held open");
            show.send_modify(|seen| seen.extend_from_slice(&buffer[..count]));
        }
    }
}
