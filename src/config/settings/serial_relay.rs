//! `agent.serial_relay`.
use crate::config::words::words;
use std::path::PathBuf;

/// Frames from a UNIX socket to the serial device of an EC2 Mac.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SerialRelay {
    pub when: When,
    /// `None`: the first that is there of those that EC2 Macs have.
    pub device: Option<PathBuf>,
    pub socket: PathBuf,
    /// Rights of the socket.
    pub mode: u32,
    /// What the daemon itself sends, each minute.
    pub tags: Vec<Tag>,
}

#[cfg(test)]
impl SerialRelay {
    /// For tests of other things.
    pub fn never() -> Self {
        Self { when: When::Never, device: None, socket: "/nowhere".into(), mode: 0o600, tags: vec![] }
    }
}

/// When frames are relayed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    Always,
    Never,
    /// On a Mac that has one of the two devices.
    OnAnEc2Mac,
}

words! {
    /// What is measured for the device, and its tag in the frame.
    pub enum Tag {
        /// The share of all processors' time that was not idle, since the reading before.
        Cpu = "cpuutil",
        /// The share of the memory that is used.
        Memory = "memory",
        /// The share of the root file system that is used.
        Disk = "disk",
    }
}
