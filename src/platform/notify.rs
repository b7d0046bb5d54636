//! The socket on which a service manager hears how the program that it started is doing.
//!
//! Linux: the protocol of systemd, datagrams of lines `KEY=VALUE` to the socket that `NOTIFY_SOCKET` names:
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>. Elsewhere nobody listens.
use std::time::Duration;

pub use imp::Socket;

/// The variables with which a service manager says where and whom it listens to.
#[cfg(target_os = "linux")]
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Longest time that a message may wait for a service manager that does not read: it is behind with all services, then.
#[cfg(target_os = "linux")]
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two signs of life from which on the manager takes the program for dead; `None`: it does not look.
#[cfg(any(target_os = "linux", test))]
fn watchdog(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let micros = usec?.parse().ok().filter(|micros| *micros > 0)?;
    // Where it says whom it watches, that may be a wrapper of ours, which passed on what it found.
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    is_ours.then(|| Duration::from_micros(micros))
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod imp {
    use super::{Duration, PATIENCE, VARIABLES, watchdog};
    use std::{
        env,
        ffi::OsStr,
        fs, io,
        os::{
            linux::net::SocketAddrExt,
            unix::{
                ffi::OsStrExt,
                net::{SocketAddr, UnixDatagram},
            },
        },
    };

    /// Where the manager listens.
    #[derive(Debug)]
    pub struct Socket {
        socket: UnixDatagram,
        manager: SocketAddr,
        pub watchdog: Option<Duration>,
    }

    impl Socket {
        /// The socket of whoever started us; `None` where nobody listens. To be called once, before the first thread is started: the
        /// variables are taken out of the environment, so that no child of ours speaks for us.
        pub fn take() -> Option<Self> {
            let [name, usec, pid] = VARIABLES.map(env::var_os);
            forget();
            let of =
                |value: &Option<std::ffi::OsString>| value.as_ref().and_then(|value| value.to_str()).map(str::to_owned);
            let watchdog = watchdog(of(&usec).as_deref(), of(&pid).as_deref(), std::process::id());
            Self::at(&name?, watchdog).ok()
        }

        /// At the path of this name; a name that begins with `@` is none of a file.
        ///
        /// # Errors
        /// When it is no such name, or there are no sockets.
        pub fn at(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
            let manager = match name.as_bytes() {
                [b'@', hidden @ ..] => SocketAddr::from_abstract_name(hidden)?,
                [b'/', ..] => SocketAddr::from_pathname(name)?,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Self { socket, manager, watchdog })
        }

        /// Say this, lines of `KEY=VALUE`. Waits a second at most.
        ///
        /// # Errors
        /// When it could not be said.
        pub fn tell(&self, lines: &str) -> io::Result<()> {
            self.socket.send_to_addr(lines.as_bytes(), &self.manager).map(|_| ())
        }
    }

    /// The clock that a manager compares moments by, in microseconds.
    pub fn monotonic() -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.cast_unsigned().saturating_mul(1_000_000);
        micros.saturating_add(u64::try_from(now.tv_nsec / 1_000).unwrap_or_default())
    }

    fn forget() {
        // Where it cannot be told that we are alone, they stay: a manager hears the main process only, as our unit asks of it.
        if fs::read_dir("/proc/self/task").map_or(0, Iterator::count) != 1 {
            return;
        }
        for name in VARIABLES {
            // SAFETY: this is the only thread of the process, as was just counted, so nobody else reads or writes the environment.
            unsafe { env::remove_var(name) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::Duration;
    use std::io;

    /// Nobody can be told anything.
    #[derive(Debug)]
    #[allow(dead_code, reason = "nobody makes one there")]
    pub struct Socket {
        pub watchdog: Option<Duration>,
    }

    impl Socket {
        pub fn take() -> Option<Self> {
            None
        }

        pub fn tell(&self, _: &str) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    pub fn monotonic() -> u64 {
        0
    }
}

/// Now, by the clock that does not count from a date, in microseconds: `MONOTONIC_USEC` of the protocol.
pub fn monotonic() -> u64 {
    imp::monotonic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_watched_gives_signs_of_life() {
        assert_eq!(watchdog(Some("30000000"), None, 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("30000000"), Some("7"), 7), Some(Duration::from_secs(30)));
        for (usec, pid) in
            [(None, Some("7")), (Some("0"), None), (Some("x"), None), (Some("1"), Some("8")), (Some("1"), Some(""))]
        {
            assert_eq!(watchdog(usec, pid, 7), None, "{usec:?} {pid:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_is_told_at_a_path_and_at_a_name_without_a_file() {
        use std::os::{
            linux::net::SocketAddrExt,
            unix::net::{SocketAddr, UnixDatagram},
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let hidden = format!("story-{}-notify", std::process::id());
        let address = SocketAddr::from_abstract_name(&hidden).expect("a name");
        let at = |name: &str| Socket::at(name.as_ref(), None);
        for (manager, name) in [
            (UnixDatagram::bind(&path).expect("bound"), path.display().to_string()),
            (UnixDatagram::bind_addr(&address).expect("bound"), format!("@{hidden}")),
        ] {
            at(&name).expect("a name").tell("READY=1\nSTATUS=here").expect("told");
            let mut heard = [0; 64];
            let length = manager.recv(&mut heard).expect("heard");
            assert_eq!(&heard[..length], b"READY=1\nSTATUS=here");
        }
        assert!(at("relative").is_err() && at("").is_err());
        assert!(at("/no/such/socket").expect("a path").tell("READY=1").is_err());
        assert!(monotonic() > 0);
    }
}
