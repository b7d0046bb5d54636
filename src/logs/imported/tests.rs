//! Which offsets of other programs are believed, and where reading goes on otherwise.
use super::*;
use crate::model::Fingerprint;
use flate2::{Compression, write::GzEncoder};
use md5::{Digest, Md5};
use rusqlite::Connection;
use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

/// A folder with logs and one with the agent's state.
struct Host {
    logs: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        Self { logs: folder(), state: folder() }
    }

    fn log(&self, name: &str, text: &str) -> PathBuf {
        let path = self.logs.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// The agent has delivered so much of the file, this many seconds from now.
    fn agent(&self, path: &Path, state: &str, seconds: i64) {
        let name = path.to_str().expect("Unicode").replace('/', "_");
        let file = File::create(self.state.path().join(name)).expect("made");
        io::Write::write_all(&mut &file, state.as_bytes()).expect("written");
        let by = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        file.set_modified(if seconds < 0 { now - by } else { now + by }).expect("ours");
    }

    fn found(&self, path: &Path, targets: &[&str]) -> Vec<FilePosition> {
        let wanted = |asked: &Path| targets.iter().filter(|_| asked == path).map(|&t| t.to_owned()).collect();
        let wanted = Wanted { targets: &wanted, named: &[path.to_owned()] };
        let found = agent::positions(self.state.path(), wanted).expect("readable");
        found.into_iter().map(|imported| imported.position).collect()
    }
}

#[test]
fn a_file_goes_on_where_the_agent_stopped_for_each_of_its_targets() {
    let host = Host::new();
    let path = host.log("app log", "one\ntwo\nthree\n");
    // Colons and spaces are escaped too; the second line says what the name cannot.
    host.agent(&path, &format!("8\n{}\n0-8", path.display()), 1);
    let found = host.found(&path, &["g:a", "g:b"]);
    let targets: Vec<_> = found.iter().map(|position| &*position.target).collect();
    assert_eq!(targets, ["g:a", "g:b"]);
    let expected = FilePosition { target: "g:a".into(), ..found[1].clone() };
    assert_eq!(found[0], expected);
    assert_eq!((found[0].offset, found[0].before), (8, Fingerprint::of(b"one\ntwo\n")));
    assert_eq!(found[0].identity.head, Fingerprint::of(b"one\ntwo\nthree\n"));
}

#[test]
fn a_state_without_a_name_belongs_to_the_path_that_its_own_name_is_made_of() {
    let host = Host::new();
    let path = host.log("app.log", "one\ntwo\n");
    host.agent(&path, "4", 1);
    assert_eq!(host.found(&path, &["g:s"])[0].offset, 4);
    assert_eq!(host.found(&host.logs.path().join("other.log"), &["g:s"]), []);
}

#[test]
fn an_offset_amid_a_line_is_not_believed() {
    let host = Host::new();
    let path = host.log("app.log", "one\ntwo\n");
    host.agent(&path, &format!("6\n{}", path.display()), 1);
    assert_eq!(host.found(&path, &["g:s"])[0].offset, 0);
    // Two bytes a character, the low one first.
    fs::write(&path, "o\0\n\0t\0\n\0").expect("written");
    host.agent(&path, &format!("4\n{}", path.display()), 1);
    assert_eq!(host.found(&path, &["g:s"])[0].offset, 4);
}

/// As gzip does: the compressed file is as old as the original, which is gone.
fn gzip(path: &Path) -> PathBuf {
    let (text, data) = (fs::read(path).expect("there"), fs::metadata(path).expect("there"));
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let mut encoder = GzEncoder::new(File::create(&packed).expect("made"), Compression::fast());
    io::Write::write_all(&mut encoder, &text).expect("written");
    encoder.finish().and_then(|file| file.set_modified(data.modified()?)).expect("written");
    fs::remove_file(path).expect("ours");
    packed
}

