//! Attributes of `/sys`: one small file for one value (`Documentation/filesystems/sysfs.rst`).
//!
//! An attribute that is missing, that the driver refuses to read at the moment, or that is not of the expected form, is `None`:
//! each of these is ordinary for a device that sleeps, or was just pulled out.
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    str::FromStr,
};

/// No attribute has more: sysfs gives a driver one page to write to, and what we read is far shorter than the smallest.
const LONGEST: u64 = 4096;

/// The value, without the white space around it; `None` also where it is empty.
pub fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The value as a number.
pub fn number<T: FromStr>(path: &Path) -> Option<T> {
    text(path)?.parse().ok()
}

/// The value as hexadecimal digits, with or without `0x`.
pub fn hexadecimal(path: &Path) -> Option<u32> {
    parse_hexadecimal(&text(path)?)
}

/// The same of a text.
pub fn parse_hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// The names in a folder in a fixed order: numbers in them count as numbers, so that `temp10` stands behind `temp2`. Empty where
/// there is no such folder.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = entries.filter_map(|e| name(e).transpose()).collect::<io::Result<_>>()?;
    names.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.cmp(b)));
    Ok(names)
}

/// The text before the first number, and the number.
fn order(name: &str) -> (&str, u64) {
    let (text, rest) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len()));
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (text, rest[..digits].parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_of_its_form_is_no_value() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("a");
        for (bytes, expected) in [
            (b"42\n".as_slice(), Some(42)),
            (b" 42 ", Some(42)),
            (b"", None),
            (b"\n", None),
            (b"4x", None),
            (b"\xff", None),
            (b"99999999999999999999", None),
        ] {
            fs::write(&file, bytes).expect("written");
            assert_eq!(number::<u64>(&file), expected, "{bytes:?}");
        }
        assert_eq!(number::<u64>(&folder.path().join("none")), None);
        assert_eq!(number::<u64>(folder.path()), None);
    }

    #[test]
    fn an_endless_attribute_is_read_to_its_bound_only() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("a");
        fs::write(&file, vec![b'1'; 1 << 20]).expect("written");
        assert_eq!(text(&file).map(|t| t.len()), Some(4096));
    }

    #[test]
    fn hexadecimal_digits_may_say_that_they_are() {
        assert_eq!((parse_hexadecimal("0x50005"), parse_hexadecimal("50005")), (Some(0x5_0005), Some(0x5_0005)));
        for bad in ["", "0x", "-1", "0x1ffffffff", "0x0x1", "zz"] {
            assert_eq!(parse_hexadecimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["hwmon10", "hwmon2", "uevent", "99999999999999999999999"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(names(folder.path()).expect("read"), ["99999999999999999999999", "hwmon2", "hwmon10", "uevent"]);
        assert!(names(&folder.path().join("none")).expect("no such folder").is_empty());
    }
}
