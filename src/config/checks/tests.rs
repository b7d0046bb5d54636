use super::*;
use crate::{
    config::decode,
    platform::permissions::{Owner, Rights},
};
use std::path::PathBuf;

mod told;

const PRIVATE: Rights = Rights { owner: Owner::Us, others_may_write: false, all_may_read: false };

/// The findings of the host alone, as `path: reason`.
fn found(text: &str, rights: Option<Rights>) -> Vec<String> {
    checked(text, rights, false)
}

fn checked(text: &str, rights: Option<Rights>, password_in_environment: bool) -> Vec<String> {
    checked_with(text, rights, password_in_environment, false)
}

/// `log_files`: as `validate` does, which may wait for what hangs.
fn checked_with(text: &str, rights: Option<Rights>, password_in_environment: bool, log_files: bool) -> Vec<String> {
    let file = File::parse(Path::new("c.json"), text.as_bytes().to_vec(), rights).expect("JSON");
    let (settings, findings) = decode(&file);
    assert!(findings.is_empty(), "{findings:#?}");
    said(&check(
        &settings,
        &file,
        &Checks {
            sends: Sends::AsConfigured,
            surroundings: Surroundings { password: password_in_environment, region: true, ..Surroundings::default() },
            log_files,
        },
    ))
}

/// What a machine without a name of its own is told.
const NAMELESS: &str = "names neither a `serial`";

/// Without what is said of the machine's name: only one of these stories names it.
fn said(findings: &[Finding]) -> Vec<String> {
    let findings = findings.iter().filter(|finding| !finding.why.starts_with(NAMELESS));
    findings.map(|f| format!("{} {}: {}", f.severity.as_str(), f.at, f.why)).collect()
}

#[track_caller]
fn check_one(text: &str, rights: Option<Rights>, begins: &str, contains: &str) {
    let found = found(text, rights);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(begins) && found[0].contains(contains), "{}", found[0]);
}

/// A folder with a certificate, its key, and a file with both.
struct Identity {
    _folder: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
    both: PathBuf,
}

fn identity() -> Identity {
    let folder = tempfile::tempdir().expect("a folder");
    let signed = rcgen::generate_simple_self_signed(["thing".to_owned()]).expect("a certificate");
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("our folder");
        path
    };
    Identity {
        certificate: write("c.pem", &certificate),
        key: write("k.pem", &key),
        both: write("b.pem", &format!("{certificate}{key}")),
        _folder: folder,
    }
}

fn with_certificate(value: &str) -> String {
    format!(
        r#"{{ "agent": {{ "region": "us-east-1", "authentication": {{
             "iotUrl": "h", "roleAlias": "r", "thingName": "t", "certificate": {value} }} }} }}"#
    )
}

/// What is said about certificates, apart from who may read the key.
fn errors(value: &str) -> Vec<String> {
    found(&with_certificate(value), None).into_iter().filter(|finding| finding.starts_with("error")).collect()
}

fn json(path: &Path) -> String {
    serde_json::to_string(path).expect("UTF-8")
}

const COMMAND: &str = r#"{ "agent": { "region": "us-east-1", "instance": { "command": "id" } } }"#;
const AT_COMMAND: &str = "error agent.instance.command: refused";

#[test]
fn a_command_in_a_file_that_others_may_write_is_refused() {
    check_one(COMMAND, Some(Rights { others_may_write: true, ..PRIVATE }), AT_COMMAND, "chmod go-w");
    let overruled = r#"{ "agent": { "instance": { "command": "id", "serial": "1" } } }"#;
    check_one(overruled, Some(Rights { others_may_write: true, ..PRIVATE }), AT_COMMAND, "chmod go-w");
}

#[test]
fn a_command_in_a_file_of_another_user_is_refused() {
    check_one(COMMAND, Some(Rights { owner: Owner::Other(1234), ..PRIVATE }), AT_COMMAND, "user 1234");
    assert!(found(COMMAND, Some(Rights { owner: Owner::Root, ..PRIVATE })).is_empty());
}

#[test]
fn a_file_without_a_command_may_be_anybodys() {
    let rights = Rights { owner: Owner::Other(1234), others_may_write: true, all_may_read: true };
    assert!(found("{}", Some(rights)).is_empty());
}

