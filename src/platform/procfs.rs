//! Where `/proc` and `/sys` are, and what is the same for all that is read there.
//!
//! In a container, the ones of the host may be mounted elsewhere: `HOST_PROC`, `HOST_SYS` and `HOST_MOUNT_PREFIX` say where, as they
//! do for the CloudWatch Agent. They are read once. Readers take a folder as their parameter, so that tests give them one of their own.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// `HOST_PROC`, else `/proc`.
pub fn proc() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| folder("HOST_PROC").unwrap_or_else(|| "/proc".into()))
}

/// `HOST_SYS`, else `/sys`.
pub fn sys() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| folder("HOST_SYS").unwrap_or_else(|| "/sys".into()))
}

/// `HOST_MOUNT_PREFIX`: below which folder of ours the host's file systems are mounted.
pub fn mount_prefix() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| folder("HOST_MOUNT_PREFIX")).as_deref()
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// All of a file of the kernel. What is not UTF-8 (names of processes and mount points may be any bytes) is not refused.
///
/// # Errors
/// With the path: the kernel's own words name none.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// [`read`], for files that are ASCII. Other bytes are replaced, so that only the line that has them is refused.
///
/// # Errors
/// Those of [`read`].
pub fn text(path: &Path) -> io::Result<String> {
    read(path).map(|bytes| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Whether this `/proc` shows the processes of other users to this one. Each namespace has a first process; with the option `hidepid` its
/// files may not be read, or it is not there at all: <https://docs.kernel.org/filesystems/proc.html#mount-options>.
///
/// # Errors
/// When it does not, with what to do.
pub fn shows_others(proc: &Path) -> io::Result<()> {
    let first = proc.join("1/stat");
    fs::File::open(&first).map(drop).map_err(|e| {
        let why = format!(
            "{}: {e}: the processes of other users are hidden from this one (/proc is mounted with hidepid): run as root, give the \
             capability CAP_SYS_PTRACE, or mount it with gid= of a group of this user",
            first.display()
        );
        io::Error::new(e.kind(), why)
    })
}

/// An error of a text that is not as its format says.
pub fn malformed(file: &str, line: &str) -> io::Error {
    let shown: String = line.trim().chars().take(200).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} has a line of an unknown form: {shown:?}"))
}

/// What a platform answers that does not have it.
#[cfg_attr(not(windows), allow(dead_code))]
pub fn unsupported<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("{what} cannot be read on this system")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_file_names_it() {
        let error = text(Path::new("/no/such/file")).expect_err("not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("f");
        fs::write(&file, b"a\xff\n").expect("written");
        assert_eq!(text(&file).expect("read"), "a\u{fffd}\n");
        assert_eq!(read(&file).expect("read"), b"a\xff\n");
    }

    #[test]
    fn a_line_without_an_end_is_shown_in_part() {
        assert!(malformed("f", &"x".repeat(10_000)).to_string().len() < 300);
    }
}
