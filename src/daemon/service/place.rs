//! The files that describe services: written whole or not at all, for everybody to read and for root to change.
use super::{Fate, ServiceError};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// This path below the root of another system.
pub fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    root.map_or_else(|| path.to_path_buf(), |root| root.join(path.strip_prefix("/").unwrap_or(path)))
}

/// What all files of ours say, of whatever version.
const OURS: &str = "`amazon-cloudwatch-publisher service install`";

/// Put this text there, in a folder that is made where it is missing. A file that is not of ours is kept beside it.
///
/// # Errors
/// When it cannot be written. What was there is there, then.
pub fn write(file: &Path, text: &str) -> Result<Fate, ServiceError> {
    let there = fs::read(file).ok().map(|there| String::from_utf8_lossy(&there).into_owned());
    if there.as_deref() == Some(text) {
        return Ok(Fate::Unchanged);
    }
    let failed = |source| ServiceError::File { file: file.to_path_buf(), done: "written", source };
    let foreign = there.filter(|there| !there.contains(OURS));
    if let Some(foreign) = &foreign {
        replace(&old(file), foreign).map_err(failed)?;
    }
    replace(file, text).map_err(failed)?;
    Ok(if foreign.is_some() { Fate::Replaced } else { Fate::Written })
}

/// Where the one of somebody else is kept: service managers look for other endings.
pub fn old(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".amazon-cloudwatch-publisher-").tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    all_may_read(draft.as_file())?;
    draft.as_file().sync_all()?;
    draft.persist(file)?;
    Ok(())
}

/// A draft is made for its owner only; the managers and people must be able to read it, and launchd refuses what others may write.
#[cfg(unix)]
fn all_may_read(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)] // the signature is the same on every system
fn all_may_read(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Take it away.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(file: &Path) -> Result<Fate, ServiceError> {
    match fs::remove_file(file) {
        Ok(()) => Ok(Fate::Removed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Fate::WasNotThere),
        Err(source) => Err(ServiceError::File { file: file.to_path_buf(), done: "removed", source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_by_hand_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.service");
        fs::write(&file, "by hand").expect("ours");
        assert_eq!(write(&file, OURS).ok(), Some(Fate::Replaced));
        let read = |path: &Path| fs::read_to_string(path).expect("there");
        assert_eq!((&*read(&file), &*read(&old(&file))), (OURS, "by hand"));
    }

    #[test]
    fn a_file_is_written_once_for_all_to_read_and_removed_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = below(Some(folder.path()), Path::new("/etc/x/y.service"));
        assert!(file.starts_with(folder.path()));
        let [one, two] = ["one", "two"].map(|text| format!("# {text}: {OURS}"));
        assert_eq!(write(&file, &one).ok(), Some(Fate::Written));
        assert_eq!(write(&file, &one).ok(), Some(Fate::Unchanged));
        assert_eq!(write(&file, &two).ok(), Some(Fate::Written));
        assert_eq!(fs::read_to_string(&file).expect("there"), two);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o644);
        }
        assert_eq!(fs::read_dir(file.parent().expect("one")).expect("there").count(), 1, "no draft is left");
        assert_eq!(remove(&file).ok(), Some(Fate::Removed));
        assert_eq!(remove(&file).ok(), Some(Fate::WasNotThere));
        assert!(
            write(&folder.path().join("etc/x"), "a folder")
                .is_err_and(|why| why.to_string().ends_with("could not be written"))
        );
    }
}
