//! What rotation makes of the name of a log: one rule for `validate`, for patterns, and for who looks for rotated generations.

/// Endings of files whose bytes are no lines: compressed ones, and archives.
const PACKED: &[&str] = &[".tar", ".zst", ".gz", ".zip", ".bz2", ".rar", ".xz", ".lz4", ".z"];

/// Whether a file's name says that its bytes are no lines.
pub fn is_packed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PACKED.iter().any(|end| lower.ends_with(end))
}

/// Whether `other` is named as rotation tools name earlier generations of `base`: `app.log.1`, `app.log-20260131`,
/// `app.log.old`, and with the number before the extension `app.1.log`, `app-20260131.log`.
///
/// Before the extension, or without one, a short number after a dash may as well name another instance
/// (`worker-2.log`): there at least four digits are asked for.
pub fn is_rotation(base: &str, other: &str) -> bool {
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
    fn what_is_packed_is_known_by_its_ending_in_any_case() {
        for end in PACKED {
            assert!(
                is_packed(&format!("app.log{end}")) && is_packed(&format!("app.log{}", end.to_uppercase())),
                "{end}"
            );
        }
        for name in ["app.log", "gz", "app.gz.1", "app.log-gz"] {
            assert!(!is_packed(name), "{name}");
        }
    }
}
