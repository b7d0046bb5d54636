//! The rights of a socket that the daemon makes.
use super::section::Section;

/// Owner and group may write.
pub const RIGHTS: u32 = 0o660;

/// The rights that stand here in octal, [`RIGHTS`] where nothing does.
pub fn of(section: &Section<'_>) -> u32 {
    let Some(text) = section.text() else { return RIGHTS };
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).unwrap_or_else(|| {
        section.error("must be the rights of a file in octal, like \"660\" or \"666\"");
        RIGHTS
    })
}
