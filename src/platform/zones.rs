//! The time zones that this host knows: TZif data (RFC 9636) by IANA name.
//!
//! Unix keeps them in a folder that its own updates renew; `TZDIR` names another one. Windows has none, so there a table is built in.
use std::{borrow::Cow, io};

/// The data of the zone of this name. `NotFound`: there is no such zone, or the host keeps none at all.
pub fn data(name: &str) -> io::Result<Cow<'static, [u8]>> {
    if !is_name(name) {
        return Err(io::ErrorKind::NotFound.into());
    }
    imp::data(name)
}

/// The names of all zones; empty where the host keeps none. Reads folders: for messages, not for every day.
pub fn names() -> Vec<String> {
    imp::names()
}

/// Relative, and without a way out of the folder.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    !name.is_empty() && name.chars().all(fits) && !name.starts_with('/') && !name.ends_with('/')
}

#[cfg(unix)]
mod imp {
    use std::{
        borrow::Cow,
        fs,
        io::{self, Read},
        path::{Path, PathBuf},
    };

    /// Where distributions keep them, the most usual first.
    const FOLDERS: [&str; 4] = ["/usr/share/zoneinfo", "/etc/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"];
    /// No zone has so much data; a file that has is none.
    const LARGEST: u64 = 1 << 20;
    /// Folders in folders: `America/Argentina/Ushuaia`.
    const DEPTH: usize = 3;

    fn folders() -> impl Iterator<Item = PathBuf> {
        std::env::var_os("TZDIR").map(PathBuf::from).into_iter().chain(FOLDERS.iter().map(PathBuf::from))
    }

    pub fn data(name: &str) -> io::Result<Cow<'static, [u8]>> {
        let mut missing = io::ErrorKind::NotFound.into();
        for folder in folders() {
            match fs::File::open(folder.join(name)) {
                Ok(file) => {
                    let mut data = Vec::new();
                    file.take(LARGEST).read_to_end(&mut data)?;
                    return Ok(data.into());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => missing = error,
            }
        }
        Err(missing)
    }

    pub fn names() -> Vec<String> {
        let mut names = vec![];
        if let Some(folder) = folders().find(|folder| folder.is_dir()) {
            walk(&folder, &folder, DEPTH, &mut names);
        }
        names
    }

    fn walk(root: &Path, folder: &Path, depth: usize, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Beside the zones lie tables in lower case, and the same zones once more in `posix` and `right`.
            let named =
                entry.file_name().to_str().is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
            if named && path.is_dir() && depth > 1 {
                walk(root, &path, depth - 1, names);
            } else if named {
                names.extend(path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned));
            }
        }
    }
}

#[cfg(windows)]
mod imp {
    use std::{borrow::Cow, io};

    pub fn data(name: &str) -> io::Result<Cow<'static, [u8]>> {
        let missing = || io::ErrorKind::NotFound.into();
        tzdb_data::find_raw(name.as_bytes()).map(Cow::Borrowed).ok_or_else(missing)
    }

    pub fn names() -> Vec<String> {
        tzdb_data::TZ_NAMES.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_but_into_the_folder_of_zones() {
        for wrong in ["", "/etc/passwd", "../../etc/passwd", "Europe/../../x", "Europe\\Berlin", "a b", "Europe/"] {
            assert_eq!(data(wrong).expect_err("no zone").kind(), io::ErrorKind::NotFound, "{wrong}");
        }
    }

    #[test]
    fn every_name_has_data_where_the_host_keeps_zones() {
        let names = names();
        for name in names.iter().filter(|name| name.starts_with("Europe/")) {
            assert!(data(name).expect("it was listed").starts_with(b"TZif"), "{name}");
        }
        assert!(!names.iter().any(|name| name.contains("posix") || name.contains("tab")));
    }
}
