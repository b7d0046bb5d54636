//! Where the socket lies: whose it is, who may write to it, and what lay there before.
use super::{Story, frame, socket_has, trouble};
use crate::support::{host::Daemon, terminal::Terminal};
use serde_json::json;
use std::{
    fs,
    io::Read,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
};

/// Send this frame, which is the one that comes out next.
async fn relays(story: &Story, terminal: &Terminal, data: &str) {
    let lines = terminal.lines().len();
    story.send(&frame("n", data)).await;
    terminal.until_lines(lines + 1).await;
    assert_eq!(terminal.lines()[lines], frame("n", data).trim_end());
}

async fn until_socket_has(daemon: &mut Daemon<'_>, words: &str) {
    daemon.until(words, |status| socket_has(status, words)).await;
}

#[tokio::test]
async fn a_socket_that_a_dead_daemon_left_is_taken_over() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let daemon = story.host.start();
    relays(&story, &terminal, "1").await;
    daemon.kill().await;
    fs::symlink_metadata(&story.socket).expect("it could not clean up");
    let daemon = story.host.start();
    relays(&story, &terminal, "2").await;
    assert!(daemon.terminate().await.success());
    assert!(fs::symlink_metadata(&story.socket).is_err(), "it goes with its daemon");
    let beside = fs::read_dir(story.socket.parent().expect("a folder")).expect("ours").flatten();
    assert!(!beside.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("relay.sock")));
}

#[tokio::test]
async fn no_link_and_no_file_at_the_sockets_path_is_followed_or_removed() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let precious = story.host.path("precious");
    fs::write(&precious, "precious").expect("written");
    let dead = story.host.path("dead.sock");
    drop(UnixListener::bind(&dead).expect("a socket that nobody listens on"));
    let nowhere = story.host.path("nowhere");
    let mut daemon = story.host.start();
    drop(story.client().await);
    // From the start on, and one after another: the daemon is told to begin anew for each.
    for target in [&precious, &dead, &nowhere] {
        // At once: a path that is free is the daemon's again before long.
        let link = story.host.path("link");
        symlink(target, &link).expect("a link");
        fs::rename(&link, &story.socket).expect("our folder");
        let times = story.host.said().matches("something else than a socket").count() + 1;
        daemon.hang_up().await;
        story.until_said(&mut daemon, "something else than a socket", times).await;
        until_socket_has(&mut daemon, "move it away").await;
        assert_eq!(&fs::read_link(&story.socket).expect("still a link"), target);
        fs::remove_file(&story.socket).expect("ours");
        drop(story.client().await);
    }
    assert_eq!(fs::read(&precious).expect("there"), b"precious");
    assert!(fs::symlink_metadata(&dead).expect("there").file_type().is_socket());
    assert!(!nowhere.exists());
    relays(&story, &terminal, "1").await;
}

#[tokio::test]
async fn a_live_peer_is_not_thrown_out_and_is_followed_when_it_is_gone() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let peer = UnixListener::bind(&story.socket).expect("ours");
    let mut daemon = story.host.start();
    until_socket_has(&mut daemon, "another program listens there").await;
    assert!(story.host.said().contains("setup-ec2monitoring enable"), "{}", story.host.said());
    assert!(terminal.is_free(), "who has the socket has the device");
    // What is sent goes to the peer. Before it come our daemon's own questions, which are empty.
    story.send(&frame("theirs", "1")).await;
    let mut came = String::new();
    while came.is_empty() {
        peer.accept().expect("somebody").0.read_to_string(&mut came).expect("text");
    }
    assert_eq!(came, frame("theirs", "1"));
    // It dies without cleaning up.
    drop(peer);
    relays(&story, &terminal, "2").await;
    daemon.until("all to be well", |status| trouble(status, "serial relay").is_none()).await;
}

#[tokio::test]
async fn of_two_daemons_for_one_socket_the_second_stands_by() {
    let terminal = Terminal::new();
    let one = Story::on(&terminal);
    let first = one.host.start();
    relays(&one, &terminal, "1").await;
    let mut two = Story::with(json!({ "socket": one.socket }));
    two.socket.clone_from(&one.socket);
    two.plug(&terminal);
    let mut second = two.host.start();
    until_socket_has(&mut second, "another program listens there").await;
    for n in 2..10 {
        relays(&one, &terminal, &n.to_string()).await;
    }
    let status = second.status().await.expect("it answers");
    assert_eq!((status.counter("relay_frames"), trouble(&status, "serial device")), (0, None), "it has not even tried");
    assert!(first.terminate().await.success());
    relays(&two, &terminal, "10").await;
    second.until("the second to relay", |status| status.counter("relay_frames") == 1).await;
    assert!(second.terminate().await.success());
}

#[tokio::test]
async fn who_puts_another_socket_in_place_of_ours_has_the_device_until_it_is_gone() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    relays(&story, &terminal, "1").await;
    assert!(!terminal.is_free());
    fs::remove_file(&story.socket).expect("the daemon's");
    let other = UnixListener::bind(&story.socket).expect("ours");
    let place = fs::symlink_metadata(&story.socket).expect("there").ino();
    daemon.until("the device to be let go of", |_| terminal.is_free()).await;
    until_socket_has(&mut daemon, "another program listens there").await;
    let said = story.host.said();
    assert!(said.contains("or another program's") && said.contains("the serial device was let go of"), "{said}");
    assert_eq!(fs::symlink_metadata(&story.socket).expect("there").ino(), place, "it is left alone");
    drop(other);
    fs::remove_file(&story.socket).expect("ours");
    relays(&story, &terminal, "2").await;
    assert!(!terminal.is_free());
    daemon.until("all to be well", |status| trouble(status, "serial relay").is_none()).await;
    assert!(daemon.terminate().await.success());
    assert!(terminal.is_free());
}

#[tokio::test]
async fn at_the_stop_another_programs_socket_stays() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let daemon = story.host.start();
    relays(&story, &terminal, "1").await;
    fs::remove_file(&story.socket).expect("the daemon's");
    let _other = UnixListener::bind(&story.socket).expect("ours");
    assert!(daemon.terminate().await.success());
    assert!(fs::symlink_metadata(&story.socket).expect("there").file_type().is_socket());
}

#[tokio::test]
async fn the_sockets_rights_are_those_that_are_asked_for_whatever_the_umask() {
    for umask in ["0", "077", "022"] {
        for (keys, expected) in
            [(json!({}), 0o660), (json!({ "mode": "666" }), 0o666), (json!({ "mode": "600" }), 0o600)]
        {
            let story = Story::with(keys);
            let _daemon = story.host.start_under(umask);
            drop(story.client().await);
            let found = fs::symlink_metadata(&story.socket).expect("there");
            assert_eq!((found.mode() & 0o7777, umask), (expected, umask));
            let ours = fs::metadata(story.host.path("publisher.json")).expect("ours").uid();
            assert_eq!(found.uid(), ours);
        }
    }
}

#[tokio::test]
async fn a_folder_where_everybody_may_replace_things_is_refused_until_it_is_mended() {
    let terminal = Terminal::new();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("relay.sock");
    let mut story = Story::with(json!({ "socket": socket }));
    story.socket = socket;
    story.plug(&terminal);
    let rights = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("ours");
    rights(0o777);
    let mut daemon = story.host.start();
    until_socket_has(&mut daemon, "chmod +t").await;
    assert!(!story.socket.exists() && terminal.is_free());
    rights(0o1777);
    relays(&story, &terminal, "1").await;
    daemon.until("all to be well", |status| trouble(status, "serial relay").is_none()).await;
}
