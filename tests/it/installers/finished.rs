//! With a finished configuration, as `deploy --configs` leaves it: given to the installer, or copied by hand.
use super::*;
use std::os::unix::fs::symlink;

const ETC: &str = "/opt/aws/amazon-cloudwatch-publisher/etc";
const PEM: &str = "opt/aws/amazon-cloudwatch-publisher/etc/rpi-0123.pem";

/// What a machine signs in with by certificate; its key lies at this place.
fn of_certificate(certificate: &str, more: &str) -> String {
    format!(
        r#"{{ "agent": {{ "region": "eu-west-1", "instance": {{ "prefix": "rpi", "serial": "0123" }}, "authentication": {{
             "iotUrl": "abc.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "alias", "thingName": "rpi-0123",
             "certificate": "{certificate}" }} }}{more} }}"#
    )
}

fn pem() -> String {
    let signed = rcgen::generate_simple_self_signed(["rpi-0123".to_owned()]).expect("a certificate");
    format!("{}{}", signed.cert.pem(), signed.signing_key.serialize_pem())
}

impl Machine {
    /// The folder of `deploy --configs`, beside the system.
    fn deployed() -> Self {
        let machine = Self::linux();
        machine.write("finished/rpi-0123.json", &of_certificate(&format!("{ETC}/rpi-0123.pem"), ""));
        machine.write("finished/rpi-0123.pem", &pem());
        for name in ["finished/rpi-0123.json", "finished/rpi-0123.pem"] {
            fs::set_permissions(machine.path(name), PermissionsExt::from_mode(0o600)).expect("ours");
        }
        machine
    }

    fn install_finished(&self) -> Output {
        self.install(&["--config", "finished/rpi-0123.json"])
    }

    /// Mode and owner that only the group of the service shares with root.
    #[track_caller]
    fn is_for_the_service(&self, name: &str) {
        assert_eq!(self.rights(name), (0o640, if is_root() { "root:service" } else { "ours" }), "{name}");
    }
}