#[test]
fn a_machine_without_a_name_of_its_own_is_told_that_others_have_the_same() {
    let names = |text: &str, sends| {
        let file = File::parse(Path::new("c.json"), text.as_bytes().to_vec(), None).expect("JSON");
        let checks = Checks { sends, surroundings: Surroundings::default(), log_files: false };
        let findings = crate::config::finish(Ok(file), Some(&checks)).findings;
        let of_names = findings.into_iter().filter(|finding| finding.why.starts_with(NAMELESS));
        of_names.map(|finding| format!("{} {}", finding.at, finding.why)).collect::<Vec<_>>()
    };
    for text in ["{}", r#"{ "agent": { "instance": {} } }"#, r#"{ "agent": { "region": "us-east-1" } }"#] {
        let said = names(text, Sends::AsConfigured);
        assert!(said.len() == 1 && said[0].starts_with("agent.instance "), "{said:?}");
        assert!(said[0].contains("`sys-000000000000`"), "{said:?}");
    }
    let prefix = names(r#"{ "agent": { "instance": { "prefix": "rpi" } } }"#, Sends::AsConfigured);
    assert!(prefix[0].contains("`rpi-000000000000`"), "{prefix:?}");
    for named in [
        r#"{ "agent": { "instance": { "serial": "1" } } }"#,
        r#"{ "agent": { "instance": { "command": "id" } } }"#,
        r#"{ "agent": { "instance": { "comand": "id" } } }"#,
        r#"{ "agent": { "instnace": { "command": "id" } } }"#,
        r#"{ "agent": { "destination": "local" } }"#,
        r#"{ "metrics": { "metrics_collected": { "mem": { "measurement": ["used"] } } } }"#,
    ] {
        assert_eq!(names(named, Sends::AsConfigured), [""; 0], "{named}");
    }
    assert_eq!(names("{}", Sends::Nowhere), [""; 0]);
}

#[test]
fn unknown_rights_refuse_nothing() {
    assert!(found(COMMAND, None).is_empty());
}

#[test]
fn a_world_writable_file_with_a_command_is_refused_when_it_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.json");
    fs::write(&path, COMMAND).expect("our folder");
    if !permissions::set_mode(&path, 0o666) {
        return; // No modes on this system, so nothing to refuse.
    }
    let loaded = crate::config::load_checked(&path, Sends::AsConfigured);
    assert!(loaded.settings.is_none());
    assert_eq!(loaded.findings[0].at, "agent.instance.command");
    assert!(crate::config::load(&path).settings.is_some(), "decoding does not look");
    assert!(permissions::set_mode(&path, 0o644));
    assert!(crate::config::load_checked(&path, Sends::AsConfigured).settings.is_some());
}

fn cognito(more: &str) -> String {
    format!(
        r#"{{ "agent": {{ "region": "us-east-1", "authentication": {{
             "accountId": "123456789012", "userPoolId": "us-east-1_u", "appClientId": "a",
             "identityPoolId": "us-east-1:11111111-2222-3333-4444-555555555555" {more} }} }} }}"#
    )
}

