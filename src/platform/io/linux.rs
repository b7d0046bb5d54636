//! Two files of `/proc`, read whole.
use super::{Traffic, diskstats, netdev};
use std::{fs, io};

pub fn disks() -> io::Result<Vec<Traffic>> {
    match fs::read_to_string("/proc/diskstats") {
        Ok(text) => diskstats::parse(&text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "there is no /proc/diskstats here"))
        }
        Err(e) => Err(e),
    }
}

pub fn interfaces() -> io::Result<Vec<Traffic>> {
    netdev::parse(&fs::read_to_string("/proc/net/dev")?)
}
