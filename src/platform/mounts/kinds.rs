//! Which types of file systems hold data that can run out of room, and which only look like file systems.
use std::collections::HashSet;

/// Types that lie on no device of this machine and hold data all the same. The kernel marks them `nodev` like the others.
const DATA: [&str; 19] = [
    "9p",
    "afs",
    "beegfs",
    "bcachefs",
    "ceph",
    "cifs",
    "glusterfs",
    "gpfs",
    "jffs2",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "prl_fs",
    "smb3",
    "ubifs",
    "vboxsf",
    "virtiofs",
    "zfs",
];

/// Types that lie on a device and are full by their nature: images that cannot be written.
const IMAGES: [&str; 7] = ["cramfs", "erofs", "fuse.snapfuse", "fuse.squashfuse", "iso9660", "romfs", "squashfs"];

/// Types that hold no data, of all systems: what is known where the kernel has no list.
const KNOWN: [&str; 12] = [
    "autofs",
    "devfs",
    "devtmpfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "lifs",
    "nullfs",
    "overlay",
    "ramfs",
    "rootfs",
    "tmpfs",
];

/// The types that this kernel calls `nodev`.
#[derive(Clone, Debug, Default)]
pub struct Kinds(HashSet<String>);

impl Kinds {
    /// Of this system. Where it has no list, only the usual types are known.
    pub fn read() -> Self {
        super::imp::kinds()
    }

    /// Of the text of `/proc/filesystems` (`proc_filesystems(5)`): one type a line, behind `nodev` and a tab if it needs no device.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(|line| line.strip_prefix("nodev")).map(|kind| kind.trim().to_owned()).collect())
    }

    /// Whether it is none that a disk could run out of: tmpfs, overlay, squashfs, proc and the like. What FUSE brings is data,
    /// unless known otherwise.
    pub fn pseudo(&self, kind: &str) -> bool {
        if IMAGES.contains(&kind) || KNOWN.contains(&kind) {
            return true;
        }
        let data = DATA.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.");
        !data && self.0.contains(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEDORA: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tcgroup2\nnodev\tzfs\nnodev\tnfs4\nnodev\tfuse\n\text4\n\txfs\n\tsquashfs\n\tfuseblk\n";

    #[test]
    fn what_lies_in_memory_or_cannot_be_written_is_no_disk() {
        let kinds = Kinds::parse(FEDORA);
        for pseudo in ["sysfs", "tmpfs", "cgroup2", "squashfs", "overlay", "iso9660", "fuse.lxcfs"] {
            assert!(kinds.pseudo(pseudo), "{pseudo}");
        }
    }

    #[test]
    fn disks_networks_and_what_fuse_brings_hold_data() {
        let kinds = Kinds::parse(FEDORA);
        for data in ["ext4", "xfs", "zfs", "nfs4", "fuseblk", "fuse.sshfs", "fuse", "btrfs", "unknown"] {
            assert!(!kinds.pseudo(data), "{data}");
        }
    }

    #[test]
    fn without_a_list_the_usual_types_are_known() {
        assert!(
            Kinds::default().pseudo("tmpfs") && Kinds::default().pseudo("devfs") && !Kinds::default().pseudo("apfs")
        );
    }
}