#[test]
fn a_password_that_everybody_may_read_is_a_warning() {
    let text = cognito(r#", "password": "p""#);
    check_one(
        &text,
        Some(Rights { all_may_read: true, ..PRIVATE }),
        "warning agent.authentication.password:",
        "chmod o-r",
    );
    assert!(found(&text, Some(PRIVATE)).is_empty());
}

#[test]
fn a_password_file_must_be_there_and_hold_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("password");
    let text = cognito(&format!(r#", "passwordFile": {}"#, json(&path)));
    let at = "error agent.authentication.passwordFile:";
    check_one(&text, None, at, "no password can be read");
    fs::write(&path, "\nsecret\n").expect("our folder");
    assert!(found(&text, None)[0].starts_with(at));
    fs::write(&path, "secret\n").expect("our folder");
    assert!(found(&text, None).iter().all(|finding| finding.starts_with("warning")));
}

#[test]
fn no_password_anywhere_is_an_error() {
    check_one(&cognito(""), None, "error agent.authentication:", PASSWORD_VARIABLE);
    assert!(checked(&cognito(""), None, true).is_empty());
}

#[test]
fn a_certificate_and_its_key_are_found_in_one_file_or_in_two() {
    let identity = identity();
    assert_eq!(errors(&json(&identity.both)), [""; 0]);
    assert_eq!(errors(&format!("[{}, {}]", json(&identity.certificate), json(&identity.key))), [""; 0]);
}

#[test]
fn an_unreadable_certificate_is_named_once_where_it_stands() {
    let one = errors(r#""/nowhere/b.pem""#);
    assert_eq!(one.len(), 1, "{one:#?}");
    assert!(one[0].starts_with("error agent.authentication.certificate: /nowhere/b.pem cannot be read"));
    let two = errors(r#"["/nowhere/c.pem", "/nowhere/k.pem"]"#);
    assert_eq!(two.len(), 2, "{two:#?}");
    assert!(two[1].starts_with("error agent.authentication.certificate[1]: /nowhere/k.pem cannot be read"));
}

#[test]
fn a_file_without_its_pem_part_is_an_error() {
    let identity = identity();
    let swapped = errors(&format!("[{}, {}]", json(&identity.key), json(&identity.certificate)));
    assert!(swapped[0].contains("no PEM certificate") && swapped[1].contains("no PEM private key"), "{swapped:#?}");
    let keyless = errors(&json(&identity.certificate));
    assert!(keyless.len() == 1 && keyless[0].contains("no PEM private key"), "{keyless:#?}");
}

#[test]
fn a_bundle_of_authorities_must_hold_one() {
    let identity = identity();
    let text = |path: &Path| format!(r#"{{ "agent": {{ "ca_bundle": {} }} }}"#, json(path));
    check_one(&text(Path::new("/nowhere/ca")), None, "error agent.ca_bundle:", "cannot be read");
    check_one(&text(&identity.key), None, "error agent.ca_bundle:", "no PEM certificate");
    assert!(found(&text(&identity.certificate), None).is_empty());
}

#[test]
fn relative_paths_are_warned_of() {
    let text = r#"{ "agent": { "logfile": "own.log" },
                    "logs": { "logs_collected": { "files": { "collect_list": [ { "file_path": "a.log" } ] } } } }"#;
    let found = found(text, None);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("warning agent.logfile:"));
    assert!(found[1].starts_with("warning logs.logs_collected.files.collect_list[0].file_path:"));
    check_one(
        &text.replace("own.log", "/tmp/own.log").replace("a.log", "~/a.log"),
        None,
        "warning logs.",
        "`~` is not",
    );
}

/// Everything that `validate` says, decoding included.
fn all(text: &str, sends: Sends, surroundings: Surroundings) -> Vec<String> {
    let file = File::parse(Path::new("c.json"), text.as_bytes().to_vec(), None).expect("JSON");
    let loaded = crate::config::finish(Ok(file), Some(&Checks { sends, surroundings, log_files: false }));
    said(&loaded.findings)
}

#[test]
fn a_certificate_is_looked_at_beside_other_mistakes_of_its_section() {
    let text = r#"{ "agent": { "region": "us-east-1", "authentication": { "thingName": "t", "roleAlias": 5,
                    "certificate": "/nowhere/b.pem" } } }"#;
    let all = all(text, Sends::AsConfigured, Surroundings::default());
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all.iter().any(|f| f.contains("`iotUrl` is missing")), "{all:#?}");
    assert!(all.iter().any(|f| f.contains("roleAlias: expected text")), "{all:#?}");
    assert!(all.iter().any(|f| f.contains("/nowhere/b.pem cannot be read")), "{all:#?}");
}

