//! Parts of `/sys` and `/proc` for tests: composed by what the kernel documents of these files, as machines of these kinds would show
//! them, and read off none. Each is one text in `trees/`: `path = value`, in which `\n` is a line break, or `path -> target` of a
//! link. What a text does not name is not there.
use std::{fs, path::Path};
use tempfile::TempDir;

/// A Raspberry Pi 4 with an SD card.
pub const RASPBERRY_PI_4: &str = include_str!("trees/raspberry_pi_4.txt");
/// A Raspberry Pi 5 with a fan and an NVMe drive.
pub const RASPBERRY_PI_5: &str = include_str!("trees/raspberry_pi_5.txt");
/// A Nitro instance of EC2 with two EBS volumes, an instance store volume and an EFA.
pub const EC2_NITRO: &str = include_str!("trees/ec2_nitro.txt");
/// A laptop with two NVMe drives, an eMMC and a wireless card that sleeps.
pub const LAPTOP: &str = include_str!("trees/laptop.txt");

/// The tree below a temporary folder, which is gone with what is returned.
pub fn plant(text: &str) -> TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (path, rest) = line.split_once(' ').expect("a path, a sign, a value");
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        match rest.split_at(rest.len().min(2)) {
            ("= ", value) => fs::write(&path, format!("{}\n", value.replace("\\n", "\n"))).expect("written"),
            ("->", target) => link(Path::new(target.trim()), &path),
            _ => panic!("neither a value nor a link: {line}"),
        }
    }
    root
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) {
    std::os::unix::fs::symlink(target, path).expect("linked");
}

/// Nothing that is read of a tree needs its links there.
#[cfg(not(unix))]
fn link(_: &Path, _: &Path) {}
