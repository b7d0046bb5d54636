//! `/proc/[pid]/mountinfo`. Format: `proc_pid_mountinfo(5)`.
//!
//! ```text
//! 36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//!       (1)        (2)                  optional      (3)  (4)
//! ```
//! (1) the number of the device, (2) the path, (3) the type, (4) the device. Blanks in (2) to (4) stand as `\040` and the like. Paths
//! may be any bytes.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use super::Mount;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// One line of the table.
#[derive(Debug, Eq, PartialEq)]
pub struct Line {
    pub mount: Mount,
    /// `major:minor`.
    pub number: String,
    /// Which part of the file system is mounted: `/` is all of it.
    pub root: PathBuf,
}

/// Where systemd keeps what it puts over paths that a service must not see, and what it hands to services: `systemd.exec(5)`.
const PUT_OVER: [&str; 2] = ["/systemd/inaccessible", "/systemd/propagate"];

/// Leaves out the mounts that a service manager made for the service that we are. Those over a path hide what is mounted there
/// on the machine, and those of a folder onto itself, to make it writable or not, show what its file system shows anyway.
pub fn without_our_own(lines: Vec<Line>) -> Vec<Line> {
    let is_private = |root: &Path| {
        // PrivateTmp=: a folder of our own, which systemd names so.
        let named = |part: std::path::Component<'_>| part.as_os_str().to_string_lossy().starts_with("systemd-private-");
        root.components().any(named) || PUT_OVER.iter().any(|folder| root.starts_with(folder))
    };
    let onto_itself = |line: &Line| {
        lines.iter().filter(|whole| whole.number == line.number).any(|whole| {
            let inner = line.root.strip_prefix(&whole.root).ok().filter(|inner| *inner != Path::new(""));
            inner.is_some() && inner == line.mount.path.strip_prefix(&whole.mount.path).ok()
        })
    };
    let ours: Vec<bool> = lines.iter().map(|line| is_private(&line.root) || onto_itself(line)).collect();
    lines.into_iter().zip(ours).filter(|(_, ours)| !ours).map(|(line, _)| line).collect()
}

/// All lines of the text. Those of another form are left out: the others are still true.
pub fn parse(text: &[u8]) -> Vec<Line> {
    text.split(|&b| b == b'\n').filter_map(line).collect()
}

/// What can be seen: the last mount of each path hides what was mounted there before.
pub fn visible(mounts: impl Iterator<Item = Mount>) -> Vec<Mount> {
    let mut last: HashMap<PathBuf, usize> = HashMap::new();
    let mut seen: Vec<Option<Mount>> = Vec::new();
    for mount in mounts {
        if let Some(hidden) = last.insert(mount.path.clone(), seen.len()) {
            seen[hidden] = None;
        }
        seen.push(Some(mount));
    }
    seen.into_iter().flatten().collect()
}

fn line(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|&b| b == b' ').filter(|field| !field.is_empty());
    let number = fields.nth(2)?;
    let root = fields.next()?;
    let path = fields.next()?;
    // Behind the options of the mount there are as many other fields as it likes, then a hyphen.
    let kind = fields.by_ref().skip_while(|field| *field != b"-").nth(1)?;
    let device = fields.next()?;
    let text = |field| String::from_utf8_lossy(&unescaped(field)).into_owned();
    Some(Line {
        mount: Mount { path: path_of(unescaped(path)), device: text(device), kind: text(kind) },
        number: text(number),
        root: path_of(unescaped(root)),
    })
}

/// Three octal digits behind a backslash are a byte.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|digits| first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match octal.and_then(|digits| u8::try_from(digits.iter().fold(0u16, |n, d| n * 8 + u16::from(d - b'0'))).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Composed like that of Ubuntu on EC2 (Nitro): the root calls itself `/dev/root`; a snap, an NFS mount behind an automounter, a path with a blank.
    pub const UBUNTU: &str = r"22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard,errors=remount-ro