#[test]
fn a_finished_configuration_is_installed_as_it_is_with_its_key_and_nothing_is_asked() {
    let machine = Machine::deployed();
    let said = done(&machine.install_finished());
    assert!(!said.contains("PRIVATE KEY"), "{said}");
    for (from, to) in [("finished/rpi-0123.json", CONFIG), ("finished/rpi-0123.pem", PEM)] {
        assert_eq!(machine.read(to), fs::read_to_string(machine.path(from)).expect("ours"));
        machine.is_for_the_service(to);
    }
    // Once more changes nothing; another one replaces it, and what was there stays for root.
    let before = machine.listing();
    assert!(!done(&machine.install_finished()).contains("Kept what was in"));
    assert_eq!(machine.listing(), before);
    let (old, old_pem) = (machine.read(CONFIG), machine.read(PEM));
    machine.write("finished/rpi-0123.json", &of_certificate(&format!("{ETC}/rpi-0123.pem"), r#", "metrics": {}"#));
    machine.write("finished/rpi-0123.pem", &pem());
    let said = done(&machine.install_finished());
    assert!(said.contains("amazon-cloudwatch-publisher.json.old") && said.contains("rpi-0123.pem.old"), "{said}");
    for (name, was) in [(CONFIG, old), (PEM, old_pem)] {
        assert_ne!(machine.read(name), was);
        machine.is_for_the_service(name);
        assert_eq!(machine.read(&format!("{name}.old")), was);
        assert_eq!(machine.rights(&format!("{name}.old")), (0o600, if is_root() { "root" } else { "ours" }));
    }
    // Removed, they stay for root alone, and serve the next installation; or they go, and nothing stays.
    done(&machine.uninstall(&["--yes"]));
    for name in [CONFIG, PEM] {
        assert_eq!(machine.rights(name), (0o600, if is_root() { "root" } else { "ours" }));
    }
    done(&machine.install(&["--yes"]));
    machine.is_for_the_service(PEM);
    done(&machine.uninstall(&["--yes", "--remove-state"]));
    assert!(!machine.path(&format!("root/{HOME}")).exists());
}

#[test]
fn a_finished_configuration_that_could_not_run_changes_nothing() {
    let machine = Machine::deployed();
    let config = |name: &str, text: &str| machine.write(&format!("finished/{name}.json"), text);
    config("lost", &config_of("lost"));
    config("broken", "{");
    config("stranger", &config_of("stranger"));
    machine.write("finished/stranger.pem", "no PEM");
    config("elsewhere", &of_certificate("/etc/ssl/none.pem", ""));
    let before = machine.listing();
    for (name, why) in [
        ("none", "none.json, the finished configuration, is not there"),
        ("lost", "signs in with /opt/aws/amazon-cloudwatch-publisher/etc/lost.pem, which is neither"),
        ("broken", "before all its quotes and brackets are closed"),
        ("stranger", "in /opt/aws/amazon-cloudwatch-publisher/etc/stranger.pem"),
        ("elsewhere", "/etc/ssl/none.pem"),
    ] {
        let said = refused(&machine.install(&["--config", &format!("finished/{name}.json")]), 1);
        assert!(said.contains(why), "{why} in {said}");
        assert_eq!((machine.listing(), machine.calls()), (before.clone(), String::new()), "{said}");
    }
    for more in [
        &["--region", "eu-west-1"][..],
        &["--template", "finished/rpi-0123.json"],
        &["--no-login"],
        &["--password-file", "password"],
        &["--serial", "17"],
    ] {
        let said = refused(&machine.install(&[&["--config", "finished/rpi-0123.json"], more].concat()), 2);
        assert!(said.contains("is finished: leave out") && said.contains(more[0]), "{said}");
    }
}

/// Of a machine of this name.
fn config_of(name: &str) -> String {
    of_certificate(&format!("{ETC}/{name}.pem"), "")
}

#[test]
fn what_was_copied_by_hand_is_given_to_the_group_of_the_service_with_its_key() {
    let machine = Machine::deployed();
    for (from, to) in [("finished/rpi-0123.json", CONFIG), ("finished/rpi-0123.pem", PEM)] {
        machine.write(&format!("root/{to}"), &fs::read_to_string(machine.path(from)).expect("ours"));
        fs::set_permissions(machine.path(&format!("root/{to}")), PermissionsExt::from_mode(0o600)).expect("ours");
    }
    let said = done(&machine.install(&["--yes"]));
    assert!(said.contains("Let the group cwpublisher read") && said.contains("Keeping the configuration"), "{said}");
    machine.is_for_the_service(CONFIG);
    machine.is_for_the_service(PEM);
    assert!(!done(&machine.install(&["--yes"])).contains("Let the group"), "once is enough");
}

#[test]
fn a_key_of_somebody_else_that_the_service_may_not_read_stops_the_installation_before_anything_is_replaced() {
    let machine = Machine::deployed();
    machine.write("root/etc/ssl/own.pem", &pem());
    machine.write(&format!("root/{CONFIG}"), &of_certificate("/etc/ssl/own.pem", ""));
    let place = machine.path("root/etc/ssl/own.pem");
    fs::set_permissions(&place, PermissionsExt::from_mode(0o600)).expect("ours");
    let said = refused(&machine.install(&["--yes"]), 1);
    let hint = format!(
        "sudo chown :cwpublisher '{0}' && sudo chmod g+r '{0}'",
        place.canonicalize().expect("there").display()
    );
    assert!(said.contains("may not read") && said.contains(&hint), "{said}");
    assert!(!machine.path(&format!("root/{PROGRAM}")).exists());
    // A link in etc leads to what is somebody else's, too.
    machine.write(&format!("root/{CONFIG}"), &config_of("rpi-0123"));
    symlink(&place, machine.path(&format!("root/{PEM}"))).expect("ours");
    refused(&machine.install(&["--yes"]), 1);
    assert_eq!(machine.rights("etc/ssl/own.pem").0, 0o600);
    fs::set_permissions(&place, PermissionsExt::from_mode(0o644)).expect("ours");
    done(&machine.install(&["--yes"]));
    assert_eq!(machine.rights("etc/ssl/own.pem").0, 0o644);
}

#[test]
fn an_upgrade_shows_what_validate_warns_of() {
    let machine = Machine::linux();
    machine.write(&format!("root/{CONFIG}"), r#"{ "agnt": {}, "agent": { "region": "eu-west-1" } }"#);
    let said = done(&machine.install(&["--yes"]));
    assert!(said.contains("warning: agnt: ") && said.contains("did you mean `agent`?"), "{said}");
}

/// What the installer does on the machine itself, with a tool that pretends to be the service's user.
#[test]
fn what_root_may_read_and_the_user_of_the_service_may_not_is_found_before_the_service_is_started() {
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let machine = Machine::bare();
    let as_user = |script: &str| {
        machine.program("bin/runuser", script);
        let steps = "user=u group=g here=$1; . \"$1/installation.bash\"; account=871:871 scratch=$STORY; : >\"$scratch/shown\"; check_as_service";
        let installers = Path::new(env!("CARGO_MANIFEST_DIR")).join("installers");
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", steps, "story"]).arg(installers).env("STORY", machine.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", machine.path("bin").display())).output().expect("bash")
    };
    let calls = "printf '%s\\n' \"runuser $*\" >>\"$STORY/calls\"";
    let said =
        refused(&as_user(&format!("#!/bin/sh\n{calls}\necho 'c.json:1:1: error: k.pem cannot be read'\nexit 78\n")), 1);
    assert!(said.contains("k.pem cannot be read") && said.contains("sudo -u u "), "{said}");
    assert!(machine.calls().contains(&format!("runuser -u u -- /{PROGRAM} validate /{CONFIG}")), "{}", machine.calls());
    let said = done(&as_user("#!/bin/sh\necho 'c.json:1:1: warning: logs: a.log cannot be read'\n"));
    assert!(said.contains("a.log cannot be read"), "{said}");
}
