//! The file itself: how it is opened, which tables it has, and what is said when it cannot be used.
use crate::platform::{self, files};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The database inside the store's folder.
const FILE: &str = "cloudwatch.db";
/// Which tables the file has (`PRAGMA user_version`). Raise it with each change of [`TABLES`], and migrate what is
/// older in [`Database::prepare`].
const VERSION: i64 = 2;
/// Before a point told how often its value occurred.
const WITHOUT_COUNTS: i64 = 1;
/// How long one connection waits for another's lock. Writes last milliseconds; only a stalled disk needs seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names stand once in `series`, `log_group` and `log_stream`; the many rows carry numbers only.
///
/// A datum's unit is part of its series: CloudWatch never mixes units in one statistic either. `point.n` counts data
/// of the same millisecond, because the service keeps them all; each value of a datum is a row, with how often it occurred. An event's `id` grows in the order of arrival, which is
/// the order of events of the same millisecond.
const TABLES: &str = "
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        namespace TEXT NOT NULL,
        dimensions TEXT NOT NULL,
        unit TEXT NOT NULL,
        UNIQUE (name, namespace, dimensions, unit)
    ) STRICT;
    CREATE TABLE point (
        series INTEGER NOT NULL REFERENCES series,
        at INTEGER NOT NULL,
        n INTEGER NOT NULL,
        value REAL NOT NULL,
        count REAL NOT NULL DEFAULT 1,
        PRIMARY KEY (series, at, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log_group (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        retention_days INTEGER,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE log_stream (
        id INTEGER PRIMARY KEY,
        log_group INTEGER NOT NULL REFERENCES log_group,
        name TEXT NOT NULL,
        created INTEGER NOT NULL,
        UNIQUE (log_group, name)
    ) STRICT;
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES log_stream,
        at INTEGER NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_by_time ON event (stream, at);
";

/// Why the embedded store cannot be used. Each names the file or folder and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("cannot use {path} for the embedded store: name a folder that this user may write to")]
    Place { path: PathBuf, source: io::Error },
    #[error(
        "there is no embedded store at {path}: `amazon-cloudwatch-publisher run CONFIG --local={}` makes one",
        .path.parent().unwrap_or(.path).display()
    )]
    Absent { path: PathBuf },
    #[error(
        "whether there is an embedded store at {path} this user may not see: ask as root or as the user of its daemon"
    )]
    Hidden { path: PathBuf, source: io::Error },
    #[error(
        "{path} was written by a newer version of this program (schema {found}, this one knows {VERSION}): \
         upgrade this one, or name another folder"
    )]
    Newer { path: PathBuf, found: i64 },
    #[error("{path} is a database of some other program: name another folder")]
    Foreign { path: PathBuf },
    #[error(
        "{path} is damaged: stop the daemon and move this file and its -wal and -shm files away; \
         a new one is made at the next start"
    )]
    Damaged { path: PathBuf, source: rusqlite::Error },
    #[error("no space left for {path}: free some on its file system, or shorten `local.retention_hours`")]
    Full { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was removed while it was in use: it is made again, and what was just written is sent again")]
    Removed { path: PathBuf },
    #[error("{path} cannot be written: give it and its folder to the user of the daemon, on a writable file system")]
    ReadOnly { path: PathBuf, source: rusqlite::Error },
    #[error("{path} is held by another process: two daemons must not share one folder")]
    Busy { path: PathBuf, source: rusqlite::Error },
    #[error("cannot open {path}: this user needs the right to read it and to write to its folder")]
    Closed { path: PathBuf, source: rusqlite::Error },
    #[error("reading or writing {path} failed: check its disk")]
    Failed { path: PathBuf, source: rusqlite::Error },
}

impl LocalError {
    /// What an error of the library means for the file at `path`.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, source },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::Closed { path, source },
            // The library's own list is open, so no exhaustive match is possible.
            Some(_) | None => Self::Failed { path, source },
        }
    }
}

/// An open file and its name.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
    /// The file that was opened, whatever is at the path by now. `None`: unknown.
    id: Option<files::FileId>,
}

impl Database {
    /// Opens the file in `folder` for writing. Both are made when they are missing, readable by this user only.
    pub(super) fn create(folder: &Path) -> Result<Self, LocalError> {
        platform::private_folder(folder).map_err(|source| LocalError::Place { path: folder.to_path_buf(), source })?;
        let file = folder.join(FILE);
        // SQLite gives its -wal and -shm files the mode of the database, so its mode is settled first.
        platform::private_file(&file).map_err(|source| LocalError::Place { path: file.clone(), source })?;
        let database = Self::connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        database.prepare()?;
        Ok(database)
    }

