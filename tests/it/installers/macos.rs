//! On a Mac: its accounts are made by dscl, its service is launchd's. Everything else is as on Linux.
use super::*;

const USER: &str = "directory/Users/_cwpublisher";

impl Machine {
    fn key(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default().trim().to_owned()
    }

    fn install_on_mac(&self, more: &[&str]) -> Output {
        let arguments = [LOGIN, &["--password-file", "password"], more].concat();
        self.installer("install-osx.bash", &arguments).output().expect("bash")
    }
}

#[test]
fn a_mac_gets_a_hidden_user_with_a_free_number_and_no_shell() {
    let mac = Machine::mac();
    for (name, number) in [("Users/_one/UniqueID", "499"), ("Groups/_two/PrimaryGroupID", "498")] {
        mac.write(&format!("directory/{name}"), number);
    }
    mac.write("directory/Groups/admin/GroupMembership", "root pi");
    let before = mac.listing();
    let said = done(&mac.install_on_mac(&[]));
    assert!(!said.contains(PASSWORD) && !mac.calls().contains("ge/h"), "{said}");
    for (key, value) in [
        ("UniqueID", "497"),
        ("PrimaryGroupID", "497"),
        ("NFSHomeDirectory", "/var/empty"),
        ("UserShell", "/usr/bin/false"),
        ("IsHidden", "1"),
        ("Password", "*"),
    ] {
        assert_eq!(mac.key(&format!("{USER}/{key}")), value, "{key}");
    }
    assert_eq!(mac.config()["agent"]["instance"]["prefix"], "osx");
    assert!(mac.calls().contains("publisher service install --root"), "{}", mac.calls());
    let second = done(&mac.install_on_mac(&[]));
    assert!(second.contains("Kept the user") && second.contains("stays as it is"), "{second}");
    assert_eq!(mac.key(&format!("{USER}/UniqueID")), "497");
    let mut uninstall = mac.script(&mac.path(&format!("root/{HOME}/bin/uninstall")), &["--yes", "--remove-state"]);
    done(&uninstall.output().expect("bash"));
    assert!(!mac.path(USER).exists() && !mac.path("directory/Groups/_cwpublisher").exists());
    assert_eq!(mac.key("directory/Groups/admin/GroupMembership"), "root pi");
    let left: Vec<_> = mac.listing().difference(&before).cloned().collect();
    assert_eq!(left, ["usr", "usr/local", "usr/local/bin"]);
}

#[test]
fn a_user_who_is_an_administrator_is_one_no_more() {
    let mac = Machine::mac();
    for (name, text) in [
        ("Users/_cwpublisher/UniqueID", "410"),
        ("Users/_cwpublisher/PrimaryGroupID", "410"),
        ("Groups/admin/GroupMembership", "root _cwpublisher pi"),
    ] {
        mac.write(&format!("directory/{name}"), text);
    }
    let said = done(&mac.install_on_mac(&[]));
    assert!(said.contains("out of the group admin"), "{said}");
    assert_eq!(mac.key("directory/Groups/admin/GroupMembership"), "root pi");
}
