//! Where a log event goes that the service will never take: one JSON line a piece, so that nothing vanishes silently.
//!
//! The file has a bound ([`MOST`]). When it is full, nothing more is set aside and nothing is given up: the log stream with the
//! next such event waits, and says so, until a person has taken the file away.
use crate::{model::LogBatch, platform};
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Bytes that the file may hold: far more than a few odd events, far less than a disk.
const MOST: u64 = 64 << 20;

/// A refused event, alone in its batch, and why it was refused.
pub type Refused = (LogBatch, String);

/// The file in the state folder. It only grows by events that a service refused for good; a person reads and removes it.
#[derive(Debug)]
pub struct DeadLetters {
    file: PathBuf,
    most: u64,
    /// One at a time, so that a torn write can be cut back.
    writing: Mutex<()>,
}

/// Why a refused event is not kept.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("a log event that the service refuses cannot be kept in {}", file.display())]
    Write { file: PathBuf, source: io::Error },
    #[error("{} is full ({bytes} bytes): read it and take it away; this log stream waits until then", file.display())]
    Full { file: PathBuf, bytes: u64 },
}

#[derive(Serialize)]
struct Letter<'a> {
    group: &'a str,
    stream: &'a str,
    timestamp: i64,
    message: &'a str,
    reason: &'a str,
}

impl DeadLetters {
    /// `dead-letter.jsonl` in this folder.
    pub fn in_folder(state: &Path) -> Self {
        Self { file: state.join("dead-letter.jsonl"), most: MOST, writing: Mutex::default() }
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Append all of these. On disk when this returns: their positions move on right after. Blocks.
    ///
    /// # Errors
    /// When the file is full or cannot be written; it holds none of them then, and nothing may be acknowledged.
    pub fn keep(&self, refused: &[Refused]) -> Result<(), DeadLetterError> {
        let failed = |source| DeadLetterError::Write { file: self.file.clone(), source };
        let mut lines = lines(refused).map_err(failed)?;
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = self.open().map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes > 0 && bytes + lines.len() as u64 > self.most {
            return Err(DeadLetterError::Full { file: self.file.clone(), bytes });
        }
        if !self.ends_with_a_line(bytes).map_err(failed)? {
            lines.insert(0, b'\n');
        }
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        self.or_cut_back(bytes, written).map_err(failed)
    }

    fn open(&self) -> io::Result<File> {
        match platform::private_file(&self.file) {
            // Somebody removed the state folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.file.parent().map_or(Ok(()), platform::private_folder)?;
                platform::private_file(&self.file)
            }
            opened => opened,
        }
    }

    /// Half a line is what a crash left; its event was never acknowledged and comes again.
    fn ends_with_a_line(&self, bytes: u64) -> io::Result<bool> {
        let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(last))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte == *b"\n")
    }

    /// What was written in part is taken back: it would only fill a disk that is full, and it comes again.
    fn or_cut_back(&self, bytes: u64, written: io::Result<()>) -> io::Result<()> {
        written.inspect_err(|_| {
            // Where even this fails, the next one begins on a line of its own.
            let _ = OpenOptions::new().write(true).open(&self.file).and_then(|file| file.set_len(bytes));
        })
    }
}

fn lines(refused: &[Refused]) -> io::Result<Vec<u8>> {
    let mut lines = vec![];
    for (batch, reason) in refused {
        for event in batch.events()? {
            let (group, stream) = (&batch.target.group, &batch.target.stream);
            let letter = Letter { group, stream, timestamp: event.timestamp, message: &event.message, reason };
            serde_json::to_writer(&mut lines, &letter)?;
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Slot, Target, TimedBy, Timestamp};
    use std::{fs, sync::Arc};

    fn refused(message: &str) -> Vec<Refused> {
        let target = Arc::new(Target { group: "g".into(), stream: "s".into(), ..Target::default() });
        let body = format!(r#"{{"logEvents":[{{"timestamp":1,"message":"{message}"}}]}}"#);
        let index = Arc::from([Slot { at: Timestamp::from_millis(1), start: 14, timed_by: TimedBy::Source }]);
        vec![(LogBatch { target, body: body.into(), index, covers: vec![] }, "bad".into())]
    }

    fn messages(letters: &DeadLetters) -> Vec<String> {
        let text = fs::read_to_string(letters.path()).expect("readable");
        let parsed = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        parsed.map(|letter| letter["message"].as_str().expect("text").to_owned()).collect()
    }

    #[test]
    fn a_full_file_takes_no_more_and_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let letters = DeadLetters { most: 100, ..DeadLetters::in_folder(folder.path()) };
        letters.keep(&refused(&"x".repeat(200))).expect("an empty file takes any");
        let error = letters.keep(&refused("more")).expect_err("full");
        assert!(matches!(error, DeadLetterError::Full { .. }) && error.to_string().contains("take it away"), "{error}");
        fs::remove_file(letters.path()).expect("taken away");
        letters.keep(&refused("more")).expect("room again");
        assert_eq!(messages(&letters), ["more"]);
    }

    #[test]
    fn a_torn_write_is_cut_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let letters = DeadLetters::in_folder(folder.path());
        letters.keep(&refused("whole")).expect("kept");
        let whole = fs::read(letters.path()).expect("readable");
        fs::write(letters.path(), [&whole, &b"{\"group\""[..]].concat()).expect("written");
        let failed = letters.or_cut_back(whole.len() as u64, Err(io::Error::other("the disk is full")));
        assert!(failed.is_err());
        assert_eq!(fs::read(letters.path()).expect("readable"), whole);
    }

    #[test]
    fn what_a_crash_tore_spoils_no_line_behind_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let letters = DeadLetters::in_folder(folder.path());
        letters.keep(&refused("before")).expect("kept");
        let torn = [&fs::read(letters.path()).expect("readable"), &b"{\"group\":\"g"[..]].concat();
        fs::write(letters.path(), torn).expect("written");
        letters.keep(&refused("after")).expect("kept");
        assert_eq!(messages(&letters), ["before", "after"]);
    }
}
