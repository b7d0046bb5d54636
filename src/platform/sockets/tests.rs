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
