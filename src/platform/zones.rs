//! The time zones that this host knows: TZif data (RFC 9636) by IANA name.
//!
//! Unix keeps them in a folder that its own updates renew; `TZDIR` names another one. Windows has none, so there a table is built in.
//!
//! And the host's own zone. Where it has none, its clocks are taken to show UTC.
use chrono::{
    DateTime, Datelike as _, FixedOffset, Local, MappedLocalTime, NaiveDate, NaiveDateTime, Offset as _, TimeZone, Utc,
};
use std::{borrow::Cow, io, sync::Once};

/// What the host's clocks show at a moment.
pub fn local(moment: DateTime<Utc>) -> NaiveDateTime {
    moment.with_timezone(&local_offset(moment)).naive_local()
}

/// How far they are from UTC then.
pub fn local_offset(moment: DateTime<Utc>) -> FixedOffset {
    static SAID: Once = Once::new();
    offset(&Local, moment).unwrap_or_else(|| {
        SAID.call_once(|| tracing::warn!("this host says no time zone of its own; its local times are taken for UTC"));
        Utc.fix()
    })
}

/// `None`: there is no such zone.
fn offset(zone: &impl TimeZone<Offset = FixedOffset>, moment: DateTime<Utc>) -> Option<FixedOffset> {
    is_known(zone, moment.year()).then(|| zone.offset_from_utc_datetime(&moment.naive_utc()))
}

/// Whether the host has a zone, which Windows tells year by year. The library panics where it has none and a moment is to be told in it; the
/// other way round it says so. No clocks are set in the middle of both these months.
fn is_known(zone: &impl TimeZone, year: i32) -> bool {
    [1, 7].into_iter().any(|month| {
        let noon = NaiveDate::from_ymd_opt(year, month, 15).and_then(|day| day.and_hms_opt(12, 0, 0));
        noon.is_some_and(|noon| !matches!(zone.offset_from_local_datetime(&noon), MappedLocalTime::None))
    })
}

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

    /// The local zone of a host that has none, as the library tells of it.
    #[derive(Clone)]
    struct Nowhere;

    impl TimeZone for Nowhere {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            MappedLocalTime::None
        }

        fn offset_from_local_datetime(&self, _: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
            MappedLocalTime::None
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            panic!("no zone")
        }

        fn offset_from_utc_datetime(&self, _: &NaiveDateTime) -> FixedOffset {
            panic!("no zone")
        }
    }

    #[test]
    fn the_clocks_of_a_host_without_a_zone_show_utc() {
        let moment = DateTime::from_timestamp(1_769_903_999, 0).expect("a moment");
        assert_eq!(offset(&Nowhere, moment), None);
        let east = FixedOffset::east_opt(3_600).expect("a zone");
        assert_eq!(offset(&east, moment), Some(east));
        assert!(offset(&Local, moment).is_some());
        assert_eq!(local(moment), moment.with_timezone(&Local).naive_local());
    }

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
