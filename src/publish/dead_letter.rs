//! Where a log event goes that the service will never take: one JSON line a piece, so that nothing vanishes silently.
use crate::{model::LogBatch, platform};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file in the state folder. It only grows by events that a service refused for good; a person reads and removes it.
#[derive(Debug)]
pub struct DeadLetters {
    file: PathBuf,
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
        Self { file: state.join("dead-letter.jsonl") }
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Append every event of the batch. On disk when this returns: its position moves on right after.
    ///
    /// # Errors
    /// When the file cannot be written; nothing of the batch may then be acknowledged.
    pub fn keep(&self, batch: &LogBatch, reason: &str) -> io::Result<()> {
        let mut lines = vec![];
        for event in batch.events()? {
            let (group, stream) = (&batch.target.group, &batch.target.stream);
            let letter = Letter { group, stream, timestamp: event.timestamp, message: &event.message, reason };
            serde_json::to_writer(&mut lines, &letter)?;
            lines.push(b'\n');
        }
        let mut file = match platform::private_file(&self.file) {
            // Somebody removed the state folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.file.parent().map_or(Ok(()), platform::private_folder)?;
                platform::private_file(&self.file)?
            }
            opened => opened?,
        };
        file.write_all(&lines)?;
        file.sync_data()
    }
}
