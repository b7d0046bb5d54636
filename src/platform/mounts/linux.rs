//! The table of `/proc` and `statvfs(3)`.
use super::{Kinds, Mount, Space, table};
use crate::platform::procfs;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What root may be called while its device has another name.
const ROOT: &str = "/dev/root";

pub fn mounts() -> io::Result<Vec<Mount>> {
    read(procfs::proc(), procfs::sys(), procfs::mount_prefix())
}

fn read(proc: &Path, sys: &Path, prefix: Option<&Path>) -> io::Result<Vec<Mount>> {
    // Without privileges, the table of process 1 is closed to us.
    let mut lines = match procfs::read(&proc.join("1/mountinfo")) {
        Ok(text) => table::parse(&text),
        Err(_) => table::without_our_own(table::parse(&procfs::read(&proc.join("self/mountinfo"))?)),
    };
    for line in &mut lines {
        if line.mount.device == ROOT
            && let Some(name) = device(sys, &line.number)
        {
            line.mount.device = format!("/dev/{name}");
        }
        // In a container that has the host's file systems below the prefix, its own table may name them with it.
        if let Some(inner) = prefix.and_then(|prefix| line.mount.path.strip_prefix(prefix).ok()) {
            line.mount.path = Path::new("/").join(inner);
        }
    }
    Ok(table::visible(lines.into_iter().map(|line| line.mount)))
}

/// The name of the device with this number: the last part of what `/sys/dev/block/259:1` leads to.
fn device(sys: &Path, number: &str) -> Option<String> {
    let target = fs::read_link(sys.join("dev/block").join(number)).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

pub fn space(mount: &Mount) -> io::Result<Space> {
    space_at(&below(&mount.path, procfs::mount_prefix()))
}

/// Where a path of the host is for us.
fn below(path: &Path, prefix: Option<&Path>) -> PathBuf {
    let Some(prefix) = prefix else { return path.to_owned() };
    prefix.join(path.strip_prefix("/").unwrap_or(path))
}

fn space_at(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space {
        total: bytes(found.f_blocks),
        free: bytes(found.f_bavail),
        used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
        inodes_total: found.f_files,
        inodes_free: found.f_ffree,
        inodes_used: found.f_files.saturating_sub(found.f_ffree),
    })
}

pub fn kinds() -> Kinds {
    procfs::text(&procfs::proc().join("filesystems")).map(|text| Kinds::parse(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(table: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (proc, sys) = (folder.path().join("proc"), folder.path().join("sys"));
        fs::create_dir_all(proc.join("self")).expect("created");
        fs::create_dir_all(sys.join("dev/block")).expect("created");
        fs::write(proc.join("self/mountinfo"), table).expect("written");
        std::os::unix::fs::symlink("../../devices/pci0/nvme0n1/nvme0n1p1", sys.join("dev/block/259:1"))
            .expect("linked");
        (folder, proc, sys)
    }

    #[test]
    fn root_has_the_name_of_its_device() {
        let (_folder, proc, sys) = tree(table::tests::UBUNTU);
        let mounts = read(&proc, &sys, None).expect("read");
        assert_eq!(mounts[0].device, "/dev/nvme0n1p1");
        let unknown = read(&proc, Path::new("/no/such"), None).expect("read");
        assert_eq!(unknown[0].device, "/dev/root", "nobody knows better");
    }

    #[test]
    fn the_table_of_the_first_process_goes_before_our_own() {
        let (_folder, proc, sys) = tree(table::tests::UBUNTU);
        fs::create_dir(proc.join("1")).expect("created");
        fs::write(proc.join("1/mountinfo"), "1 0 8:1 / / rw - xfs /dev/sda1 rw\n").expect("written");
        let mounts = read(&proc, &sys, None).expect("read");
        assert_eq!((mounts.len(), mounts[0].kind.as_str()), (1, "xfs"));
    }

    #[test]
    fn the_prefix_of_the_host_is_no_part_of_a_path_and_is_where_it_is_read() {
        let text = "1 0 8:1 / /rootfs rw - xfs /dev/sda1 rw\n2 1 8:2 / /rootfs/srv rw - xfs /dev/sda2 rw\n3 1 0:5 / /etc rw - tmpfs tmpfs rw\n";
        let text = &format!("9 0 0:9 / / rw - overlay overlay rw\n{text}");
        let (_folder, proc, sys) = tree(text);
        let prefix = Path::new("/rootfs");
        let mounts = read(&proc, &sys, Some(prefix)).expect("read");
        let paths: Vec<_> = mounts.iter().map(|mount| mount.path.as_path()).collect();
        assert_eq!(paths, [Path::new("/"), Path::new("/srv"), Path::new("/etc")]);
        assert_eq!(below(paths[1], Some(prefix)), Path::new("/rootfs/srv"));
        assert_eq!(below(paths[1], None), Path::new("/srv"));
    }

    #[test]
    fn no_table_at_all_is_an_error_that_names_it() {
        let error = read(Path::new("/no/such"), Path::new("/sys"), None).expect_err("nothing there");
        assert!(error.to_string().contains("/no/such/self/mountinfo"), "{error}");
    }
}
