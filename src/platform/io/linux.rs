//! Two files of `/proc`, read whole, and the folder of each interface in `/sys/class/net`.
use super::{Device, Link, Traffic, diskstats, netdev};
use crate::platform::procfs;
use std::{fs, io, path::Path};

/// Switched on, loopback (`linux/if.h`).
const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;

pub fn disks() -> io::Result<Vec<Traffic>> {
    diskstats::parse(&stats(procfs::proc())?)
}

pub fn devices() -> io::Result<Vec<Device>> {
    diskstats::devices(&stats(procfs::proc())?)
}

fn stats(proc: &Path) -> io::Result<String> {
    procfs::text(&proc.join("diskstats")).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::Unsupported, "there is no /proc/diskstats here"),
        _ => e,
    })
}

pub fn interfaces() -> io::Result<Vec<Traffic>> {
    netdev::parse(&procfs::text(&procfs::proc().join("net/dev"))?)
}

pub fn links() -> io::Result<Vec<Link>> {
    read_links(procfs::proc(), procfs::sys())
}

fn read_links(proc: &Path, sys: &Path) -> io::Result<Vec<Link>> {
    let mut links = netdev::links(&procfs::text(&proc.join("net/dev"))?)?;
    for link in &mut links {
        // Where nobody says, the name does, and who has counters is up.
        let guess = if link.name == "lo" { IFF_UP | IFF_LOOPBACK } else { IFF_UP };
        let flags = flags(sys, &link.name).unwrap_or(guess);
        (link.up, link.loopback) = (flags & IFF_UP != 0, flags & IFF_LOOPBACK != 0);
    }
    Ok(links)
}

/// Hexadecimal: `0x1003` (`Documentation/ABI/testing/sysfs-class-net`).
fn flags(sys: &Path, name: &str) -> Option<u32> {
    let text = fs::read_to_string(of(sys, name)?.join("flags")).ok()?;
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

pub fn link_speed(name: &str) -> Option<u64> {
    speed(procfs::sys(), name)
}

/// Megabits in a second (`sysfs-class-net`); -1, or an error when it is read, where there is none.
fn speed(sys: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(of(sys, name)?.join("speed")).ok()?;
    let megabits = text.trim().parse::<i64>().ok().filter(|speed| *speed > 0)?;
    u64::try_from(megabits).ok()?.checked_mul(1_000_000)
}

/// A name is one folder below, and no way out of it.
fn of(sys: &Path, name: &str) -> Option<std::path::PathBuf> {
    (!name.contains('/') && name != "." && name != "..").then(|| sys.join("class/net").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_which_interfaces_are_up_and_which_are_loopback() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (proc, sys) = (folder.path().join("proc"), folder.path().join("sys"));
        fs::create_dir_all(proc.join("net")).expect("created");
        let line = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let names = ["lo", "eth0", "wlan0", "odd0", "../x"];
        let lines: String = names.iter().map(|name| format!("{name}: {line}\n")).collect();
        fs::write(proc.join("net/dev"), format!("h\nh\n{lines}")).expect("written");
        for (name, flags, speed) in
            [("lo", "0x9\n", ""), ("eth0", "0x1003\n", "25000\n"), ("wlan0", "0x1002\n", "-1\n"), ("odd0", "x", "0")]
        {
            fs::create_dir_all(sys.join("class/net").join(name)).expect("created");
            fs::write(sys.join("class/net").join(name).join("flags"), flags).expect("written");
            fs::write(sys.join("class/net").join(name).join("speed"), speed).expect("written");
        }
        let links = read_links(&proc, &sys).expect("read");
        let seen: Vec<_> = links.iter().map(|link| (link.up, link.loopback)).collect();
        assert_eq!(seen, [(true, true), (true, false), (false, false), (true, false), (true, false)]);
        let without = read_links(&proc, Path::new("/no/such")).expect("read");
        assert!(without[0].loopback && !without[1].loopback && without[2].up);
        let speeds = names.map(|name| speed(&sys, name));
        assert_eq!(speeds, [None, Some(25_000_000_000), None, None, None]);
    }

    #[test]
    fn a_machine_without_disk_counters_does_not_offer_them() {
        assert_eq!(stats(Path::new("/no/such")).expect_err("none").kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn this_machine_has_loopback_and_the_two_views_agree() {
        let links = links().expect("any host answers");
        assert!(links.iter().any(|link| link.loopback && link.name == "lo"));
        let names: Vec<_> = interfaces().expect("any host answers").into_iter().map(|i| i.device).collect();
        assert_eq!(names, links.into_iter().map(|link| link.name).collect::<Vec<_>>());
    }
}
