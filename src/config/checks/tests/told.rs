//! What would only be seen when it runs, or not at all.
use super::*;

#[test]
fn what_would_be_refused_or_do_nothing_at_the_run_is_told_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own.log");
    let text = serde_json::json!({
        "agent": { "logfile": own, "debug": true, "import_state": folder.path().join("none") },
        "logs": {
            "logs_collected": { "files": { "collect_list": [{ "file_path": own }] } },
            "metrics_collected": { "emf": { "socket": folder.path().join("no/emf.sock") } },
        },
    });
    let found = found(&text.to_string(), Some(PRIVATE));
    let told = |at: &str, why: &str| found.iter().any(|said| said.starts_with(at) && said.contains(why));
    assert!(told("warning agent.import_state:", "is no folder here"), "{found:#?}");
    assert!(
        told("warning logs.logs_collected.files.collect_list[0].file_path:", "is the daemon's own log"),
        "{found:#?}"
    );
    assert!(told("warning logs.metrics_collected.emf.socket:", "there is no folder"), "{found:#?}");
    assert!(told("note logs.metrics_collected.emf:", "documents that name none themselves are refused"), "{found:#?}");
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn a_path_that_json_made_something_else_of_is_told_so() {
    let text = r#"{ "logs": { "logs_collected": { "files": { "collect_list": [{ "file_path": "C:\temp\new.log" }, { "file_path": "/x/a.log " }] } } } }"#;
    let found = found(text, Some(PRIVATE));
    assert!(
        found.len() == 2 && found[0].contains("has a tab in it") && found[1].contains("ends with a blank"),
        "{found:#?}"
    );
}

#[test]
fn a_section_that_stands_twice_is_not_asked_what_the_other_one_says() {
    let text = r#"{ "agent": { "region": "us-east-1" }, "agent": { "debug": true } }"#;
    let all = all(text, Sends::AsConfigured, Surroundings::default());
    assert!(all.iter().any(|said| said.contains("keep one of the two")), "{all:#?}");
    assert!(!all.iter().any(|said| said.contains("no region")), "{all:#?}");
}

#[test]
fn folders_that_have_no_say_are_not_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("ours");
    let (state, store) = (file.join("var"), file.join("store"));
    let text = serde_json::json!({ "agent": { "state_folder": state }, "local": { "folder": store } }).to_string();
    let said = |sends| all(&text, sends, Surroundings::default()).iter().filter(|said| said.contains("folder")).count();
    assert_eq!(said(Sends::Nowhere), 2);
    assert_eq!(said(Sends::Elsewhere), 0, "the command line names another one");
}

#[test]
fn a_program_of_exec_that_cannot_be_run_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, none) = (folder.path().join("here"), folder.path().join("none"));
    fs::write(&here, "").expect("ours");
    let said = |command: serde_json::Value| {
        let text = serde_json::json!({ "metrics": { "metrics_collected": { "exec": [{ "command": command }] } } });
        assert_eq!(found(&text.to_string(), Some(PRIVATE)), [""; 0], "a start does not look, as that may hang");
        let mut said = checked_with(&text.to_string(), Some(PRIVATE), false, true);
        said.retain(|said| !said.contains(NAMELESS));
        said
    };
    let at = "warning metrics.metrics_collected.exec[0].command";
    for (command, whose) in [
        (serde_json::json!([none, "x"]), "[0]: there is no program "),
        (serde_json::json!(format!("{} --all | wc -l", none.display())), ": there is no program "),
        (serde_json::json!([folder.path()]), "[0]: this is a folder and no program"),
    ] {
        let said = said(command);
        assert!(said.len() == 1 && said[0].starts_with(&format!("{at}{whose}")), "{said:#?}");
    }
    if crate::platform::permissions::set_mode(&here, 0o644) {
        let said = said(serde_json::json!([here]));
        assert!(said.len() == 1 && said[0].contains("nobody may execute"), "{said:#?}");
        crate::platform::permissions::set_mode(&here, 0o755);
    }
    for sound in [serde_json::json!([here]), serde_json::json!(["no-such-program"]), serde_json::json!("/$HOME/x")] {
        assert!(said(sound.clone()).is_empty(), "{sound}");
    }
}

#[test]
fn the_files_of_the_login_of_another_system_lie_below_its_root() {
    let system = tempfile::tempdir().expect("a folder");
    fs::create_dir(system.path().join("etc")).expect("ours");
    let said = |certificate: &str| {
        let text = with_certificate(certificate);
        all(&text, Sends::AsConfigured, Surroundings { root: Some(system.path().into()), ..Surroundings::default() })
    };
    let wrong = said(r#""/etc/own.pem""#);
    let place = system.path().join("etc/own.pem");
    assert!(wrong.iter().any(|finding| finding.contains(&place.display().to_string())), "{wrong:#?}");
    fs::copy(identity().both, &place).expect("ours");
    assert!(said(r#""/etc/own.pem""#).iter().all(|finding| !finding.starts_with("error")));
    fs::write(system.path().join("etc/password"), "geheim").expect("ours");
    let text = cognito(r#", "passwordFile": "/etc/password""#);
    let found =
        all(&text, Sends::AsConfigured, Surroundings { root: Some(system.path().into()), ..Surroundings::default() });
    assert!(found.iter().all(|finding| !finding.contains("no password")), "{found:#?}");
}