#[test]
fn what_only_the_login_lacks_is_a_warning_where_nobody_signs_in() {
    let text = with_certificate(r#""/nowhere/b.pem""#);
    let refused = all(&text, Sends::AsConfigured, Surroundings::default());
    assert!(refused[0].starts_with("error agent.authentication.certificate:"), "{refused:#?}");
    let local = text.replace(r#""agent": {"#, r#""agent": { "destination": "local","#);
    for (text, sends) in [(&text, Sends::Nowhere), (&local, Sends::AsConfigured)] {
        let found = all(text, sends, Surroundings::default());
        assert!(found.len() == 1 && found[0].starts_with("warning agent.authentication.certificate:"), "{found:#?}");
    }
}

#[test]
fn a_key_must_belong_to_its_certificate() {
    let (one, other) = (identity(), identity());
    let mixed = errors(&format!("[{}, {}]", json(&one.certificate), json(&other.key)));
    assert!(mixed.len() == 1 && mixed[0].contains("does not belong"), "{mixed:#?}");
}

#[test]
fn a_region_that_nobody_names_is_warned_of() {
    let missing =
        |text: &str, sends, region| all(text, sends, Surroundings { region, ..Surroundings::default() }).len();
    assert_eq!(missing("{}", Sends::AsConfigured, false), 1);
    assert_eq!(missing(r#"{ "agent": { "authentication": {} } }"#, Sends::AsConfigured, false), 1);
    assert_eq!(missing(r#"{ "agent": { "regoin": "us-east-1" } }"#, Sends::AsConfigured, false), 1, "the misspelling");
    assert_eq!(missing("{}", Sends::AsConfigured, true), 0);
    assert_eq!(missing("{}", Sends::Nowhere, false), 0);
    assert_eq!(missing(r#"{ "agent": { "region": "us-east-1" } }"#, Sends::AsConfigured, false), 0);
    assert_eq!(missing(r#"{ "agent": { "destination": "local" } }"#, Sends::AsConfigured, false), 0);
    let found = all("{}", Sends::AsConfigured, Surroundings::default());
    assert!(found[0].starts_with("warning agent.region: no region is set"), "{found:#?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("our folder");
    let text = |key: &str, path: &Path| format!(r#"{{ "agent": {{ "{key}": {} }} }}"#, json(path));
    check_one(&text("state_folder", &file.join("var")), None, "error agent.state_folder:", "cannot be made");
    // Behind a file there is no folder.
    check_one(&text("logfile", &file.join("own.log")), None, "error agent.logfile:", "not a directory");
    let said = found(&text("state_folder", &file.join("var")), None);
    assert!(!said[0].contains(".writable-"), "nobody knows the file that was tried: {said:?}");
    assert!(found(&text("state_folder", &folder.path().join("a/b")), None).is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 1, "nothing is made");
}

#[test]
fn a_folder_that_takes_no_files_is_called_so() {
    if !Path::new("/proc/self").exists() {
        return; // Only Linux has such a folder.
    }
    check_one(r#"{ "agent": { "logfile": "/proc/x.log" } }"#, None, "error agent.logfile:", "/proc takes no new files");
}

#[test]
fn a_region_of_the_environment_is_checked_as_one_of_the_file() {
    let named = |name: &str| Surroundings {
        region: true,
        region_variable: Some(("AWS_REGION", name.to_owned())),
        ..Surroundings::default()
    };
    let found = all("{}", Sends::AsConfigured, named("foo bar"));
    assert!(
        found.len() == 1 && found[0].starts_with("error agent.region:") && found[0].contains("AWS_REGION"),
        "{found:?}"
    );
    assert!(all("{}", Sends::AsConfigured, named("us-east-1")).is_empty());
    assert!(all("{}", Sends::Nowhere, named("foo bar")).is_empty());
    assert!(all(r#"{ "agent": { "region": "us-east-1" } }"#, Sends::AsConfigured, named("foo bar")).is_empty());
}

#[test]
fn an_own_log_that_is_a_folder_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(r#"{{ "agent": {{ "logfile": {} }} }}"#, json(folder.path()));
    check_one(&text, None, "error agent.logfile:", "is a folder");
}

#[test]
fn a_file_that_asks_for_nothing_that_runs_is_warned_of() {
    let only_metrics = r#"{ "agent": { "region": "us-east-1" },
        "metrics": { "metrics_collected": { "mem": { "measurement": [] } } } }"#;
    let of = |text: &str| all(text, Sends::Nowhere, Surroundings::default());
    let says = |text: &str| of(text).iter().any(|f| f.starts_with("warning : there is nothing to collect"));
    assert!(says(only_metrics), "{:?}", of(only_metrics));
    assert!(!says("{}"), "the thirteen metrics");
    assert!(!says(
        r#"{ "csm": {}, "logs": { "logs_collected": { "files": { "collect_list": [ { "file_path": "/a" } ] } } } }"#
    ));
    assert!(!says(r#"{ "csm": {}, "agent": { "debug": 1 } }"#), "an error says enough");
}

#[cfg(target_os = "linux")]
#[test]
fn the_logs_of_other_systems_are_warned_of_where_they_are_asked_for() {
    let collected = |part: &str| format!(r#"{{ "logs": {{ "logs_collected": {{ {part} }} }} }}"#);
    let windows = r#""windows_events": { "collect_list": [ { "event_name": "System", "event_ids": [1] } ] }"#;
    check_one(
        &collected(windows),
        None,
        "warning logs.logs_collected.windows_events: not available here",
        "Windows only",
    );
    check_one(
        &collected(r#""unified_log": true"#),
        None,
        "warning logs.logs_collected.unified_log: not available",
        "macOS only",
    );
    let journal = r#""journal": true, "journald": { "collect_list": [ { "log_group_name": "g" } ] }"#;
    assert!(found(&collected(journal), None).is_empty());
}