23 22 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs devtmpfs rw,size=1969232k,nr_inodes=492308,mode=755
24 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
30 22 0:26 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=395748k,mode=755
44 22 7:0 / /snap/core20/1974 ro,nodev,relatime shared:40 - squashfs /dev/loop0 ro,errors=continue
60 22 259:3 / /boot/efi rw,relatime shared:50 - vfat /dev/nvme0n1p15 rw,fmask=0077
70 22 0:50 / /net rw,relatime shared:60 master:3 propagate_from:2 - autofs /etc/auto.net rw,fd=7
71 22 0:51 / /net rw,relatime shared:61 - nfs4 10.0.0.9:/export/data\040two rw,vers=4.2
72 22 253:0 / /srv/my\040data\134x rw,relatime - xfs /dev/mapper/vg-root rw
73 22 259:1 /var/lib/app /mnt/bind rw,relatime shared:1 - ext4 /dev/root rw
";

    fn mounts(text: &str) -> Vec<(String, String, String)> {
        let shown = |mount: Mount| (mount.path.display().to_string(), mount.device, mount.kind);
        visible(parse(text.as_bytes()).into_iter().map(|line| line.mount)).into_iter().map(shown).collect()
    }

    #[test]
    fn path_device_and_type_are_read_whatever_stands_between() {
        let mounts = mounts(UBUNTU);
        assert_eq!(mounts[0], ("/".into(), "/dev/root".into(), "ext4".into()));
        assert!(mounts.contains(&("/mnt/bind".into(), "/dev/root".into(), "ext4".into())));
        assert_eq!(parse(UBUNTU.as_bytes())[0].number, "259:1");
    }

    #[test]
    fn escaped_bytes_are_decoded() {
        let mounts = mounts(UBUNTU);
        assert!(mounts.contains(&(r"/srv/my data\x".into(), "/dev/mapper/vg-root".into(), "xfs".into())));
        assert!(mounts.contains(&("/net".into(), "10.0.0.9:/export/data two".into(), "nfs4".into())));
        assert_eq!(unescaped(br"a\011b\"), b"a\tb\\");
        assert_eq!(unescaped(br"\04\999\777\400"), br"\04\999\777\400", "only what is a byte");
    }

    #[test]
    fn of_several_mounts_on_one_path_the_last_is_seen() {
        let kinds: Vec<_> = mounts(UBUNTU).into_iter().filter(|m| m.0 == "/net").map(|m| m.2).collect();
        assert_eq!(kinds, ["nfs4"]);
    }

    /// As of the unit of ours on a machine that has /srv and /tmp apart; the last four are the machine's.
    const HARDENED: &str = r"1 0 259:1 / / ro master:1 - ext4 /dev/sda1 rw
2 1 0:26 / /run rw master:5 - tmpfs tmpfs rw
3 1 0:24 / /proc rw master:6 - proc proc rw
4 1 259:1 /home /home ro master:1 - ext4 /dev/sda1 rw
5 1 259:1 /opt/aws/amazon-cloudwatch-publisher/var /opt/aws/amazon-cloudwatch-publisher/var rw master:1 - ext4 /dev/sda1 rw
6 3 0:24 /sys /proc/sys ro master:6 - proc proc rw
7 1 0:26 /systemd/inaccessible/dir /usr/lib/modules ro master:5 - tmpfs tmpfs rw
8 2 0:26 /systemd/propagate/x.service /run/systemd/incoming ro master:5 - tmpfs tmpfs rw
9 1 0:30 / /tmp rw master:7 - tmpfs tmpfs rw
10 9 0:30 /systemd-private-0-x.service-1/tmp /tmp rw - tmpfs tmpfs rw
11 1 259:1 /var/tmp/systemd-private-0-x.service-2/tmp /var/tmp rw - ext4 /dev/sda1 rw
12 1 259:1 /var/lib/app /mnt/bind rw master:1 - ext4 /dev/sda1 rw
13 1 259:2 / /srv ro master:8 - xfs /dev/sda2 rw
14 13 259:2 / /srv/again ro master:8 - xfs /dev/sda2 rw
15 1 0:40 /@home /subvolume rw - btrfs /dev/sdb rw
";

    #[test]
    fn what_a_service_manager_mounted_for_us_is_none_of_the_machine() {
        let left = without_our_own(parse(HARDENED.as_bytes()));
        let paths: Vec<_> = left.iter().map(|line| line.mount.path.to_str().expect("text")).collect();
        assert_eq!(paths, ["/", "/run", "/proc", "/tmp", "/mnt/bind", "/srv", "/srv/again", "/subvolume"]);
        assert!(left.iter().all(|line| !line.root.to_string_lossy().contains("private")));
    }

    #[test]
    fn a_machine_on_which_nothing_was_put_over_keeps_all() {
        assert_eq!(without_our_own(parse(UBUNTU.as_bytes())), parse(UBUNTU.as_bytes()));
    }

    #[test]
    fn a_line_of_another_form_takes_no_other_along() {
        let text = format!("rubbish\n\n22 1 259:1 / /x rw\n36 35 98:0 / /y rw -\n36 35 98:0 / /z rw - ext4\n{UBUNTU}");
        assert_eq!(mounts(&text), mounts(UBUNTU));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_may_be_any_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let found = parse(b"36 35 98:0 / /m\xff\\040 rw - ext4 /dev/sda1 rw\n");
        assert_eq!(found[0].mount.path.as_os_str().as_bytes(), b"/m\xff ");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'-'), Just(b'\\'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..200)) {
            let _ = parse(&text);
        }
    }
}
