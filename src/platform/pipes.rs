//! FIFOs: opened without waiting, read without an end while writers come and go.
//!
//! A FIFO ends when its last writer closes it. We hold a writing end ourselves, so that it never does.
use std::{io, path::Path};
use tokio::io::AsyncRead;

/// A FIFO that is open for reading.
pub struct Pipe {
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Which one it is, to notice when another one takes its place.
    id: (u64, u64),
}

impl Pipe {
    /// Open what the path leads to, links followed.
    ///
    /// # Errors
    /// `InvalidInput` when it is no FIFO, `Unsupported` where there are none.
    pub fn open(path: &Path) -> io::Result<Self> {
        imp::open(path)
    }

    /// Whether the path still leads to it. `None`: it leads nowhere, which may pass.
    pub fn is_at(&self, path: &Path) -> Option<bool> {
        imp::id(path).map(|id| id == self.id)
    }
}

/// Whether the path leads to a FIFO. May block on a dead network mount.
pub fn is_pipe(path: &Path) -> bool {
    imp::is_pipe(path)
}

#[cfg(unix)]
mod imp {
    use super::{AsyncRead, Path, Pipe, io};
    use std::{
        fs::Metadata,
        os::unix::fs::{FileTypeExt, MetadataExt},
        pin::Pin,
        task::{Context, Poll},
    };
    use tokio::{
        io::ReadBuf,
        net::unix::pipe::{OpenOptions, Receiver, Sender},
    };

    /// Both ends.
    struct Held {
        reader: Receiver,
        _writer: Sender,
    }

    impl AsyncRead for Held {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.reader).poll_read(context, buffer)
        }
    }

    pub fn open(path: &Path) -> io::Result<Pipe> {
        let found = std::fs::metadata(path)?;
        if !found.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no FIFO"));
        }
        // Tokio opens without waiting and looks again what it opened.
        let reader = OpenOptions::new().open_receiver(path)?;
        let writer = OpenOptions::new().open_sender(path)?;
        let id = id(path).unwrap_or(of(&found));
        Ok(Pipe { reader: Box::new(Held { reader, _writer: writer }), id })
    }

    pub fn id(path: &Path) -> Option<(u64, u64)> {
        std::fs::metadata(path).ok().map(|found| of(&found))
    }

    fn of(found: &Metadata) -> (u64, u64) {
        (found.dev(), found.ino())
    }

    pub fn is_pipe(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Path, Pipe, io};

    pub fn open(_: &Path) -> io::Result<Pipe> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there are no FIFOs on this system"))
    }

    pub fn id(_: &Path) -> Option<(u64, u64)> {
        None
    }

    pub fn is_pipe(_: &Path) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write as _;
    use tokio::io::AsyncReadExt;

    fn fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().expect("POSIX has it").success());
    }

    #[tokio::test]
    async fn a_fifo_is_opened_without_a_writer_and_outlives_each() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("p");
        fifo(&path);
        assert!(is_pipe(&path));
        let mut pipe = Pipe::open(&path).expect("opened at once");
        for text in ["one", "two"] {
            let mut writer = std::fs::OpenOptions::new().write(true).open(&path).expect("somebody reads");
            writer.write_all(text.as_bytes()).expect("written");
            drop(writer);
            let mut buffer = [0; 10];
            let read = pipe.reader.read(&mut buffer).await.expect("read");
            assert_eq!(&buffer[..read], text.as_bytes());
        }
        assert_eq!(pipe.is_at(&path), Some(true));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(pipe.is_at(&path), None);
        fifo(&path);
        assert_eq!(pipe.is_at(&path), Some(false));
    }

    #[tokio::test]
    async fn what_is_no_fifo_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Pipe::open(folder.path()).err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
        assert!(!is_pipe(&folder.path().join("none")));
    }
}
