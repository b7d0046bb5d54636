//! What is gone after a removal, and what stays.
use super::*;

#[test]
fn nothing_is_left_where_nothing_is_to_be_kept() {
    let machine = Machine::linux();
    fs::create_dir_all(machine.path("root/etc/systemd/system")).expect("a folder");
    let (before, groups) = (machine.listing(), machine.read("etc/group"));
    done(&machine.install_with_login(&[]));
    machine.write(&format!("root/{HOME}/var/positions"), "17");
    machine.write(&format!("root/{HOME}/logs/amazon-cloudwatch-publisher.log"), "x");
    done(&machine.uninstall(&["--yes", "--remove-state"]));
    assert_eq!((machine.listing(), machine.read("etc/group")), (before.clone(), groups));
    // The script of the installer does the same, and does no harm where nothing is installed.
    let again = machine.script(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("installers/install-rpi.bash"),
        &["uninstall", "--yes", "--remove-state"],
    );
    let mut again = again;
    done(&again.output().expect("bash"));
    assert_eq!(machine.listing(), before);
}

#[test]
fn configuration_and_state_stay_for_root_alone_and_a_new_installation_goes_on_with_them() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    machine.write(&format!("root/{HOME}/var/positions"), "17");
    let config = machine.read(CONFIG);
    let said = done(&machine.uninstall(&["--yes"]));
    assert!(said.contains("Kept configuration and state"), "{said}");
    assert!(!machine.path(&format!("root/{PROGRAM}")).exists() && !machine.path(&format!("root/{UNIT}")).exists());
    assert!(!machine.path(&format!("root/{LINK}")).is_symlink());
    assert!(!machine.read("etc/passwd").contains("cwpublisher") && !machine.read("etc/group").contains("cwpublisher"));
    let whose = if is_root() { "root" } else { "ours" };
    assert_eq!(machine.rights(CONFIG), (0o600, whose));
    assert_eq!(machine.rights(&format!("{HOME}/var")), (0o700, whose));
    done(&machine.install(&["--yes"]));
    assert_eq!((machine.read(CONFIG), machine.read(&format!("{HOME}/var/positions"))), (config, "17".to_owned()));
    let whose = |whose: &'static str| if is_root() { whose } else { "ours" };
    assert_eq!(machine.rights(CONFIG), (0o640, whose("root:service")));
    assert_eq!(machine.rights(&format!("{HOME}/var")), (0o750, whose("service")));
    assert_eq!(machine.rights(&format!("{HOME}/var/positions")).1, whose("service"));
}

#[test]
fn a_program_that_is_gone_or_does_not_start_does_not_hinder_the_removal() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    machine.program(&format!("root/{PROGRAM}"), "#!/bin/sh\nexit 1\n");
    done(&machine.uninstall(&["--yes", "--remove-state"]));
    assert!(!machine.path(&format!("root/{UNIT}")).exists() && !machine.path(&format!("root/{HOME}")).exists());
}

#[test]
fn what_is_not_ours_stays_and_is_named() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    machine.write(&format!("root/{HOME}/notes.txt"), "mine");
    fs::remove_file(machine.path(&format!("root/{LINK}"))).expect("ours");
    machine.write(&format!("root/{LINK}"), "another program");
    let said = done(&machine.uninstall(&["--yes", "--remove-state"]));
    assert!(said.contains("notes.txt is none of ours"), "{said}");
    assert_eq!(machine.read(LINK), "another program");
}

#[test]
fn nobody_is_taken_by_surprise() {
    let machine = Machine::linux();
    done(&machine.install_with_login(&[]));
    let before = machine.listing();
    assert!(refused(&machine.uninstall(&[]), 1).contains("say --yes"));
    assert!(
        refused(&machine.uninstall(&["--keep-state", "--remove-state", "--yes"]), 2).contains("exclude each other")
    );
    assert!(refused(&machine.uninstall(&["--force"]), 2).contains("--force is not known"));
    assert_eq!(machine.listing(), before);
}
