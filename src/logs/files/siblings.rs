//! Files beside a log: where its rotated generations are looked for.
use crate::platform::files::{self, FileKind, Stat};
use std::{
    cmp::Ordering,
    io,
    path::{Path, PathBuf},
};

/// Endings of files whose bytes are not lines any more.
const COMPRESSED: &[&str] = &[".gz", ".zst", ".bz2", ".xz", ".zip", ".lz4", ".z"];

/// A regular, uncompressed file in the same folder.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub path: PathBuf,
    pub name: String,
    pub stat: Stat,
}

/// The folder that holds `path`.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Everything beside `path` that could hold lines, oldest first.
pub(super) fn all(path: &Path) -> io::Result<Vec<Sibling>> {
    list(path, |_| true)
}

/// What is named like a rotated generation of `path`, oldest first.
pub(super) fn rotations(path: &Path) -> io::Result<Vec<Sibling>> {
    let base = name(path);
    list(path, |name| is_rotation(&base, name))
}

/// Whether `other` is named as rotation tools name earlier generations of `base`: `app.log.1`, `app.log-20260131`,
/// `app.log.old`, and with the number before the extension `app.1.log`, `app-20260131.log`.
///
/// Before the extension, or without one, a short number after a dash may as well name another instance (`worker-2.log`):
/// there at least four digits are asked for.
pub(super) fn is_rotation(base: &str, other: &str) -> bool {
    if other == base {
        return false;
    }
    let sure = |part: &str| part.starts_with('.') || part.bytes().filter(u8::is_ascii_digit).count() >= 4;
    let parts = base.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    if let Some(rest) = other.strip_prefix(base) {
        return rest == ".old" || is_number_or_date(rest) && (parts.is_some() || sure(rest));
    }
    let Some((stem, extension)) = parts else { return false };
    let middle = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.'));
    middle.is_some_and(|middle| is_number_or_date(middle) && sure(middle))
}

fn is_number_or_date(text: &str) -> bool {
    text.starts_with(['.', '-', '_'])
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b':' | b'+' | b'T' | b'Z'))
}

fn list(path: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Sibling>> {
    let base = name(path);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let lower = name.to_ascii_lowercase();
        if name == base || !wanted(&name) || COMPRESSED.iter().any(|end| lower.ends_with(end)) {
            continue;
        }
        // What vanished meanwhile, or leads nowhere, holds no lines for us.
        if let Ok(stat) = files::stat(&entry.path())
            && stat.kind == FileKind::Regular
        {
            found.push(Sibling { path: entry.path(), name, stat });
        }
    }
    found.sort_by(|a, b| older(&base, (a.stat, &a.name), (b.stat, &b.name)));
    Ok(found)
}

/// By time of the last change; files of the same moment by name: `.2` is older than `.1`, but a lower date is older.
fn older(base: &str, a: (Stat, &str), b: (Stat, &str)) -> Ordering {
    let by_name = || match (generation_number(base, a.1), generation_number(base, b.1)) {
        (Some(a), Some(b)) => b.cmp(&a),
        _ => a.1.cmp(b.1),
    };
    a.0.modified.cmp(&b.0.modified).then_with(by_name)
}

/// The number that rotation counts up: at most four digits, so that no date is taken for one.
fn generation_number(base: &str, name: &str) -> Option<u16> {
    let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
    let rest = name.strip_prefix(base).or_else(|| name.strip_prefix(stem))?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    (digits.len() <= 4).then(|| digits.parse().ok())?
}

/// The last part of a path, for comparing.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_tools_give_are_recognised() {
        for name in [
            "app.log.1",
            "app.log.12",
            "app.log-20260131",
            "app.log.1700000000",
            "app.log.2026-01-31",
            "app.log.old",
            "app.log-20260131-1700000000",
            "app.log.2026-01-31T10:00:00Z",
            "app-2026.log",
            "app.1.log",
            "app-2026-01-31T10-00-00.000.log",
            "app__2026-01-31_00-00-00.log",
            "app.2026-01-31.log",
        ] {
            assert!(is_rotation("app.log", name), "{name}");
        }
        assert!(is_rotation("messages", "messages-20260131"));
        assert!(is_rotation("messages", "messages.1"));
    }

    #[test]
    fn names_of_other_files_are_not_taken_for_rotations() {
        for name in [
            "app.log",
            "app.log.bak-old",
            "app.log.bak",
            "app.log~",
            "app.log1",
            "app.log.1.tmp",
            "app-2.log",
            "app_1.log",
            "app2026.log",
            "application-2026.log",
            "app-error.log",
            "app.log.swp",
            "other.log.1",
            "app.log.",
        ] {
            assert!(!is_rotation("app.log", name), "{name}");
        }
        assert!(!is_rotation("messages", "messages2"));
        assert!(!is_rotation("worker", "worker-2"));
        assert!(!is_rotation(".hidden", "-2026.hidden"));
    }

    #[test]
    fn rotations_come_oldest_first_and_compressed_ones_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.log");
        let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        for (name, time) in [("app.log", 9), ("app.log.1", 5), ("app.log.2", 5), ("app.log.3", 7), ("app.log.4.gz", 1)]
        {
            let file = std::fs::File::create(folder.path().join(name)).expect("writable");
            file.set_modified(at(time)).expect("settable");
        }
        std::fs::create_dir(folder.path().join("app.log.5")).expect("writable");
        let names: Vec<_> = rotations(&path).expect("listed").into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["app.log.2", "app.log.1", "app.log.3"]);
    }

    #[test]
    fn a_path_without_a_folder_lies_in_the_current_one() {
        assert_eq!(folder(Path::new("app.log")), Path::new("."));
        assert_eq!(folder(Path::new("/var/log/app.log")), Path::new("/var/log"));
    }
}
