//! UNIX sockets, and what Linux says of others.
use super::{
    AsyncRead, BACKLOG, Batch, Domain, Duration, Interest, Path, Peer, Place, SockAddr, SockRef, Socket, Stream, Type,
    UdpSocket, Write, batch, io,
};
use rustix::{
    fd::AsFd,
    process::{getegid, geteuid},
};
use std::{
    fs,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
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
    place: Place,
}

impl Datagrams {
    pub fn buffer(&self) -> Option<usize> {
        SockRef::from(&self.socket).recv_buffer_size().ok()
    }

    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer).await
    }

    pub async fn recv_batch(&self, batch: &mut Batch) -> io::Result<io::Result<()>> {
        self.socket.readable().await?;
        Ok(self.socket.try_io(Interest::READABLE, || batch.fill(&self.socket())))
    }

    pub fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl Streams {
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        let peer = stream.peer_cred().ok();
        let peer = Peer { user: peer.map(|peer| peer.uid()), process: peer.and_then(|peer| peer.pid()) };
        let stream: Box<dyn AsyncRead + Send + Unpin> = Box::new(stream);
        Ok((stream, peer))
    }

    pub fn close_door(&self) {
        self.place.give_up();
    }

    pub fn is_in_place(&self) -> bool {
        self.place.is_held()
    }
}

pub fn datagrams(path: &Path, mode: u32, buffer: usize) -> io::Result<Datagrams> {
    let (socket, place) = bound(path, Type::DGRAM, mode)?;
    batch::widen(&SockRef::from(&socket), buffer);
    Ok(Datagrams { socket: UnixDatagram::from_std(OwnedFd::from(socket).into())?, _place: place })
}

pub fn streams(path: &Path, mode: u32) -> io::Result<Streams> {
    let (socket, place) = bound(path, Type::STREAM, mode)?;
    // Only now can anybody connect.
    socket.listen(BACKLOG)?;
    Ok(Streams { listener: UnixListener::from_std(OwnedFd::from(socket).into())?, place })
}

pub fn connect(path: &Path, patience: Duration) -> io::Result<Box<dyn Write>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Holds for connecting, too: a listener with a full queue lets its clients wait.
    socket.set_write_timeout(Some(patience))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(Box::new(socket))
}

/// A socket at this path, with its rights and its owner.
fn bound(path: &Path, kind: Type, mode: u32) -> io::Result<(Socket, Place)> {
    guard(path)?;
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let place = Place::of(path)?;
    give_rights(&place, mode)?;
    Ok((socket, place))
}

/// Owner and rights of what is bound, and of nothing else: whoever may write to the folder could put a link in its place meanwhile.
#[cfg(target_os = "linux")]
fn give_rights(place: &Place, mode: u32) -> io::Result<()> {
    use rustix::{
        fd::AsRawFd,
        fs::{AtFlags, Mode, OFlags, chownat, fstat, open},
    };
    use std::os::unix::fs::PermissionsExt;
    // A descriptor that only names it, which `chmod` then follows (`proc_pid_fd(5)`); `fchmodat` knows no links before Linux 6.6.
    let named = open(&place.path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&named)?;
    if (found.st_dev, found.st_ino) != place.id {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program has taken this path"));
    }
    // It is so already, except where its folder gives what is made in it a group. Whoever locks services up may forbid the call.
    if (found.st_uid, found.st_gid) != (geteuid().as_raw(), getegid().as_raw()) {
        chownat(&named, "", Some(geteuid()), Some(getegid()), AtFlags::EMPTY_PATH)?;
    }
    fs::set_permissions(format!("/proc/self/fd/{}", named.as_raw_fd()), fs::Permissions::from_mode(mode))
}

#[cfg(not(target_os = "linux"))]
fn give_rights(place: &Place, mode: u32) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Mode, RawMode, chmodat, chownat};
    // BSD, and so macOS, gives what is made the group of its folder: in `/tmp` a group of administrators.
    chownat(CWD, &place.path, Some(geteuid()), Some(getegid()), AtFlags::SYMLINK_NOFOLLOW)?;
    #[allow(clippy::cast_possible_truncation, reason = "twelve bits at most")]
    let mode = Mode::from_raw_mode(mode as RawMode);
    Ok(chmodat(CWD, &place.path, mode, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// In a folder where everybody may rename what belongs to others, nobody can say whose socket it is.
fn guard(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(folder)?.mode();
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        let why = format!(
            "everybody may replace what lies in {}: take that right away (chmod o-w), or set the sticky bit (chmod +t)",
            folder.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
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
    if is_heard(path)? {
        return Err(in_use(&found));
    }
    // Another program may have taken it over since: only what nobody listened on is removed.
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    fs::rename(path, &aside)?;
    if fs::symlink_metadata(&aside).is_ok_and(|taken| id(&taken) != id(&found)) {
        fs::rename(&aside, path)?;
        return Err(in_use(&found));
    }
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Of whoever has the socket that was found.
fn in_use(found: &fs::Metadata) -> io::Error {
    let (owner, us) = (found.uid(), geteuid().as_raw());
    let why = match owner == us || owner == 0 {
        true => "another program listens there".to_owned(),
        false => format!("another program listens there, of user {owner}, who is neither root nor this daemon's user"),
    };
    io::Error::new(io::ErrorKind::AddrInUse, why)
}

/// Whether anybody listens. Refused: there is nobody. Of the other kind, or full: there is somebody.
fn is_heard(path: &Path) -> io::Result<bool> {
    for kind in [Type::DGRAM, Type::STREAM] {
        let probe = Socket::new(Domain::UNIX, kind, None)?;
        // A listener with a full queue would keep us waiting.
        probe.set_nonblocking(true)?;
        match probe.connect(&SockAddr::unix(path)?) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {}
            // Whoever may not even ask may not replace it either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let why = "a socket is there that this user may not connect to: remove it, if nobody listens there";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(()) | Err(_) => return Ok(true),
        }
    }
    Ok(false)
}

fn id(of: &fs::Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(&fs::symlink_metadata(path)?) })
    }

    /// Remove the path, if it is ours. What is left behind harms nobody: whoever comes next takes it over.
    fn give_up(&self) {
        if self.is_held() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Whether it is still what lies at its path.
    fn is_held(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.id)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_up();
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
