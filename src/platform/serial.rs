//! A serial device, as EC2 Macs have one: opened raw, written without waiting.
//!
//! One process at a time: an advisory lock on the device keeps two of ours apart. The terminal's own exclusive mode is not used: it
//! outlives the process on a device that somebody else keeps open, and locks out whoever comes next.
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where EC2 Macs have it, the preferred one first.
pub const DEVICES: [&str; 2] = ["/dev/cu.pci-0000:4c:00.0,@00", "/dev/cu.pci-serial0"];

/// Bits a second, of 8 data bits, no parity, 1 stop bit.
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no such devices"))]
pub const BAUD: u32 = 115_200;

/// The first of [`DEVICES`] that is a character device.
pub fn device_of_this_mac() -> Option<PathBuf> {
    DEVICES.iter().map(PathBuf::from).find(|path| imp::is_character_device(path))
}

/// An open device. Dropped, what the system has not passed on yet may be lost.
pub struct Serial(imp::Serial);

impl Serial {
    /// Open it for writing, links followed, and set its line: raw, [`BAUD`]. May block a little, as closing may.
    ///
    /// # Errors
    /// `InvalidInput`: it is no serial device. `ResourceBusy`: another program has it. `Unsupported` on Windows.
    pub fn open(path: &Path) -> io::Result<Self> {
        imp::Serial::open(path).map(Self)
    }

    /// As many bytes as it takes now.
    ///
    /// # Errors
    /// `WouldBlock`: none. Others: it is gone, or broken.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Wait until it takes bytes, at most so long; it may also return before.
    pub fn wait(&self, most: Duration) {
        self.0.wait(most);
    }

    /// Wait until it has passed on what it took, at most so long: macOS throws away what an open device still holds when it is closed.
    pub fn settle(&self, most: Duration) {
        self.0.settle(most);
    }

    /// Bytes that it has taken and not passed on, where the system says so. A pseudo-terminal has passed on all that it takes.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Give up what it has taken and not passed on: Linux lets whoever closes a device that is stalled wait for half a minute.
    pub fn discard(&self) {
        self.0.discard();
    }
}

/// The device's other side, or a device that somebody writes to: for reading, raw, without a lock.
///
/// # Errors
/// As [`Serial::open`].
pub fn reader(path: &Path) -> io::Result<Box<dyn io::Read>> {
    imp::reader(path)
}

#[cfg(unix)]
mod imp {
    use super::{BAUD, Duration, Path, io};
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fd::OwnedFd,
        fs::{FileType, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_setfl, flock, fstat, open},
        io::{Errno, write},
        termios::{ControlModes, InputModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
    };
    use std::{
        fs,
        fs::File,
        os::{fd::AsRawFd, unix::fs::FileTypeExt},
        thread,
        time::Instant,
    };

    pub struct Serial(OwnedFd);

    impl Serial {
        pub fn open(path: &Path) -> io::Result<Self> {
            let device = raw(path, OFlags::RDWR)?;
            match flock(&device, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Self(device)),
                Err(Errno::WOULDBLOCK) => {
                    Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program has this device"))
                }
                // A driver without locks: then the socket alone keeps two of us apart.
                Err(_) => Ok(Self(device)),
            }
        }

        pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            write(&self.0, bytes).map_err(Into::into)
        }

        pub fn wait(&self, most: Duration) {
            let begun = Instant::now();
            let time = Timespec::try_from(most).ok();
            let mut polled = [PollFd::new(&self.0, PollFlags::OUT)];
            let heard = poll(&mut polled, time.as_ref());
            let takes = heard.is_ok() && polled[0].revents().contains(PollFlags::OUT);
            // Some drivers of macOS cannot be waited for, and a device that is gone answers at once: no busy loop for either.
            if !takes && begun.elapsed() < most / 2 {
                thread::sleep(most.min(Duration::from_millis(20)));
            }
        }

        /// `ioctl_tty(2)`, `tty(4)`.
        #[allow(unsafe_code, reason = "no library of ours has this call")]
        pub fn waiting(&self) -> usize {
            let mut bytes: libc::c_int = 0;
            // SAFETY: the descriptor is open, and the call writes one number, for which there is room.
            let told = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
            if told == 0 { usize::try_from(bytes).unwrap_or_default() } else { 0 }
        }

        pub fn settle(&self, most: Duration) {
            let begun = Instant::now();
            while self.waiting() > 0 && begun.elapsed() < most {
                thread::sleep(Duration::from_millis(20));
            }
        }

        pub fn discard(&self) {
            // Of a device that is gone nothing is left.
            let _ = tcflush(&self.0, QueueSelector::OFlush);
        }
    }

    pub fn is_character_device(path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
    }

    pub fn reader(path: &Path) -> io::Result<Box<dyn io::Read>> {
        let device = raw(path, OFlags::RDWR)?;
        let flags = fcntl_getfl(&device)?;
        fcntl_setfl(&device, flags - OFlags::NONBLOCK)?;
        Ok(Box::new(File::from(device)))
    }

    fn raw(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
        // Not waiting for a carrier, nor for the other end of what is a FIFO.
        let flags = access | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = open(path, flags, Mode::empty())?;
        let no_device = || io::Error::new(io::ErrorKind::InvalidInput, "is no serial device");
        if FileType::from_raw_mode(fstat(&device)?.st_mode) != FileType::CharacterDevice {
            return Err(no_device());
        }
        let mut line = match tcgetattr(&device) {
            Ok(line) => line,
            Err(Errno::NOTTY | Errno::INVAL | Errno::NODEV) => return Err(no_device()),
            Err(error) => return Err(error.into()),
        };
        line.make_raw();
        line.control_modes |= ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL;
        line.control_modes -= ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CRTSCTS;
        // Not ours to heed: whoever was here before may have set them, and they would stop the line for ever.
        line.input_modes -= InputModes::IXOFF | InputModes::IXANY;
        line.set_speed(BAUD)?;
        tcsetattr(&device, OptionalActions::Now, &line)?;
        Ok(device)
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Duration, Path, io};
    use std::convert::Infallible;

    pub struct Serial(Infallible);

    impl Serial {
        pub fn open(_: &Path) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn write(&self, _: &[u8]) -> io::Result<usize> {
            match self.0 {}
        }

        pub fn wait(&self, _: Duration) {
            match self.0 {}
        }

        pub fn waiting(&self) -> usize {
            match self.0 {}
        }

        pub fn settle(&self, _: Duration) {
            match self.0 {}
        }

        pub fn discard(&self) {
            match self.0 {}
        }
    }

    pub fn is_character_device(_: &Path) -> bool {
        false
    }

    pub fn reader(_: &Path) -> io::Result<Box<dyn io::Read>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::{
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        termios::{InputModes, LocalModes, OutputModes, tcgetattr},
    };
    use std::{fs::File, io::Read, os::unix::ffi::OsStringExt};

    /// A pseudo-terminal: the end that we read, and the path of the other.
    fn pair() -> (File, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, vec![]).expect("named").into_bytes();
        (File::from(master), std::ffi::OsString::from_vec(name).into())
    }

    #[test]
    fn what_is_written_comes_out_as_it_is() {
        let (mut far, path) = pair();
        let device = Serial::open(&path).expect("opened");
        assert_eq!(device.write(b"a\n\x03\x11\r\x1a\xffz").expect("written"), 8);
        let mut read = [0; 8];
        far.read_exact(&mut read).expect("read");
        assert_eq!(
            &read, b"a\n\x03\x11\r\x1a\xffz",
            "no control character means anything, and no line end is made two"
        );
        let line = tcgetattr(&far).expect("asked");
        assert_eq!((line.input_speed(), line.output_speed()), (BAUD, BAUD));
        assert!(!line.local_modes.contains(LocalModes::ECHO | LocalModes::ICANON));
        assert!(!line.output_modes.contains(OutputModes::OPOST) && !line.input_modes.contains(InputModes::IXON));
    }

    #[test]
    fn a_device_has_one_writer() {
        let (_far, path) = pair();
        let first = Serial::open(&path).expect("opened");
        assert_eq!(Serial::open(&path).err().map(|error| error.kind()), Some(io::ErrorKind::ResourceBusy));
        drop(first);
        Serial::open(&path).expect("free again");
    }

    #[test]
    fn what_is_no_serial_device_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "precious").expect("written");
        for path in [file.as_path(), Path::new("/dev/null")] {
            assert_eq!(Serial::open(path).err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
        }
        assert_eq!(std::fs::read(&file).expect("there"), b"precious");
    }

    #[test]
    fn a_full_device_takes_nothing_and_is_waited_for() {
        let (mut far, path) = pair();
        let device = Serial::open(&path).expect("opened");
        let refused = loop {
            if let Err(error) = device.write(&[b'x'; 4096]) {
                break error;
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        device.wait(Duration::from_millis(1));
        far.read_exact(&mut [0; 4096]).expect("read");
        device.wait(Duration::from_secs(9));
        assert!(device.write(b"y").is_ok());
        device.discard();
    }
}
