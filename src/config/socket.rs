//! A UNIX socket that the daemon makes: its path, and its rights.
use super::section::Section;
use std::path::PathBuf;

/// Owner and group may write.
pub const RIGHTS: u32 = 0o660;

/// Bytes of the longest path: `sun_path` of macOS has 104 with the zero at its end, that of Linux 108 (`unix(4)`, `unix(7)`).
const LONGEST: usize = 103;

/// The path that stands here.
pub fn path(section: &Section<'_>) -> Option<PathBuf> {
    let path = section.text().filter(|path| !path.is_empty())?;
    if path.len() > LONGEST {
        section.error(format!(
            "has {} bytes, and the path of a socket at most {LONGEST}: choose a shorter one",
            path.len()
        ));
    }
    Some(PathBuf::from(path))
}

/// The rights that stand here in octal, [`RIGHTS`] where nothing does.
pub fn rights(section: &Section<'_>) -> u32 {
    let Some(text) = section.text() else { return RIGHTS };
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).unwrap_or_else(|| {
        section.error("must be the rights of a file in octal, like \"660\" or \"666\"");
        RIGHTS
    })
}
