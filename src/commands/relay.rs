//! `relay send` and `relay listen`: both ends of the serial relay, for scripts and for trying it.
use crate::{
    cli::Relay,
    platform::serial,
    relay::{self, Fault, LONGEST, LONGEST_DATA, Message},
};
use anyhow::{Context, bail};
use serde_json::json;
use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::ExitCode,
};

/// Do what was asked.
///
/// # Errors
/// When nobody takes the frame, or the device cannot be read.
pub fn run(arguments: Relay) -> anyhow::Result<ExitCode> {
    match arguments {
        Relay::Send { tag, compress, socket, data } => {
            relay::send(&socket, &tag, &data_of(data)?, compress)?;
            Ok(ExitCode::SUCCESS)
        }
        Relay::Listen { device, json, count } => listen(&device, json, count),
    }
}

fn data_of(given: Option<OsString>) -> anyhow::Result<Vec<u8>> {
    Ok(match given {
        None => vec![],
        Some(word) if word == "-" => {
            let mut data = vec![];
            let input = io::stdin().lock().take(LONGEST_DATA + 1).read_to_end(&mut data);
            input.context("standard input could not be read")?;
            if data.len() as u64 > LONGEST_DATA {
                bail!("standard input has more than {} MiB, which no frame can carry: send less", LONGEST_DATA >> 20);
            }
            data
        }
        Some(word) => word.into_encoded_bytes(),
    })
}

/// What is no frame is said on standard error, and the exit code is 1 then.
fn listen(device: &Path, json: bool, count: Option<u64>) -> anyhow::Result<ExitCode> {
    let name = device.display();
    let device = serial::reader(device).with_context(|| format!("{name} could not be opened"))?;
    let mut lines = Lines { device: BufReader::new(device), number: 0 };
    let mut all_were_frames = true;
    while count.is_none_or(|count| lines.number < count) {
        let Some(line) = lines.next().with_context(|| format!("{name} could not be read"))? else { break };
        match relay::decode(&line) {
            Ok(message) => match writeln!(io::stdout(), "{}", shown(&message, json)) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written?,
            },
            Err(fault) => {
                all_were_frames = false;
                complain(lines.number, line.len(), fault);
            }
        }
    }
    Ok(if all_were_frames { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn complain(number: u64, bytes: usize, fault: Fault) {
    eprintln!("line {number} of {bytes} bytes is no frame: {fault}");
}

/// A line for people has the tag, a tab and the data, with what would not stand in a line escaped.
fn shown(message: &Message, as_json: bool) -> String {
    let Message { tag, compressed, data } = message;
    let text = String::from_utf8_lossy(data);
    match as_json {
        true => json!({ "tag": tag, "compressed": compressed, "data": text }).to_string(),
        false => {
            let escaped = |text: &str| -> String {
                text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
            };
            format!("{}\t{}", escaped(tag), escaped(&text))
        }
    }
}

/// Lines of at most the length of a frame; of longer ones the beginning.
struct Lines<R> {
    device: BufReader<R>,
    /// Of the line that was read last.
    number: u64,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = vec![];
        loop {
            let found = match self.device.fill_buf() {
                // The other side of a pseudo-terminal is gone.
                Err(error) if error.raw_os_error() == Some(EIO) => &[],
                found => found?,
            };
            if found.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', found).map(|at| at + 1);
            let taken = end.unwrap_or(found.len());
            line.extend_from_slice(&found[..taken.min((LONGEST + 1).saturating_sub(line.len()))]);
            self.device.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(line))
    }
}

/// The same on Linux and macOS.
const EIO: i32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_and_long_ones_cut() {
        let text = [b"one\n".as_slice(), &vec![b'x'; LONGEST * 3], b"\n\ntwo"].concat();
        let mut lines = Lines { device: BufReader::new(text.as_slice()), number: 0 };
        let mut read = vec![];
        while let Some(line) = lines.next().expect("memory") {
            read.push(line);
        }
        let lengths: Vec<usize> = read.iter().map(Vec::len).collect();
        assert_eq!((lengths, lines.number), (vec![4, LONGEST + 1, 1, 3], 4));
        assert_eq!(read[3], b"two");
    }

    #[test]
    fn what_is_shown_is_one_line() {
        let message = Message { tag: "a\tb".into(), compressed: true, data: b"x\ny\xff".to_vec() };
        assert_eq!(shown(&message, false), "a\\tb\tx\\ny\u{fffd}");
        assert_eq!(shown(&message, true), r#"{"compressed":true,"data":"x\ny�","tag":"a\tb"}"#);
    }
}
