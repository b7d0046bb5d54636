//! Signals that end this process while a terminal does not show what is typed: it is as before when the process is gone, which ends as it
//! would have without. What nobody can see to, SIGKILL, leaves the terminal as it is.
#![allow(unsafe_code, reason = "no library of ours has these calls")]
use std::{
    io,
    mem::{self, MaybeUninit},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Who closes the terminal, or ends the process, sends these. Keys send none meanwhile.
const ENDINGS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The terminal as it was; null while there is nothing to restore.
static BEFORE: AtomicPtr<libc::termios> = AtomicPtr::new(ptr::null_mut());

/// Sees to these signals, until it is dropped.
pub struct Watch {
    /// What they did before.
    found: Vec<(libc::c_int, libc::sigaction)>,
}

impl Watch {
    /// From now on the terminal is set as it is now before one of them ends the process. What is ignored, as under nohup, stays ignored.
    pub fn begin() -> io::Result<Self> {
        let mut before = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the place that is written to is ours and has the right size.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call that has just succeeded has written all of it.
        let before = unsafe { before.assume_init() };
        // Never given back, some sixty bytes: a handler may be at work on another thread whenever that would be done.
        BEFORE.store(Box::leak(Box::new(before)), Ordering::SeqCst);
        // SAFETY: zeros are a valid value of this plain structure of C.
        let mut ours: libc::sigaction = unsafe { mem::zeroed() };
        ours.sa_sigaction = restore as *const () as libc::sighandler_t;
        // Once: with the second one, which the handler sends, the process ends as it would have.
        ours.sa_flags = libc::SA_RESETHAND;
        // SAFETY: the set is ours. All are held back meanwhile, SIGTTOU, too, which would stop who sets a terminal from the background.
        unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
        // If one cannot be taken over, those before it are given back by the drop.
        let mut watch = Self { found: vec![] };
        for signal in ENDINGS {
            let found = exchange(signal, None)?;
            if found.sa_sigaction != libc::SIG_IGN {
                exchange(signal, Some(&ours))?;
                watch.found.push((signal, found));
            }
        }
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, found) in &self.found {
            // It was taken over in the same way.
            let _ = exchange(*signal, Some(found));
        }
        BEFORE.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// What is done with a signal, and what is to be done from now on.
fn exchange(signal: libc::c_int, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let mut old = MaybeUninit::uninit();
    // SAFETY: `new` is null or points to a whole structure, `old` to a place for one; the handler that is set is that below, or one that
    // was set before.
    if unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that has just succeeded has written all of it.
    Ok(unsafe { old.assume_init() })
}

/// The handler. Only calls that POSIX allows in one, nothing that allocates or locks.
extern "C" fn restore(signal: libc::c_int) {
    let before = BEFORE.load(Ordering::SeqCst);
    if !before.is_null() {
        // SAFETY: what it points to is never given back.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, before) };
    }
    // SAFETY: it takes no memory of ours. The signal waits until this handler returns, and then has its default action.
    unsafe { libc::raise(signal) };
}
