//! On Linux: what is there after an installation, and after a second one; what is refused.
use super::*;
use serde_json::json;

#[test]
fn a_new_machine_has_program_configuration_service_and_a_user_who_may_do_little() {
    let machine = Machine::linux();
    let said = done(&machine.install_with_login(&[]));
    assert!(!said.contains(PASSWORD) && !machine.calls().contains("ge/h"), "{said}");
    let expected = json!({
        "accountId": "123456789012",
        "userPoolId": "eu-west-1_AbCdEf123",
        "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
        "appClientId": "1abc2def",
        "password": PASSWORD,
    });
    let config = machine.config();
    assert_eq!((&config["agent"]["authentication"], &config["agent"]["region"]), (&expected, &json!("eu-west-1")));
    assert_eq!(config["agent"]["instance"]["prefix"], "linux");
    assert_eq!(machine.groups(), ["adm", "systemd-journal"]);
    let user = "--system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin";
    assert!(machine.calls().contains(user), "{}", machine.calls());
    assert!(machine.calls().contains("enable amazon-cloudwatch-publisher"), "{}", machine.calls());
    let unit = machine.read(UNIT);
    assert!(unit.contains("User=cwpublisher") && unit.contains(&format!("ExecStart=/{PROGRAM} run")), "{unit}");
    let link = fs::read_link(machine.path(&format!("root/{LINK}"))).expect("a link");
    assert_eq!(link, Path::new("/").join(PROGRAM));
    for (name, mode, whose) in [
        (HOME.to_owned(), 0o755, "root"),
        (format!("{HOME}/bin"), 0o755, "root"),
        (format!("{HOME}/etc"), 0o755, "root"),
        (format!("{HOME}/logs"), 0o750, "service"),
        (format!("{HOME}/var"), 0o750, "service"),
        (PROGRAM.to_owned(), 0o755, "root"),
        (format!("{HOME}/bin/uninstall"), 0o755, "root"),
        (CONFIG.to_owned(), 0o640, "root:service"),
    ] {
        let whose = if is_root() { whose } else { "ours" };
        assert_eq!(machine.rights(&name), (mode, whose), "{name}");
    }
    let left: Vec<_> = fs::read_dir(machine.folder.path()).expect("ours").flatten().map(|e| e.file_name()).collect();
    assert!(left.len() == 5, "nothing temporary stays, which might hold the password: {left:?}");
}

