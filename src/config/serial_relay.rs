//! Section `agent.serial_relay`: frames from a UNIX socket to the serial device of an EC2 Mac.
use super::{
    section::Section,
    settings::serial_relay::{SerialRelay, Tag, When},
    socket,
};
use crate::platform::host::System;
use std::path::PathBuf;

/// Where the EC2 System Monitor for macOS listens, and who sends to it looks.
pub const SOCKET: &str = "/tmp/.ec2monitoring.sock";

/// What a configuration asks for on this system.
pub(super) fn read(section: &Section<'_>, system: System) -> SerialRelay {
    let device = section.child("device").text().filter(|path| !path.is_empty()).map(PathBuf::from);
    SerialRelay {
        when: when(section, system, device.is_some()),
        device,
        socket: socket::path(&section.child("socket")).unwrap_or_else(|| SOCKET.into()),
        mode: socket::rights(&section.child("mode")),
        tags: tags(&section.child("tags")),
    }
}

fn when(section: &Section<'_>, system: System, has_device: bool) -> When {
    let enabled = section.child("enabled");
    match (enabled.flag(), has_device, system) {
        (Some(false), ..) => When::Never,
        (None, false, System::MacOs) => When::OnAnEc2Mac,
        (None, false, _) => When::Never,
        (Some(true), ..) | (None, true, _) if system == System::Windows => {
            section.warning("not available on Windows, which has no such sockets; ignored");
            When::Never
        }
        (Some(true), false, System::Linux | System::Other) => {
            enabled.warning("only EC2 Macs have a device by themselves; ignored; name one with `device`");
            When::Never
        }
        (Some(true), ..) | (None, true, _) => When::Always,
    }
}

/// Each once; what no word means was reported by its shape.
fn tags(section: &Section<'_>) -> Vec<Tag> {
    if !section.exists() {
        return vec![Tag::Cpu];
    }
    section.items().iter().filter_map(|item| Tag::named(item.text()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{file::File, finding::Finding, section::Findings};
    use std::path::Path;

    fn read_on(system: System, text: &str) -> (SerialRelay, Vec<Finding>) {
        let file = File::parse(Path::new("c.json"), text.as_bytes().to_vec(), None).expect("JSON");
        let findings = Findings::default();
        let relay = read(&Section::root(&file, &findings).path(&["agent", "serial_relay"]), system);
        (relay, findings.into_sorted())
    }

    fn when_on(system: System, inner: &str) -> When {
        read_on(system, &format!(r#"{{ "agent": {{ "serial_relay": {{ {inner} }} }} }}"#)).0.when
    }

    #[test]
    fn nothing_said_means_on_an_ec2_mac_and_nowhere_else() {
        for system in [System::Linux, System::Windows, System::Other] {
            let (relay, findings) = read_on(system, "{}");
            assert_eq!((relay.when, findings), (When::Never, vec![]));
        }
        let (relay, findings) = read_on(System::MacOs, "{}");
        assert_eq!((relay.when, findings), (When::OnAnEc2Mac, vec![]));
        assert_eq!((relay.device, relay.socket, relay.mode), (None, SOCKET.into(), 0o660));
        assert_eq!(relay.tags, [Tag::Cpu]);
    }

    #[test]
    fn what_is_said_decides_on_every_system_that_has_sockets() {
        for system in [System::Linux, System::MacOs] {
            assert_eq!(when_on(system, r#""enabled": false, "device": "/dev/ttyS0""#), When::Never);
            assert_eq!(when_on(system, r#""enabled": true, "device": "/dev/ttyS0""#), When::Always);
            assert_eq!(when_on(system, r#""device": "/dev/ttyS0""#), When::Always, "whoever names one wants it");
        }
        assert_eq!(when_on(System::MacOs, r#""enabled": true"#), When::Always);
    }

    #[test]
    fn where_there_can_be_no_relay_it_is_said() {
        for (system, inner) in [
            (System::Linux, r#""enabled": true"#),
            (System::Windows, r#""enabled": true, "device": "COM1""#),
            (System::Windows, r#""device": "COM1""#),
        ] {
            let (relay, findings) = read_on(system, &format!(r#"{{ "agent": {{ "serial_relay": {{ {inner} }} }} }}"#));
            assert_eq!((relay.when, findings.len()), (When::Never, 1), "{inner}");
            assert!(findings[0].at.starts_with("agent.serial_relay"), "{:?}", findings[0]);
        }
    }

    #[test]
    fn rights_are_octal_and_tags_are_those_that_are_listed() {
        let text =
            r#"{ "agent": { "serial_relay": { "mode": "600", "socket": "/run/s", "tags": ["memory", "disk"] } } }"#;
        let (relay, findings) = read_on(System::Linux, text);
        assert_eq!((relay.mode, relay.socket, relay.tags), (0o600, "/run/s".into(), vec![Tag::Memory, Tag::Disk]));
        assert_eq!(findings, []);
        let (_, findings) = read_on(System::Linux, r#"{ "agent": { "serial_relay": { "mode": "rw" } } }"#);
        assert_eq!(findings.iter().map(|finding| finding.at.as_str()).collect::<Vec<_>>(), ["agent.serial_relay.mode"]);
        assert_eq!(read_on(System::MacOs, r#"{ "agent": { "serial_relay": { "tags": [] } } }"#).0.tags, []);
        let long = format!(r#"{{ "agent": {{ "serial_relay": {{ "socket": "/{}" }} }} }}"#, "s".repeat(103));
        let (_, findings) = read_on(System::Linux, &long);
        assert!(findings.len() == 1 && findings[0].why.contains("has 104 bytes"), "{findings:?}");
    }
}
