//! The files that a configuration names for the login, read in the same way by `validate` and at each login.
use crate::platform::files;
use secrecy::SecretString;
use std::{
    io::{self, ErrorKind},
    path::Path,
};

/// Bytes of a certificate, a key, or a bundle of authorities. A system's whole bundle has a quarter of a megabyte.
const LARGEST: u64 = 4 << 20;
/// Bytes of a file with a password in its first line.
const LARGEST_PASSWORD: u64 = 64 << 10;

/// A file with PEM in it.
///
/// # Errors
/// When it cannot be read, or is not a regular file of at most 4 MiB.
pub fn pem(path: &Path) -> io::Result<Vec<u8>> {
    files::read_small(path, LARGEST)
}

/// The first line of a password file, without its end.
///
/// # Errors
/// When it cannot be read, is not a regular file of at most 64 KiB, or holds no password there. Nothing of it is told.
pub fn password(path: &Path) -> io::Result<SecretString> {
    let unfit = |why| io::Error::new(ErrorKind::InvalidData, why);
    let text = files::read_small(path, LARGEST_PASSWORD)?;
    let text = std::str::from_utf8(&text).map_err(|_| unfit("it is not UTF-8; its first line must be the password"))?;
    match text.lines().next() {
        None | Some("") => Err(unfit("its first line is empty; it must be the password")),
        Some(first) => Ok(SecretString::from(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_password_is_the_first_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        for (text, is) in [("geheim", "geheim"), ("ge heim \r\nmore\n", "ge heim ")] {
            std::fs::write(&file, text).expect("writable");
            assert_eq!(password(&file).expect("good").expose_secret(), is);
        }
        for text in [&b""[..], b"\n", b"\r\ngeheim", b"geheim\xff\n"] {
            std::fs::write(&file, text).expect("writable");
            let error = password(&file).expect_err("none").to_string();
            assert!(error.contains("password") && !error.contains("geheim"), "{error}");
        }
    }
}
