//! Systems on which nobody uses UNIX sockets.
use super::{Batch, Duration, Path, Peer, SockRef, Stream, UdpSocket, Write, io};
use std::convert::Infallible;

/// `WSAEAFNOSUPPORT`.
pub const NO_FAMILY: i32 = 10_047;

pub struct Datagrams(Infallible);
pub struct Streams(Infallible);

impl Datagrams {
    pub fn buffer(&self) -> Option<usize> {
        match self.0 {}
    }

    pub async fn recv(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub async fn recv_batch(&self, _: &mut Batch) -> io::Result<io::Result<()>> {
        match self.0 {}
    }

    pub fn socket(&self) -> SockRef<'_> {
        match self.0 {}
    }
}

impl Streams {
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self.0 {}
    }

    pub fn close_door(&self) {
        match self.0 {}
    }

    pub fn is_in_place(&self) -> bool {
        match self.0 {}
    }
}

pub fn datagrams(path: &Path, _: u32, _: usize) -> io::Result<Datagrams> {
    Err(none(path))
}

pub fn streams(path: &Path, _: u32) -> io::Result<Streams> {
    Err(none(path))
}

pub fn connect(path: &Path, _: Duration) -> io::Result<Box<dyn Write>> {
    Err(none(path))
}

fn none(_: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "there are no UNIX sockets on this system")
}

pub fn dropped(_: &UdpSocket) -> Option<u64> {
    None
}
