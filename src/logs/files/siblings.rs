//! What files beside a log are called: which of them may be its rotated generations, and in which order they were made.
//! The rules that `validate` and patterns need as well are those of [`rotation`](crate::config::rotation).
pub(super) use crate::config::rotation::{is_packed, is_rotation};

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
};

/// The folder that holds `path`.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The last part of a path, for comparing.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where a link at `path` leads: the rotated generations of a linked log lie there, not beside the link.
pub(super) fn home(path: &Path) -> Option<PathBuf> {
    std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_symlink)?;
    std::fs::canonicalize(path).ok()
}

/// What a compressed file was called whose text we can read; `None` for every other name.
pub(super) fn unpacked(name: &str) -> Option<&str> {
    let (plain, end) = name.split_at_checked(name.len().checked_sub(".gz".len())?)?;
    (end.eq_ignore_ascii_case(".gz") && !plain.is_empty()).then_some(plain)
}

/// Whether `other` is `base` with another date or serial number: `app-20260131.log` and `app-20260201.log`. So are the
/// files named that a link such as `app-current.log` leads to one after the other. At least four digits must speak for
/// it.
pub(super) fn is_sister(base: &str, other: &str) -> bool {
    let dated = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | ':' | '+' | 'T' | 'Z');
    let start: usize = base.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    // What is alike may end within the date: its beginning belongs to it.
    let start = base[..start].trim_end_matches(dated).len();
    let (base, other) = (&base[start..], &other[start..]);
    let part = |text: &str| text.find(|c| !dated(c)).unwrap_or(text.len());
    let ((a, end), (b, other_end)) = (base.split_at(part(base)), other.split_at(part(other)));
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    a != b && end == other_end && digits(a) >= 4 && digits(b) >= 4
}

/// The place of a rotated file among those of one log that are named in the same way: the greater one is the younger
/// one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Order {
    /// `.2` is older than `.1`. At most four digits, so that no date is taken for a number.
    Counted(Reverse<u16>),
    /// A lower date is older.
    Dated(String),
}

impl Order {
    /// Of the file `name`, a generation of `base`, if its name tells.
    pub fn of(base: &str, name: &str) -> Option<Self> {
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let rest = name.strip_prefix(base).or_else(|| name.strip_prefix(stem)).unwrap_or(name);
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        match digits.len() {
            0 => None,
            1..=4 => digits.parse().ok().map(|number| Self::Counted(Reverse(number))),
            _ => Some(Self::Dated(name.to_owned())),
        }
    }

    pub fn is_dated(&self) -> bool {
        matches!(self, Self::Dated(_))
    }

    /// Whether both are named in the same way, so that their order means something.
    pub fn is_like(&self, other: &Self) -> bool {
        let shape = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "0");
        match (self, other) {
            (Self::Counted(_), Self::Counted(_)) => true,
            (Self::Dated(a), Self::Dated(b)) => shape(a) == shape(b),
            (Self::Counted(_), Self::Dated(_)) | (Self::Dated(_), Self::Counted(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_file_is_named_by_what_it_holds() {
        assert_eq!(unpacked("app.log.1.gz"), Some("app.log.1"));
        assert_eq!(unpacked("app-2026-01-31.log.GZ"), Some("app-2026-01-31.log"));
        for name in ["app.log.1", "app.log.1.zst", ".gz", "gz", "\u{e4}gz"] {
            assert_eq!(unpacked(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_differ_by_a_date_or_a_long_number_are_sisters() {
        for (base, other) in [
            ("app-2026-11-21.log", "app-2026-11-22.log"),
            ("app-2026-11-21.log", "app-2025-01-01.log"),
            ("gen.0007.log", "gen.0012.log"),
            ("app.20260131", "app.20260201"),
            ("prog.INFO.20260131-120000.12345", "prog.INFO.20260131-130000.999"),
        ] {
            assert!(is_sister(base, other), "{base} {other}");
        }
        for (base, other) in [
            ("app-2026-11-21.log", "app-2026-11-21.log"),
            ("app-2026-11-21.log", "web-2026-11-22.log"),
            ("app-2026-11-21.log", "app-2026-11-22.txt"),
            ("app-2026-11-21.log", "app.log"),
            ("worker-1.log", "worker-2.log"),
            ("app.log", "app.log.1"),
            ("app.log", "other"),
        ] {
            assert!(!is_sister(base, other), "{base} {other}");
        }
    }

    #[test]
    fn numbers_count_backwards_and_dates_forwards_among_names_of_one_kind() {
        let order = |name: &str| Order::of("app.log", name).expect("ordered");
        assert!(order("app.log.9") > order("app.log.10") && order("app.1.log") > order("app.2.log"));
        assert!(order("app.log-20260201") > order("app.log-20260131"));
        assert!(order("app.log-20260201").is_like(&order("app.log-20260131")));
        assert!(!order("app.log-20260201").is_like(&order("app.log-2026-01-31")));
        assert!(!order("app.log-20260201").is_like(&order("app.log.1")));
        assert_eq!(Order::of("app.log", "app.log.old"), None);
    }

    #[test]
    fn a_path_without_a_folder_lies_in_the_current_one() {
        assert_eq!(folder(Path::new("app.log")), Path::new("."));
        assert_eq!(folder(Path::new("/var/log/app.log")), Path::new("/var/log"));
    }
}