#[test]
fn a_file_that_was_renamed_and_compressed_since_is_read_on() {
    let host = Host::new();
    let path = host.log("app.log", "");
    host.agent(&path, &format!("8\n{}", path.display()), -60);
    let packed = gzip(&host.log("app.log.1", "one\ntwo\nthree\n"));
    host.log("app.log", "new\nand longer\n");
    let found = host.found(&path, &["g:s"]);
    assert_eq!((found[0].offset, found[0].before), (8, Fingerprint::of(b"one\ntwo\n")));
    assert_eq!(found[0].identity.head, Fingerprint::of(b"one\ntwo\nthree\n"));
    assert_eq!(found[0].identity.inode, crate::platform::files::stat(&packed).expect("there").id.inode);
    // While it is being compressed the original is read.
    host.log("app.log.1", "one\ntwo\nthree\n");
    let found = host.found(&path, &["g:s"]);
    assert_ne!(found[0].identity.inode, crate::platform::files::stat(&packed).expect("there").id.inode);
}

#[test]
fn a_compressed_file_in_which_no_line_begins_there_is_not_the_one_that_was_read() {
    let host = Host::new();
    let path = host.log("app.log", "");
    host.agent(&path, &format!("8\n{}", path.display()), -60);
    gzip(&host.log("app.log.1", "short\n"));
    gzip(&host.log("app.log.2", "of other lines\n"));
    host.log("app.log", "new\nand longer\n");
    assert_eq!(host.found(&path, &["g:s"])[0].offset, 0);
}

#[test]
fn what_cannot_be_told_is_sent_from_its_beginning() {
    let host = Host::new();
    let path = host.log("app.log", "new\n");
    host.agent(&path, &format!("400\n{}", path.display()), 1);
    let found = host.found(&path, &["g:s"]);
    assert_eq!((found.len(), found[0].offset), (1, 0), "and not from its end, whatever the configuration says");
    fs::remove_file(&path).expect("removed");
    assert_eq!(host.found(&path, &["g:s"]), []);
    host.agent(&path, "", 1);
    host.log("app.log", "new\n");
    assert_eq!(host.found(&path, &["g:s"]), [], "an empty state says nothing");
}

#[test]
fn a_folder_of_the_agent_that_is_not_there_says_nothing() {
    let wanted = Wanted { targets: &|_| vec!["g:s".into()], named: &[] };
    assert_eq!(agent::positions(Path::new("/no/such/folder"), wanted).expect("nothing"), []);
}

/// A host of awslogs: its configuration names `app.log` in a section `[app]`, and all `dated` logs in another one.
fn old_host(states: &[(&str, &str, &str)]) -> (Host, PathBuf) {
    let host = Host::new();
    let path = host.logs.path().join("app.log");
    let folder = host.logs.path().display();
    let text = format!(
        "[general]\nstate_file = /not/this/one\n# a comment\n\n[app]\nfile = {folder}/app.log\nlog_group_name = /g\n\
         log_stream_name = {{instance_id}}-app\ndatetime_format = %b %d:%H\n\n[dated]\nfile: {folder}/dated-*.log\n\
         log_group_name: /g\nlog_stream_name: dated\nfile_fingerprint_lines = 2-3\n[app]\nfile = /other\n"
    );
    fs::write(host.state.path().join("awslogs.conf"), text).expect("written");
    let database = Connection::open(host.state.path().join("agent-state")).expect("made");
    for table in ["push_state", "stream_state"] {
        database.execute(&format!("CREATE TABLE {table} (k TEXT PRIMARY KEY, v TEXT)"), []).expect("made");
    }
    for (table, key, json) in states {
        database.execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), [key, json]).expect("written");
    }
    (host, path)
}

