//! One small file for each process.
use super::States;
use crate::platform::procfs;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// More than any line of `stat` has: about 52 numbers of at most 20 digits and a name of at most 64 bytes.
const LINE: usize = 2_048;

pub fn states() -> io::Result<States> {
    read(procfs::proc())
}

fn read(proc: &Path) -> io::Result<States> {
    // Without those of others every count would be too small, and most of them zero.
    procfs::shows_others(proc)?;
    let folder = fs::read_dir(proc).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", proc.display())))?;
    let mut states = States::default();
    let mut path = proc.to_owned();
    let mut line = Vec::with_capacity(LINE);
    for entry in folder {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        path.push(&name);
        path.push("stat");
        line.clear();
        // A process that has ended since it was listed has no file, or one that cannot be read (ESRCH).
        if File::open(&path).and_then(|file| file.take(LINE as u64).read_to_end(&mut line)).is_ok() {
            states.add(&line);
        }
        path.pop();
        path.pop();
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_with_numbers_are_processes_and_one_that_has_gone_is_left_out() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in
            [("1", Some("1 (init) S 0 1")), ("17", None), ("self", Some("1 (x) R 0")), ("1a", Some("1 (x) R 0"))]
        {
            fs::create_dir(folder.path().join(name)).expect("created");
            if let Some(text) = text {
                fs::write(folder.path().join(name).join("stat"), text).expect("written");
            }
        }
        let states = read(folder.path()).expect("read");
        assert_eq!((states.total, states.sleeping), (1, 1));
        assert!(read(Path::new("/no/such")).expect_err("nothing there").to_string().contains("/no/such"));
    }

    #[test]
    fn where_only_our_own_processes_are_shown_that_is_an_error_and_no_zeros() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(folder.path().join("17")).expect("created");
        fs::write(folder.path().join("17/stat"), "17 (us) S 0 1").expect("written");
        assert!(read(folder.path()).expect_err("the others are hidden").to_string().contains("hidepid"));
        // Its folder is there, and nothing in it may be read.
        fs::create_dir(folder.path().join("1")).expect("created");
        assert!(read(folder.path()).expect_err("the others are hidden").to_string().contains("CAP_SYS_PTRACE"));
    }
}
