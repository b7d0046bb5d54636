//! socat as the other side of the device. `scripts/test` unpacks it where it can, without installing it.
use super::{Story, device_has, frames, frames_in};
use crate::support::PATIENCE;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// Names the folder with the unpacked package socat.
const UNPACKED: &str = "PUBLISHER_TEST_SOCAT";

/// Where the program is, and its libraries. `None`, with a line that says so, where there is none.
fn package() -> Option<(PathBuf, String)> {
    let Some(folder) = std::env::var_os(UNPACKED) else {
        crate::support::skipped(format!(
            "{UNPACKED} is not set, so there is no socat; scripts/test sets it where it can"
        ));
        return None;
    };
    let folder = PathBuf::from(folder);
    let lib = folder.join("usr/lib");
    let inside = fs::read_dir(&lib).into_iter().flatten().flatten().map(|entry| entry.path());
    let libraries: Vec<_> =
        inside.chain([lib.clone(), folder.join("lib")]).map(|path| path.display().to_string()).collect();
    Some((folder.join("usr/bin/socat"), libraries.join(":")))
}

/// socat with a pseudo-terminal whose near end is `link`, and a file into which it writes what comes out.
fn start((program, libraries): &(PathBuf, String), link: &Path, file: &Path) -> Child {
    let terminal = format!("PTY,link={},rawer", link.display());
    let file = format!("OPEN:{},creat,trunc", file.display());
    let mut command = Command::new(program);
    command.args(["-u", &terminal, &file]).env("LD_LIBRARY_PATH", libraries);
    command.stdin(Stdio::null()).kill_on_drop(true).spawn().expect("the unpacked program starts")
}

/// Wait until this has come out.
async fn until_text(file: &Path, expected: &str) {
    let text = || fs::read_to_string(file).unwrap_or_default();
    let came = async {
        while frames_in(&text()) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, came).await;
    assert!(frames_in(&text()) == expected, "of {} bytes {} came out", expected.len(), text().len());
}

#[tokio::test]
async fn a_terminal_of_socat_gets_every_frame_also_after_socat_was_killed() {
    let Some(package) = package() else { return };
    let story = Story::with(json!({}));
    let out = story.host.path("out");
    let mut socat = start(&package, &story.device, &out);
    let mut daemon = story.host.start();
    let sent = frames(300, 200);
    story.send(&sent[..100].concat()).await;
    until_text(&out, &sent[..100].concat()).await;
    socat.kill().await.expect("ours");
    story.send(&sent[100..200].concat()).await;
    // A killed socat leaves its link, which points to nothing now.
    daemon.until("the device to be missed", |status| device_has(status, "could not be opened")).await;
    let _ = fs::remove_file(&story.device);
    let _socat = start(&package, &story.device, &out);
    until_text(&out, &sent[100..200].concat()).await;
    story.send(&sent[200..].concat()).await;
    until_text(&out, &sent[100..].concat()).await;
    assert!(daemon.terminate().await.success());
}