fn old_found(host: &Host, path: &Path, targets: &[&str]) -> Vec<(String, u64)> {
    let wanted = |asked: &Path| targets.iter().filter(|_| asked == path).map(|&t| t.to_owned()).collect();
    let wanted = Wanted { targets: &wanted, named: &[path.to_owned()] };
    let found = awslogs::positions(&awslogs::Places::in_folder(host.state.path()), wanted).expect("readable");
    found.into_iter().map(|imported| (imported.position.target.to_string(), imported.position.offset)).collect()
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_file_goes_on_at_the_last_batch_of_awslogs_which_may_not_have_arrived() {
    let batch = r#"{"source_id": "x", "start_position": 4, "end_position": 8, "sequence_token": null}"#;
    let (host, path) = old_host(&[("push_state", &md5("appone\n"), batch)]);
    host.log("app.log", "one\ntwo\nthree\n");
    let targets = ["/g:i-1-app", "/g:other", "/h:i-1-app"];
    assert_eq!(old_found(&host, &path, &targets), [("/g:i-1-app".to_owned(), 4)], "only its own group and stream");
    host.log("app.log", "another first line\n");
    assert_eq!(old_found(&host, &path, &targets), [], "it never read this file");
}

#[test]
fn a_file_that_awslogs_followed_from_its_end_goes_on_from_there() {
    let first = format!(r#"{{"source_id": "{}", "initial_position": 8}}"#, md5("appone\n"));
    let (host, path) = old_host(&[("stream_state", "app", &first)]);
    host.log("app.log", "one\ntwo\nthree\n");
    assert_eq!(old_found(&host, &path, &["/g:s-app"]), [("/g:s-app".to_owned(), 8)]);
}

#[test]
fn a_fingerprint_of_other_lines_and_a_pattern_of_files_are_understood() {
    let batch = r#"{"start_position": 12, "end_position": 20}"#;
    let (host, _) = old_host(&[("push_state", &md5("datedtwo\nthree\n"), batch)]);
    let path = host.log("dated-1.log", "one\ntwo\nthree\nfour\n");
    assert_eq!(old_found(&host, &path, &["/g:dated"]), [("/g:dated".to_owned(), 0)], "amid a line: from the beginning");
    let (host, _) = old_host(&[("push_state", &md5("datedtwo\nthree\n"), &batch.replace("12", "14"))]);
    let path = host.log("dated-1.log", "one\ntwo\nthree\nfour\n");
    assert_eq!(old_found(&host, &path, &["/g:dated"]), [("/g:dated".to_owned(), 14)]);
}

#[test]
fn files_that_both_patterns_mean_are_found_without_being_named() {
    let batch = r#"{"start_position": 4, "end_position": 8}"#;
    let (host, _) = old_host(&[("push_state", &md5("datedtwo\nthree\n"), batch)]);
    let path = host.log("dated-1.log", "one\ntwo\nthree\nfour\n");
    host.log("other.log", "one\ntwo\nthree\n");
    let targets = |found: &Path| if found == path { vec!["/g:dated".to_owned()] } else { Vec::new() };
    let places = awslogs::Places::in_folder(host.state.path());
    let found = awslogs::positions(&places, Wanted { targets: &targets, named: &[] }).expect("readable");
    assert_eq!(found.iter().map(|one| &*one.position.path).collect::<Vec<_>>(), [path.as_path()]);
}

#[test]
fn a_file_that_was_rotated_since_awslogs_stopped_is_read_on() {
    let batch = r#"{"start_position": 4, "end_position": 8}"#;
    let (host, path) = old_host(&[("push_state", &md5("appone\n"), batch)]);
    host.log("app.log.1", "one\ntwo\nthree\n");
    host.log("app.log", "new\n");
    assert_eq!(old_found(&host, &path, &["/g:s-app"]), [("/g:s-app".to_owned(), 4)]);
    gzip(&host.logs.path().join("app.log.1"));
    assert_eq!(old_found(&host, &path, &["/g:s-app"]), [("/g:s-app".to_owned(), 4)], "and compressed");
}

#[test]
fn what_is_no_database_is_an_error_and_none_at_all_is_not() {
    let (host, path) = old_host(&[]);
    host.log("app.log", "one\n");
    assert_eq!(old_found(&host, &path, &["/g:s-app"]), []);
    let places = awslogs::Places::in_folder(host.state.path());
    let wanted = Wanted { targets: &|_| vec!["/g:s-app".into()], named: &[path] };
    fs::write(host.state.path().join("agent-state"), "no database, but long enough to be looked at ".repeat(40))
        .expect("written");
    assert!(awslogs::positions(&places, wanted).expect_err("none").to_string().contains("agent-state"));
    fs::remove_file(host.state.path().join("agent-state")).expect("removed");
    assert_eq!(awslogs::positions(&places, wanted).expect("nothing"), []);
}