#[test]
fn the_configuration_starts_from_what_fits_the_machine_or_was_named() {
    let raspberry = Machine::linux();
    raspberry.write("root/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
    done(&raspberry.install_with_login(&[]));
    let config = raspberry.config();
    assert_eq!(config["agent"]["instance"]["prefix"], "rpi");
    assert!(config["agent"]["instance"]["command"].as_str().is_some_and(|command| command.contains("/proc/cpuinfo")));
    let named = Machine::linux();
    named.write("own.json", r#"{ "agent": { "instance": { "prefix": "own", "command": "false" } }, "logs": {} }"#);
    done(&named.install_with_login(&["--template", "own.json", "--serial", "17"]));
    assert_eq!(named.config()["agent"]["instance"], json!({ "prefix": "own", "serial": "17" }));
    let alone = Machine::linux();
    done(&alone.install(&["--no-login", "--region=eu-west-1", "--yes"]));
    assert_eq!(alone.config()["agent"]["authentication"], Value::Null);
}

#[test]
fn the_values_may_be_in_the_environment() {
    let machine = Machine::linux();
    let mut installer = machine.installer("install-rpi.bash", &["--yes"]);
    for (name, value) in [
        ("REGION", "eu-west-1"),
        ("ACCOUNT_ID", "123456789012"),
        ("USER_POOL_ID", "eu-west-1_AbC"),
        ("IDENTITY_POOL_ID", "eu-west-1:11111111-2222-3333-4444-555555555555"),
        ("APP_CLIENT_ID", "1abc2def"),
        ("PASSWORD", PASSWORD),
    ] {
        installer.env(format!("CWPUBLISHER_{name}"), value);
    }
    done(&installer.output().expect("bash"));
    assert_eq!(machine.config()["agent"]["authentication"]["password"], PASSWORD);
}

#[test]
fn a_second_run_upgrades_and_keeps_configuration_and_state() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    let config = machine.read(CONFIG).replace("300", "60");
    machine.write(&format!("root/{CONFIG}"), &config);
    machine.write(&format!("root/{HOME}/var/positions"), "17");
    // What an older version of it said of itself.
    machine.program(&format!("root/{PROGRAM}"), "#!/bin/sh\necho amazon-cloudwatch-publisher 0.0.1\n");
    let running = fs::File::open(machine.path(&format!("root/{PROGRAM}"))).expect("there");
    let before = machine.listing();
    let said = done(&machine.install(&["--yes"]));
    let version = env!("CARGO_PKG_VERSION");
    assert!(said.contains(&format!("version {version}, before: 0.0.1")), "{said}");
    assert!(said.contains("Keeping the configuration"), "{said}");
    assert_eq!((machine.read(CONFIG), machine.read(&format!("{HOME}/var/positions"))), (config, "17".to_owned()));
    assert_eq!(machine.listing(), before);
    assert_eq!(machine.groups(), ["adm", "systemd-journal"]);
    assert_eq!(machine.calls().matches("useradd").count(), 1);
    // One that runs goes on running: another file is in its place.
    assert_eq!(running.metadata().expect("open").nlink(), 0);
    assert!(machine.read(PROGRAM).contains("exec"));
}

#[test]
fn a_user_who_may_become_root_loses_that_and_keeps_its_other_groups() {
    let machine = Machine::linux();
    machine
        .write("root/etc/passwd", "root:x:0:0::/root:/bin/bash\ncwpublisher:x:871:871::/home/cwpublisher:/bin/bash\n");
    let table = "root:x:0:\nadm:x:4:syslog\nsudo:x:27:pi,cwpublisher\nwww-data:x:33:cwpublisher\ncwpublisher:x:871:\n";
    machine.write("root/etc/group", table);
    let said = done(&machine.install_with_login(&[]));
    assert!(said.contains("out of the group sudo"), "{said}");
    assert_eq!(machine.groups(), ["adm", "www-data"]);
    assert!(machine.read("etc/group").contains("sudo:x:27:pi\n"));
}

#[test]
fn the_publisher_written_in_python_is_replaced_and_its_configuration_kept() {
    for folder in ["etc", "lib"] {
        let machine = Machine::linux();
        let old = "[Service]\nExecStart=/usr/bin/python3 /opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher\n";
        machine.write(&format!("root/{folder}/systemd/system/amazon-cloudwatch-publisher.service"), old);
        fs::create_dir_all(machine.path("root/etc/systemd/system")).expect("a folder");
        // It would run, and never end.
        machine.write(&format!("root/{PROGRAM}"), "#!/usr/bin/env python3\nimport time; time.sleep(1000)\n");
        let config = r#"{ "agent": { "instance": { "serial": "1" }, "region": "us-east-1" } }"#;
        machine.write(&format!("root/{CONFIG}"), config);
        let said = done(&machine.install(&["--yes"]));
        assert!(said.contains("written in Python is installed here"), "{said}");
        assert!(said.contains("before: an older publisher"), "{said}");
        assert!(machine.read(UNIT).contains("Type=notify") && machine.read(CONFIG) == config);
        assert!(!machine.path("root/lib/systemd/system/amazon-cloudwatch-publisher.service").exists());
        assert_eq!(machine.rights(CONFIG).0, 0o640);
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let machine = Machine::linux();
    machine.write("broken.json", "{");
    machine.program("foreign", "#!/bin/sh\necho cannot execute binary file >&2\nexit 126\n");
    let before = machine.listing();
    let with = |more: &[&str]| machine.install(&[LOGIN, &["--password-file", "password"], more].concat());
    for (output, code, why) in [
        (machine.install(&["--yes"]), 1, "User Pool ID (--user-pool-id or CWPUBLISHER_USER_POOL_ID)"),
        (with(&["--account-id", "12"]), 1, "--account-id"),
        (machine.install(&["--no-login", "--region", "Frankfurt"]), 1, "no name of a region"),
        (with(&["--template", "broken.json"]), 1, "it ends too early"),
        (with(&["--template", "none.json"]), 1, "none.json, the template of the configuration, is not there"),
        (with(&["--program", "foreign"]), 1, "foreign does not start on this machine"),
        (with(&["--password", "geheim"]), 2, "everybody on this machine sees arguments"),
        (with(&["--sudo"]), 2, "--sudo is not known"),
        (with(&["--region"]), 2, "--region needs a value"),
    ] {
        let said = refused(&output, code);
        assert!(said.contains(why), "{why} in {said}");
        assert_eq!((machine.listing(), machine.calls()), (before.clone(), String::new()), "{said}");
    }
}

#[test]
fn a_configuration_that_cannot_run_with_the_new_version_stops_the_upgrade() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    machine.write(&format!("root/{CONFIG}"), r#"{ "agent": { "debug": 17 } }"#);
    machine.program(&format!("root/{PROGRAM}"), "#!/bin/sh\necho old\n");
    let said = refused(&machine.install(&["--yes"]), 1);
    assert!(said.contains("agent.debug") && said.contains("nothing was changed"), "{said}");
    assert!(machine.read(PROGRAM).contains("echo old"));
}

#[test]
fn who_is_not_asked_to_start_anything_starts_nothing() {
    let machine = Machine::linux();
    let said = done(&machine.install_with_login(&["--no-start"]));
    assert!(said.contains("Nothing was started"), "{said}");
    assert!(!machine.calls().contains("systemctl start") && !machine.calls().contains("restart"));
    assert!(done(&machine.install(&["--help"])).contains("--password-file FILE"));
}