    /// Opens the file in `folder` for reading only. Nothing is made.
    pub(super) fn read(folder: &Path) -> Result<Self, LocalError> {
        let file = folder.join(FILE);
        match file.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(LocalError::Absent { path: file }),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(LocalError::Hidden { path: file, source });
            }
            Err(_) => return Err(LocalError::Absent { path: file }),
        }
        let database = Self::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match database.version()? {
            // The daemon that makes it has not come to its tables yet.
            0 if database.is_empty()? => Err(LocalError::Absent { path: database.file }),
            WITHOUT_COUNTS => {
                // Only the daemon may change the file; this connection sees it as if it had been.
                let view = "CREATE TEMP VIEW point AS SELECT series, at, n, value, 1.0 AS count FROM main.point";
                match database.connection.execute_batch(view) {
                    Ok(()) => Ok(database),
                    Err(source) => Err(LocalError::of(&database.file, source)),
                }
            }
            found => database.known(found).map(|()| database),
        }
    }

    fn connect(file: PathBuf, mode: OpenFlags) -> Result<Self, LocalError> {
        let open = || {
            let connection = Connection::open_with_flags(&file, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(PATIENCE)?;
            // Half a megabyte of cached pages: a row is written once and seldom read.
            connection.pragma_update(None, "cache_size", -512)?;
            Ok(connection)
        };
        match open() {
            Ok(connection) => {
                let id = files::stat(&file).ok().map(|stat| stat.id);
                Ok(Self { connection, file, id })
            }
            Err(source) => Err(LocalError::of(&file, source)),
        }
    }

    /// An error once the open file is not the one at the path any more: what is written to it then is gone with it.
    pub(super) fn in_place(&self) -> Result<(), LocalError> {
        let removed = || LocalError::Removed { path: self.file.clone() };
        match files::stat(&self.file) {
            Ok(stat) if self.id.is_none_or(|id| id == stat.id) => Ok(()),
            Ok(_) => Err(removed()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(removed()),
            // A disk that fails says so when it is written to.
            Err(_) => Ok(()),
        }
    }

    /// Makes the tables in a new file, and sets how this connection writes.
    fn prepare(&self) -> Result<(), LocalError> {
        let found = self.version()?;
        let new = found == 0 && self.is_empty()?;
        if found == WITHOUT_COUNTS {
            let migration = format!(
                "BEGIN IMMEDIATE; ALTER TABLE point ADD COLUMN count REAL NOT NULL DEFAULT 1;
                 PRAGMA user_version = {VERSION}; COMMIT"
            );
            self.connection.execute_batch(&migration).map_err(|source| LocalError::of(&self.file, source))?;
        } else if !new {
            self.known(found)?;
        }
        let settle = || {
            if new {
                // Only counts in a file without tables. Incremental: freed pages are given back when `sweep` asks.
                self.connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
            }
            // Readers never wait for the writer. FULL: a batch that was accepted moves positions, so it must be on the
            // disk. A megabyte of log file is merged at a time, and at most four stay on the disk afterwards.
            self.connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256;
                 PRAGMA journal_size_limit = 4194304",
            )?;
            if new {
                let version = format!("PRAGMA user_version = {VERSION}");
                self.connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} {version}; COMMIT"))?;
            }
            Ok(())
        };
        settle().map_err(|source| LocalError::of(&self.file, source))
    }

    /// Whether this program knows the tables of schema `found`.
    fn known(&self, found: i64) -> Result<(), LocalError> {
        match found {
            VERSION => Ok(()),
            found if found > VERSION => Err(LocalError::Newer { path: self.file.clone(), found }),
            _ => Err(LocalError::Foreign { path: self.file.clone() }),
        }
    }

    fn version(&self) -> Result<i64, LocalError> {
        self.number("PRAGMA user_version")
    }

    fn is_empty(&self) -> Result<bool, LocalError> {
        self.number("SELECT count(*) FROM sqlite_schema").map(|tables| tables == 0)
    }

    fn number(&self, sql: &str) -> Result<i64, LocalError> {
        self.connection.query_row(sql, (), |row| row.get(0)).map_err(|source| LocalError::of(&self.file, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{error::Error, fs};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn setting(database: &Database, name: &str) -> i64 {
        database.number(&format!("PRAGMA {name}")).expect("a pragma")
    }

    #[test]
    fn a_new_file_gives_pages_back_and_writes_ahead_and_safely() {
        let folder = folder();
        let database = Database::create(folder.path()).expect("a new store");
        assert_eq!(setting(&database, "auto_vacuum"), 2, "incremental");
        assert_eq!(setting(&database, "synchronous"), 2, "full");
        assert_eq!(setting(&database, "user_version"), VERSION);
        let mode: String =
            database.connection.query_row("PRAGMA journal_mode", (), |row| row.get(0)).expect("a pragma");
        assert_eq!(mode, "wal");
    }

    #[test]
    fn opening_again_keeps_what_is_there() {
        let folder = folder();
        let first = Database::create(folder.path()).expect("a new store");
        first.connection.execute("INSERT INTO log_group (name, created) VALUES ('g', 1)", ()).expect("a row");
        drop(first);
        let again = Database::create(folder.path()).expect("the same store");
        assert_eq!(again.number("SELECT count(*) FROM log_group").expect("a count"), 1);
    }

    #[test]
    fn a_newer_schema_is_refused_by_writer_and_reader() {
        let folder = folder();
        let database = Database::create(folder.path()).expect("a new store");
        database.connection.pragma_update(None, "user_version", VERSION + 1).expect("a pragma");
        drop(database);
        for result in [Database::create(folder.path()), Database::read(folder.path())] {
            let error = result.expect_err("refused");
            assert!(matches!(error, LocalError::Newer { found, .. } if found == VERSION + 1), "{error}");
            assert!(error.to_string().contains(FILE) && error.to_string().contains("upgrade"), "{error}");
        }
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let folder = folder();
        let other = Connection::open(folder.path().join(FILE)).expect("a database");
        other.execute_batch("CREATE TABLE theirs (x)").expect("a table");
        drop(other);
        assert!(matches!(Database::create(folder.path()), Err(LocalError::Foreign { .. })));
        assert!(matches!(Database::read(folder.path()), Err(LocalError::Foreign { .. })));
    }

    #[test]
    fn a_damaged_file_is_named_and_left_as_it_is() {
        let folder = folder();
        let file = folder.path().join(FILE);
        let rubbish = vec![b'x'; 8192];
        fs::write(&file, &rubbish).expect("a file");
        for result in [Database::create(folder.path()), Database::read(folder.path())] {
            let error = result.expect_err("damaged");
            assert!(matches!(error, LocalError::Damaged { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(&file.display().to_string()) && text.contains("move"), "{text}");
            assert!(error.source().is_some());
        }
        assert_eq!(fs::read(&file).expect("still there"), rubbish);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = folder();
        let blocked = folder.path().join("file").join("store");
        fs::write(folder.path().join("file"), "").expect("a file");
        let error = Database::create(&blocked).expect_err("a file is in the way");
        assert!(matches!(error, LocalError::Place { .. }));
        assert!(error.to_string().contains(&blocked.display().to_string()), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_without_the_right_to_write_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        drop(Database::create(folder.path()).expect("a new store"));
        let allow =
            |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("our own folder");
        allow(0o500);
        // Root may write anyway: then there is nothing to refuse.
        let refused = fs::write(folder.path().join("probe"), "").is_err();
        let results = [Database::create(folder.path()), Database::read(folder.path())];
        allow(0o700);
        for result in results {
            match result {
                Err(error) if refused => {
                    let text = error.to_string();
                    assert!(matches!(error, LocalError::Closed { .. } | LocalError::ReadOnly { .. }), "{error:?}");
                    assert!(text.contains(&folder.path().display().to_string()), "{text}");
                }
                result => assert!(!refused && result.is_ok(), "{result:?}"),
            }
        }
    }

    #[test]
    fn reading_makes_nothing_and_says_which_command_does() {
        let folder = folder();
        let error = Database::read(folder.path()).expect_err("nothing there");
        let text = error.to_string();
        assert!(matches!(error, LocalError::Absent { .. }));
        assert!(text.contains(&format!("run CONFIG --local={}", folder.path().display())), "{text}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = folder();
        let writer = Database::create(folder.path()).expect("a new store");
        let reader = Database::read(folder.path()).expect("readable");
        let error = reader.connection.execute("DELETE FROM event", ()).expect_err("read-only");
        assert!(matches!(LocalError::of(&reader.file, error), LocalError::ReadOnly { .. }));
        drop(writer);
    }
}
