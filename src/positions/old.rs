//! `positions.json` of the first version: all positions in one checked object. It is read once and taken over.
//!
//! ```text
//! {"version":1,"crc32":"89abcdef","content":{"sources":[{"seen":1769903999999,"position":{"file":{...}}}]}}
//! ```
//!
//! A program of that time finds a note in its place, which it refuses as written by a newer version: so going back to it
//! never begins without positions, unless somebody moves the note away.
use super::record::{Entry, VERSION};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What stands in `positions.json`.
#[derive(Debug)]
pub(super) enum Old {
    /// Positions of the first version.
    Positions(Vec<Entry>),
    /// The note that they are elsewhere now.
    Note,
    Newer(u32),
    /// Of no use, and why.
    Broken(String),
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize)]
struct Whole<'a> {
    version: u32,
    crc32: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Content {
    sources: Vec<Entry>,
}

/// The note.
pub(super) fn note(file: &str) -> String {
    format!(
        "{{\"version\":{VERSION},\"note\":\"the positions are in {file}; programs that know only version 1 cannot read them\"}}\n"
    )
}

pub(super) fn read(bytes: &[u8]) -> Old {
    let torn = |error: serde_json::Error| Old::Broken(format!("it is not whole: {error}"));
    // The version first: the rest of another format may look different.
    match serde_json::from_slice::<Header>(bytes) {
        Ok(Header { version: 0 | 1 }) => {}
        Ok(Header { version: VERSION }) => return Old::Note,
        Ok(Header { version }) => return Old::Newer(version),
        Err(error) => return torn(error),
    }
    let whole: Whole<'_> = match serde_json::from_slice(bytes) {
        Ok(whole) => whole,
        Err(error) => return torn(error),
    };
    let found = checksum(whole.version, whole.content.get());
    if found != whole.crc32 {
        return Old::Broken(format!("its checksum is {found}, not {}", whole.crc32));
    }
    serde_json::from_str::<Content>(whole.content.get()).map_or_else(torn, |content| Old::Positions(content.sources))
}

/// Over the version and the bytes of the content.
fn checksum(version: u32, content: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(content.as_bytes());
    format!("{:08x}", hasher.finalize())
}

/// As the first version wrote it.
#[cfg(test)]
pub(super) fn write(entries: &[Entry]) -> String {
    let sources: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).expect("Unicode")).collect();
    let content = format!("{{\"sources\":[{}]}}", sources.join(",\n"));
    format!("{{\"version\":1,\"crc32\":\"{}\",\"content\":{content}}}\n", checksum(1, &content))
}
