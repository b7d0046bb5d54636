//! An open file of a log, and how its lines are had from it: as they stand there, or through gzip.
use super::{
    content::{self, Bytes},
    packed::{Fault, Packed},
};
use crate::platform::files::{self, Stat};
use std::{fs::File, io, sync::Arc, time::SystemTime};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::logs) enum Handle {
    Plain(Arc<File>),
    Packed(Arc<Packed>),
}

impl Handle {
    /// Of a file that is `packed` or not, as its name says.
    pub fn of(file: File, packed: bool) -> io::Result<Self> {
        Ok(if packed { Self::Packed(Arc::new(Packed::open(file)?)) } else { file.into() })
    }

    /// As files are asked, but in bytes of the text. Of a compressed one the first time costs reading all of it.
    pub fn stat(&self) -> io::Result<Stat> {
        match self {
            Self::Plain(file) => files::stat_open(file),
            Self::Packed(packed) => packed.stat(),
        }
    }

    /// When its text was last written to, as far as can be known without reading through it.
    pub fn modified(&self, stat: &Stat) -> SystemTime {
        match self {
            Self::Plain(_) => stat.modified,
            Self::Packed(packed) => packed.modified(stat),
        }
    }

    /// What keeps a compressed file from being read to its end, if that was tried.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Plain(_) => None,
            Self::Packed(packed) => packed.fault(),
        }
    }

    /// Nothing is to be read of it for now: gives back the memory that reading takes.
    pub fn relax(&self) {
        match self {
            Self::Plain(_) => {}
            Self::Packed(packed) => packed.relax(),
        }
    }

    /// The file itself, for what else the system knows about it.
    pub fn file(&self) -> &File {
        match self {
            Self::Plain(file) => file,
            Self::Packed(packed) => packed.file(),
        }
    }
}

impl Bytes for Handle {
    fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(file) => content::bytes(file.as_ref(), offset, length),
            Self::Packed(packed) => packed.bytes(offset, length),
        }
    }

    fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }
}

impl From<File> for Handle {
    fn from(file: File) -> Self {
        Self::Plain(Arc::new(file))
    }
}
