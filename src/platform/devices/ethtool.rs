//! What the drivers of network interfaces count: their names for it, their numbers.
//!
//! Linux: `SIOCETHTOOL`, as `ethtool -i` and `ethtool -S` ask (`include/uapi/linux/ethtool.h`). It needs no privileges. Elsewhere
//! there is no such thing: opening says `Unsupported`.
use super::attributes;
use std::{io, path::Path};

/// An interface of our network namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    pub name: String,
    /// Switched on; it may still have no cable.
    pub up: bool,
    pub loopback: bool,
}

/// All interfaces, below the root of `/sys`, by name.
pub fn interfaces(sys: &Path) -> io::Result<Vec<Interface>> {
    let class = sys.join("class/net");
    // `include/uapi/linux/if.h`
    let (up, loopback) = (1, 1 << 3);
    let interface = |name: String| {
        // What else lies there, as `bonding_masters`, has no flags.
        let flags = attributes::hexadecimal(&class.join(&name).join("flags"))?;
        Some(Interface { name, up: flags & up != 0, loopback: flags & loopback != 0 })
    };
    Ok(attributes::names(&class)?.into_iter().filter_map(interface).collect())
}

/// Asks drivers. Keeps a socket and its buffers.
#[derive(Debug)]
pub struct Ethtool(imp::Ethtool);

impl Ethtool {
    /// Nothing is asked yet.
    pub fn open() -> io::Result<Self> {
        imp::Ethtool::open().map(Self)
    }

    /// The name of the driver, as `ena`.
    ///
    /// # Errors
    /// `Unsupported`: it has none. `NotFound`: there is no such interface.
    pub fn driver(&self, interface: &str) -> io::Result<String> {
        self.0.driver(interface)
    }

    /// Each statistic of the driver with what it stands at, in its order. Most are counted since the driver was loaded.
    ///
    /// # Errors
    /// As above. `Interrupted`: their number changed meanwhile.
    pub fn statistics(&mut self, interface: &str, each: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
        self.0.statistics(interface, each)
    }
}

/// Length of one name; shorter ones end with a zero.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
const NAME: usize = 32;

/// Names and values as the driver gave them. What is no name (empty, not UTF-8) is skipped with its value.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn pairs(names: &[u8], values: &[u8], each: &mut dyn FnMut(&str, u64)) {
    let (names, values) = (names.chunks_exact(NAME), values.chunks_exact(size_of::<u64>()));
    for (name, value) in names.zip(values) {
        let (Some(name), Ok(value)) = (until_zero(name), value.try_into()) else { continue };
        each(name, u64::from_ne_bytes(value));
    }
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn until_zero(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    // Drivers fill columns with blanks, and some begin with them.
    std::str::from_utf8(&bytes[..end]).ok().map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(target_os = "linux")]
mod ioctl;
#[cfg(target_os = "linux")]
use ioctl as imp;

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;

    #[derive(Debug)]
    pub enum Ethtool {}

    impl Ethtool {
        pub fn open() -> io::Result<Self> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has ethtool"))
        }

        pub fn driver(&self, _: &str) -> io::Result<String> {
            match *self {}
        }

        pub fn statistics(&mut self, _: &str, _: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trees, *};

    fn interface(name: &str, up: bool, loopback: bool) -> Interface {
        Interface { name: name.into(), up, loopback }
    }

    #[test]
    fn interfaces_are_up_or_down_and_loopback_is_told() {
        let tree = trees::plant(trees::RASPBERRY_PI_4);
        let expected = [interface("eth0", true, false), interface("lo", true, true), interface("wlan0", false, false)];
        assert_eq!(interfaces(tree.path()).expect("read"), expected);
    }

    #[test]
    fn what_lies_among_them_and_is_none_is_not_told() {
        let tree = trees::plant(trees::EC2_NITRO);
        let all = interfaces(tree.path()).expect("read");
        let names: Vec<_> = all.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["eth0", "lo"]);
    }

    #[test]
    fn names_and_values_are_paired_and_what_is_no_name_is_skipped() {
        let mut names = vec![0; 5 * NAME];
        names[..5].copy_from_slice(b"first");
        names[NAME..2 * NAME].fill(b'x');
        names[2 * NAME] = 0xff;
        names[4 * NAME..4 * NAME + 8].copy_from_slice(b"  last  ");
        let values: Vec<u8> = (1u64..=5).flat_map(u64::to_ne_bytes).collect();
        let mut found = vec![];
        pairs(&names, &values, &mut |name, value| found.push((name.to_owned(), value)));
        assert_eq!(found, [("first".to_owned(), 1), ("x".repeat(32), 2), ("last".to_owned(), 5)]);
        pairs(&names, &values[..7], &mut |name, _| panic!("{name} has no value"));
        pairs(&names[..31], &values, &mut |name, _| panic!("{name} is no name"));
    }
}
