//! Sockets that programs of this host send documents to: UDP, TCP, and UNIX sockets where there are any.
//!
//! A UNIX socket lies at a path. One that a dead program left there is taken over; one that somebody listens on, and anything that
//! is no socket (a link, too), is left alone. It goes with us, unless somebody put another one in its place.
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::{
    io::AsyncRead,
    net::{TcpListener, UdpSocket},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// What a client sends on its connection.
pub type Stream = Box<dyn AsyncRead + Send + Unpin>;

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
        // What the system grants is said by `buffer`.
        let _ = socket.set_recv_buffer_size(buffer);
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

    /// The next datagram, if there is one now.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.try_recv(buffer),
            Self::Local(socket) => socket.try_recv(buffer),
        }
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
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Box::new(stream) as Stream),
            Self::Local(listener) => listener.accept().await,
        }
    }
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

#[cfg(unix)]
mod imp {
    use super::{AsyncRead, Domain, Path, Place, SockAddr, SockRef, Socket, Stream, Type, UdpSocket, io};
    use rustix::fd::AsFd;
    use std::{
        fs,
        os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    };
    use tokio::net::{UnixDatagram, UnixListener};

    pub const NO_FAMILY: i32 = libc::EAFNOSUPPORT;

    /// A UNIX socket for datagrams.
    pub struct Datagrams {
        socket: UnixDatagram,
        _place: Place,
    }

    /// A UNIX socket for connections.
    pub struct Streams {
        listener: UnixListener,
        _place: Place,
    }

    impl Datagrams {
        pub fn buffer(&self) -> Option<usize> {
            SockRef::from(&self.socket).recv_buffer_size().ok()
        }

        pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.socket.recv(buffer).await
        }

        pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.socket.try_recv(buffer)
        }
    }

    impl Streams {
        pub async fn accept(&self) -> io::Result<Stream> {
            let (stream, _) = self.listener.accept().await?;
            let stream: Box<dyn AsyncRead + Send + Unpin> = Box::new(stream);
            Ok(stream)
        }
    }

    pub fn datagrams(path: &Path, mode: u32, buffer: usize) -> io::Result<Datagrams> {
        make_way(path)?;
        let socket = UnixDatagram::bind(path)?;
        let place = Place::of(path, mode)?;
        let _ = SockRef::from(&socket).set_recv_buffer_size(buffer);
        Ok(Datagrams { socket, _place: place })
    }

    pub fn streams(path: &Path, mode: u32) -> io::Result<Streams> {
        make_way(path)?;
        let listener = UnixListener::bind(path)?;
        Ok(Streams { listener, _place: Place::of(path, mode)? })
    }

    /// Remove a socket that nobody listens on.
    fn make_way(path: &Path) -> io::Result<()> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !found.file_type().is_socket() {
            let why = "something else than a socket is there: move it away, or name another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        // Refused: there is nobody. Of the other kind, or full: there is somebody.
        let heard = [Type::DGRAM, Type::STREAM].map(|kind| {
            let probe = Socket::new(Domain::UNIX, kind, None)?;
            // A listener with a full queue would keep us waiting.
            probe.set_nonblocking(true)?;
            probe.connect(&SockAddr::unix(path)?)
        });
        let in_use = heard.iter().any(|answer| match answer {
            Ok(()) => true,
            Err(error) => {
                error.kind() != io::ErrorKind::ConnectionRefused && error.raw_os_error() != Some(libc::EPROTOTYPE)
            }
        });
        if in_use {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there"));
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    impl Place {
        fn of(path: &Path, mode: u32) -> io::Result<Self> {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            let found = fs::symlink_metadata(path)?;
            Ok(Self { path: path.to_owned(), id: (found.dev(), found.ino()) })
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            // What is left behind harms nobody: whoever comes next takes it over.
            if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id) {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    #[cfg(target_os = "linux")]
    pub fn dropped(socket: &UdpSocket) -> Option<u64> {
        let inode = rustix::fs::fstat(socket.as_fd()).ok()?.st_ino;
        let lists =
            ["/proc/self/net/udp", "/proc/self/net/udp6"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
        lists.into_iter().find_map(|list| super::drops_in(&list, inode))
    }

    #[cfg(not(target_os = "linux"))]
    pub fn dropped(socket: &UdpSocket) -> Option<u64> {
        let _ = socket.as_fd();
        None
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Path, Stream, UdpSocket, io};
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

        pub fn try_recv(&self, _: &mut [u8]) -> io::Result<usize> {
            match self.0 {}
        }
    }

    impl Streams {
        pub async fn accept(&self) -> io::Result<Stream> {
            match self.0 {}
        }
    }

    pub fn datagrams(path: &Path, _: u32, _: usize) -> io::Result<Datagrams> {
        Err(none(path))
    }

    pub fn streams(path: &Path, _: u32) -> io::Result<Streams> {
        Err(none(path))
    }

    fn none(_: &Path) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "there are no UNIX sockets on this system")
    }

    pub fn dropped(_: &UdpSocket) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  349: 0100007F:6520 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4711 2 0000000000000000 42
  350: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 2 0000000000000000 0
";

    #[test]
    fn drops_are_those_of_the_socket_with_this_inode() {
        assert_eq!((drops_in(LIST, 4711), drops_in(LIST, 12), drops_in(LIST, 13)), (Some(42), Some(0), None));
        assert_eq!(drops_in("", 1), None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_nobody_reads_in_time_is_counted_by_the_system() {
        let socket = Datagrams::udp(([127, 0, 0, 1], 0).into(), 4096).expect("bound");
        assert_eq!(socket.dropped(), Some(0));
        let Datagrams::Udp(udp) = &socket else { unreachable!() };
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        for _ in 0..200 {
            sender.send_to(&[b'x'; 1000], udp.local_addr().expect("bound")).expect("sent");
        }
        assert!(socket.dropped().is_some_and(|drops| drops > 0), "{:?}", socket.dropped());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_dead_socket_is_taken_over_and_a_live_one_or_anything_else_is_not() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s");
        for datagram in [false, true] {
            let bind = |path: &Path| match datagram {
                true => Datagrams::local(path, 0o622, 4096).map(|socket| Box::new(socket) as Box<dyn std::any::Any>),
                false => Streams::local(path, 0o622).map(|socket| Box::new(socket) as Box<dyn std::any::Any>),
            };
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
            let ours = bind(&path).expect("the one that was there is dead");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o622);
            let error = Streams::local(&path, 0o600).err().expect("taken");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(Datagrams::local(&path, 0o600, 0).is_err(), "taken");
            drop(ours);
            assert!(!path.exists(), "it goes with us");
            fs::write(&path, "precious").expect("written");
            assert!(bind(&path).is_err());
            assert_eq!(fs::read(&path).expect("there"), b"precious");
            fs::remove_file(&path).expect("removed");
            let elsewhere = folder.path().join("elsewhere");
            std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
            assert!(bind(&path).is_err() && !elsewhere.exists(), "no link is followed");
            fs::remove_file(&path).expect("removed");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_socket_of_a_successor_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s");
        let ours = Streams::local(&path, 0o600).expect("bound");
        std::fs::rename(&path, folder.path().join("away")).expect("renamed");
        let _theirs = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        drop(ours);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn both_families_have_sockets_of_their_own_on_one_port() {
        let four = Streams::tcp(([0, 0, 0, 0], 0).into()).expect("bound");
        let Streams::Tcp(listener) = &four else { unreachable!() };
        let port = listener.local_addr().expect("bound").port();
        match Streams::tcp(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port)) {
            Ok(_) => {}
            Err(error) => assert!(is_absent(&error), "{error}"),
        }
    }
}
