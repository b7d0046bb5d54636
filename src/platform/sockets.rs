//! Sockets that programs of this host send documents to: UDP, TCP, and UNIX sockets where there are any.
//!
//! A UNIX socket lies at a path. One that a dead program left there is taken over; one that somebody listens on, and anything that
//! is no socket (a link, too), is left alone; and none is put into a folder where everybody may replace it. It goes with us, unless
//! somebody put another one in its place.
mod batch;
#[cfg_attr(unix, path = "sockets/unix.rs")]
#[cfg_attr(not(unix), path = "sockets/elsewhere.rs")]
mod imp;
#[cfg(test)]
mod tests;

pub use batch::Batch;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, Interest},
    net::{TcpListener, UdpSocket},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// What a client sends on its connection.
pub type Stream = Box<dyn AsyncRead + Send + Unpin>;

/// Who is at the other end of a connection, as far as the system says: nothing of TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer {
    pub user: Option<u32>,
    pub process: Option<i32>,
}

/// Receives datagrams.
pub enum Datagrams {
    Udp(UdpSocket),
    Local(imp::Datagrams),
}

impl Datagrams {
    /// On this address. Asks the system for a receive buffer of so many bytes; it may give less.
    pub fn udp(address: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        prepare(&socket, address)?;
        batch::widen(&socket, buffer);
        socket.bind(&SockAddr::from(address))?;
        Ok(Self::Udp(UdpSocket::from_std(socket.into())?))
    }

    /// On a UNIX socket at this path with these rights.
    pub fn local(path: &Path, mode: u32, buffer: usize) -> io::Result<Self> {
        imp::datagrams(path, mode, buffer).map(Self::Local)
    }

    /// Bytes that the system keeps for us between two reads, its own notes included.
    pub fn buffer(&self) -> Option<usize> {
        match self {
            Self::Udp(socket) => SockRef::from(socket).recv_buffer_size().ok(),
            Self::Local(socket) => socket.buffer(),
        }
    }

    /// The next datagram. What does not fit the buffer is cut off.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await,
            Self::Local(socket) => socket.recv(buffer).await,
        }
    }

    /// The next datagram, if there is one now. Asks the system also where the runtime has not heard yet that there is something, as
    /// at a stop.
    pub fn recv_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => (&*SockRef::from(socket)).read(buffer),
            Self::Local(socket) => (&*socket.socket()).read(buffer),
        }
    }

    /// All datagrams that there are now, as far as the batch has room. Waits for the first.
    pub async fn recv_batch(&self, batch: &mut Batch) -> io::Result<()> {
        loop {
            let received = match self {
                Self::Udp(socket) => {
                    socket.readable().await?;
                    socket.try_io(Interest::READABLE, || batch.fill(&SockRef::from(socket)))
                }
                Self::Local(socket) => socket.recv_batch(batch).await?,
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && batch.is_empty() => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }

    /// All datagrams that there are now, as far as the batch has room; none where there is none. Asks the system also where the
    /// runtime has not heard yet that there is something, as at a stop.
    pub fn recv_batch_now(&self, batch: &mut Batch) -> io::Result<()> {
        let received = match self {
            Self::Udp(socket) => batch.fill(&SockRef::from(socket)),
            Self::Local(socket) => batch.fill(&socket.socket()),
        };
        received.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })
    }

    /// Whether what is sent lies here until it is read. Else whoever sends waits, as soon as a few are there.
    pub fn gathers(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// How many datagrams the system has dropped here because nobody read them in time. `None`: it does not say.
    pub fn dropped(&self) -> Option<u64> {
        match self {
            Self::Udp(socket) => imp::dropped(socket),
            // Whoever sends to a full UNIX socket waits, or is told.
            Self::Local(_) => None,
        }
    }
}

/// Receives connections.
pub enum Streams {
    Tcp(TcpListener),
    Local(imp::Streams),
}

impl Streams {
    /// On this address.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        prepare(&socket, address)?;
        // Elsewhere this would let two programs have one port.
        if cfg!(unix) {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        Ok(Self::Tcp(TcpListener::from_std(socket.into())?))
    }

    /// On a UNIX socket at this path with these rights.
    pub fn local(path: &Path, mode: u32) -> io::Result<Self> {
        imp::streams(path, mode).map(Self::Local)
    }

    /// The next client.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(stream, _)| (Box::new(stream) as Stream, Peer::default()))
            }
            Self::Local(listener) => listener.accept().await,
        }
    }

    /// Nobody new shall come: a UNIX socket's path is removed, if it is still ours. Who had connected is accepted all the same.
    pub fn close_door(&self) {
        if let Self::Local(listener) = self {
            listener.close_door();
        }
    }

    /// Whether those who come to its address come here. A UNIX socket's path may have been removed, or be another program's by now.
    pub fn is_in_place(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Local(listener) => listener.is_in_place(),
        }
    }
}

/// Connect to the UNIX socket at this path. Connecting, and each write, fails after so much time.
///
/// # Errors
/// When nobody listens there, or nobody reads.
pub fn connect(path: &Path, patience: Duration) -> io::Result<Box<dyn Write>> {
    imp::connect(path, patience)
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)
}

pub(super) use imp::dropped;

/// Whether this host does not have the address, or not its whole family.
pub fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(imp::NO_FAMILY)
}

/// The drops of the socket with this inode, as Linux lists them in `/proc/net/udp`: the tenth column is the inode, the last one the
/// count (`udp4_format_sock` in the kernel's net/ipv4/udp.c).
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has such a list"))]
fn drops_in(list: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    list.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        (columns.get(9) == Some(&inode.as_str())).then(|| columns.last()?.parse().ok()).flatten()
    })
}

/// A socket's file, which goes with it.
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no UNIX sockets"))]
struct Place {
    path: PathBuf,
    id: (u64, u64),
}
