//! One frame: a line of JSON with a checksum around its payload, as the serial device of EC2 Macs expects it.
//!
//! `{"csum":N,"payload":"P"}` and a line end, where `P` is the text of `{"tag":"T","compress":B,"data":"D"}` and `N` the Adler-32 of that
//! text. What is compressed is a zlib stream in base64. Text is escaped as Go's encoder of JSON does it.
//!
//! What comes in is checked and passed on as it came: the order of keys and spaces between them are the sender's affair.
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::Deserialize;
use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Read, Write},
};

/// The longest frame, its line end included.
pub const LONGEST: usize = 64 * 1024;

/// What compressed data may come to where somebody reads it: a frame of 64 KiB can hold a thousand times as much.
pub const LONGEST_DATA: u64 = 16 << 20;

/// What is in a frame.
#[derive(Debug, Eq, PartialEq)]
pub struct Message {
    /// What kind of data it is, `cpuutil` for one.
    pub tag: String,
    /// Whether it was compressed on its way.
    pub compressed: bool,
    pub data: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("it is no JSON object with a number `csum` and a text `payload`")]
    Form,
    #[error("its checksum is not that of its payload")]
    Checksum,
    #[error("its payload is no JSON object with texts `tag` and `data` and a truth `compress`")]
    Payload,
    #[error("its data is not what `compress` says: a zlib stream in base64, of at most 16 MiB")]
    Data,
}

/// Why there is no frame of it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("data that is not compressed must be UTF-8 text: compress it")]
    NoText,
    #[error("the frame would have {bytes} bytes, and the longest one has {LONGEST}: {remedy}")]
    TooLong { bytes: usize, remedy: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    csum: u32,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    #[serde(borrow)]
    tag: Cow<'a, str>,
    compress: bool,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// A frame with its line end.
///
/// # Errors
/// When the data is neither text nor to be compressed, or too long.
pub fn build(tag: &str, data: &[u8], compress: bool) -> Result<Vec<u8>, BuildError> {
    let data = match compress {
        true => Cow::Owned(STANDARD.encode(compressed(data))),
        false => Cow::Borrowed(std::str::from_utf8(data).map_err(|_| BuildError::NoText)?),
    };
    let mut payload = String::from("{\"tag\":");
    escape(tag, &mut payload);
    payload.push_str(if compress { ",\"compress\":true,\"data\":" } else { ",\"compress\":false,\"data\":" });
    escape(&data, &mut payload);
    payload.push('}');
    let mut frame = format!("{{\"csum\":{},\"payload\":", adler2::adler32_slice(payload.as_bytes()));
    escape(&payload, &mut frame);
    frame.push_str("}\n");
    if frame.len() > LONGEST {
        let remedy = if compress { "send less" } else { "send less, or compress it" };
        return Err(BuildError::TooLong { bytes: frame.len(), remedy });
    }
    Ok(frame.into_bytes())
}

/// The best that zlib can, as the original has it.
fn compressed(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::best());
    encoder.write_all(data).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// As `encoding/json` of Go writes text: what HTML could take for its own is escaped, too, and the line ends of JavaScript.
/// <https://pkg.go.dev/encoding/json#Marshal>
fn escape(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("memory takes everything");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether this line, with or without its end, is a frame that can be passed on. What is compressed is not unpacked.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(line: &[u8]) -> Result<(), Fault> {
    let envelope = opened(line)?;
    payload(&envelope).map(drop)
}

/// What is in this line.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn decode(line: &[u8]) -> Result<Message, Fault> {
    let envelope = opened(line)?;
    let Payload { tag, compress, data } = payload(&envelope)?;
    let data = match compress {
        true => inflated(&data).map_err(|_| Fault::Data)?,
        false => data.into_owned().into_bytes(),
    };
    Ok(Message { tag: tag.into_owned(), compressed: compress, data })
}

fn opened(line: &[u8]) -> Result<Envelope<'_>, Fault> {
    let line = std::str::from_utf8(line).map_err(|_| Fault::Form)?;
    let envelope: Envelope<'_> = object(line).ok_or(Fault::Form)?;
    match adler2::adler32_slice(envelope.payload.as_bytes()) == envelope.csum {
        true => Ok(envelope),
        false => Err(Fault::Checksum),
    }
}

fn payload<'a>(envelope: &'a Envelope<'_>) -> Result<Payload<'a>, Fault> {
    object(&envelope.payload).ok_or(Fault::Payload)
}

/// What this text is, if it is an object: a list of the same values would be taken for one.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok().filter(|_| text.trim_start().starts_with('{'))
}

fn inflated(data: &str) -> io::Result<Vec<u8>> {
    let stream = STANDARD.decode(data).map_err(io::Error::other)?;
    let mut data = vec![];
    ZlibDecoder::new(stream.as_slice()).take(LONGEST_DATA + 1).read_to_end(&mut data)?;
    match data.len() as u64 > LONGEST_DATA {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(data),
    }
}

/// Takes these bytes as a line from whoever, and makes frames of them.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let payload = String::from_utf8_lossy(bytes);
    // No fuzzer finds a checksum, so it is helped.
    let mut line = format!("{{\"csum\":{},\"payload\":", adler2::adler32_slice(payload.as_bytes()));
    escape(&payload, &mut line);
    line.push('}');
    assert!(!matches!(check(line.as_bytes()), Err(Fault::Form | Fault::Checksum)));
    for line in [bytes, line.as_bytes()] {
        match (check(line), decode(line)) {
            (Ok(()), Ok(_) | Err(Fault::Data)) => {}
            (Err(checked), Err(decoded)) if checked == decoded => {}
            (checked, decoded) => panic!("{checked:?}, and yet {decoded:?}"),
        }
    }
    let (tag, data) = bytes.split_at(bytes.len() / 4);
    let tag = String::from_utf8_lossy(tag);
    for compress in [false, true] {
        match build(&tag, data, compress) {
            Ok(frame) => {
                assert!(frame.len() <= LONGEST && memchr::memchr(b'\n', &frame) == Some(frame.len() - 1));
                assert_eq!(check(&frame), Ok(()));
                let message = Message { tag: tag.to_string(), compressed: compress, data: data.to_vec() };
                assert_eq!(decode(&frame), Ok(message));
            }
            Err(BuildError::NoText) => assert!(!compress && std::str::from_utf8(data).is_err()),
            // The shortest text for a byte is the byte, and the longest one is escaped twice.
            Err(BuildError::TooLong { bytes: long, .. }) => assert!(long > LONGEST && bytes.len() > LONGEST / 8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = r#"{"csum":507579744,"payload":"{\"tag\":\"test\",\"compress\":false,\"data\":\"\"}"}"#;
    const EMPTY_COMPRESSED: &str =
        r#"{"csum":169546138,"payload":"{\"tag\":\"test\",\"compress\":true,\"data\":\"eNoBAAD//wAAAAE=\"}"}"#;
    const CPU: &str = r#"{"csum":2118192950,"payload":"{\"tag\":\"cpuutil\",\"compress\":false,\"data\":\"2.0\"}"}"#;

    fn built(tag: &str, data: &str) -> String {
        String::from_utf8(build(tag, data.as_bytes(), false).expect("short")).expect("text")
    }

    #[test]
    fn frames_are_those_of_the_original() {
        assert_eq!(built("test", ""), format!("{EMPTY}\n"));
        assert_eq!(built("cpuutil", "2.0"), format!("{CPU}\n"));
    }

    #[test]
    fn frames_of_the_original_are_read() {
        let message = |tag: &str, compressed, data: &str| Message { tag: tag.into(), compressed, data: data.into() };
        for (line, expected) in [
            (EMPTY, message("test", false, "")),
            (EMPTY_COMPRESSED, message("test", true, "")),
            (CPU, message("cpuutil", false, "2.0")),
        ] {
            assert_eq!(check(line.as_bytes()), Ok(()));
            assert_eq!(decode(format!("{line}\n").as_bytes()), Ok(expected));
        }
    }

    /// What `encoding/json` of Go 1.26 writes for a struct with these tags and data, and `hash/adler32` says of it.
    #[test]
    fn text_is_escaped_as_go_does_it() {
        for (tag, data, expected) in GO {
            assert_eq!(built(tag, data), format!("{expected}\n"));
        }
    }

    const GO: &[(&str, &str, &str)] = &[
        (
            "a<b>&c",
            "\u{2028}\u{2029}é€😀",
            "{\"csum\":3759020877,\"payload\":\"{\\\"tag\\\":\\\"a\\\\u003cb\\\\u003e\\\\u0026c\\\",\\\"compress\\\":false,\\\"data\\\":\\\"\\\\u2028\\\\u2029é€😀\\\"}\"}",
        ),
        (
            "t\"\\/",
            "\u{8}\u{c}\u{a}\u{d}\u{9}\u{0}\u{1}\u{1f}\u{7f}",
            "{\"csum\":1138890443,\"payload\":\"{\\\"tag\\\":\\\"t\\\\\\\"\\\\\\\\/\\\",\\\"compress\\\":false,\\\"data\\\":\\\"\\\\b\\\\f\\\\n\\\\r\\\\t\\\\u0000\\\\u0001\\\\u001f\u{7f}\\\"}\"}",
        ),
        (
            "",
            "'`;$\u{80}\u{fffd}",
            "{\"csum\":1537019955,\"payload\":\"{\\\"tag\\\":\\\"\\\",\\\"compress\\\":false,\\\"data\\\":\\\"'`;$\u{80}\u{fffd}\\\"}\"}",
        ),
    ];

    #[test]
    fn what_is_not_a_frame_is_told_apart() {
        let with = |payload: &str| {
            let mut line = format!("{{\"csum\":{},\"payload\":", adler2::adler32_slice(payload.as_bytes()));
            escape(payload, &mut line);
            line + "}"
        };
        for (line, fault) in [
            (String::new(), Fault::Form),
            ("cpu 2.0".into(), Fault::Form),
            ("[1]".into(), Fault::Form),
            (r#"{"csum":1}"#.into(), Fault::Form),
            (r#"{"csum":-1,"payload":"x"}"#.into(), Fault::Form),
            (r#"{"csum":4294967296,"payload":"x"}"#.into(), Fault::Form),
            (format!("{CPU}{CPU}"), Fault::Form),
            (CPU.replace("2.0", "2.1"), Fault::Checksum),
            (with("x"), Fault::Payload),
            (r#"[507579744,"{\"tag\":\"test\",\"compress\":false,\"data\":\"\"}"]"#.into(), Fault::Form),
            (EMPTY.replacen('{', r#"{"more":[[[]]],"#, 1), Fault::Form),
            (with(r#"["t",false,""]"#), Fault::Payload),
            (with(r#"{"tag":"t","compress":false,"data":"","more":1}"#), Fault::Payload),
            (with(r#"{"tag":"t","data":""}"#), Fault::Payload),
            (with(r#"{"tag":"t","compress":0,"data":""}"#), Fault::Payload),
        ] {
            assert_eq!(check(line.as_bytes()), Err(fault), "{line}");
        }
        for line in [
            "{\"tag\":\"t\",\"compress\":true,\"data\":\"?\"}",
            "{\"tag\":\"t\",\"compress\":true,\"data\":\"aGVsbG8=\"}",
        ] {
            assert_eq!(check(with(line).as_bytes()), Ok(()), "the device's business");
            assert_eq!(decode(with(line).as_bytes()), Err(Fault::Data));
        }
        assert_eq!(check(b"\xff\n"), Err(Fault::Form));
        let other = with(r#"{ "data": "", "compress": false, "tag": "t" }"#);
        assert_eq!(check(other.as_bytes()), Ok(()), "order and spaces are the sender's affair");
    }

    #[test]
    fn what_would_be_too_long_or_no_text_is_refused_with_what_helps() {
        let error = build("t", &vec![b'x'; LONGEST], false).expect_err("too long").to_string();
        assert!(error.contains("65617 bytes") && error.contains("or compress it"), "{error}");
        assert!(build("t", &vec![b'x'; LONGEST], true).is_ok());
        let noise: Vec<u8> = (0..LONGEST as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let error = build("t", &noise, true).expect_err("too long").to_string();
        assert!(error.ends_with("send less"), "{error}");
        assert!(matches!(build("t", b"\xff", false), Err(BuildError::NoText)));
    }

    #[test]
    fn a_small_frame_cannot_make_much_of_itself() {
        let mut bomb = ZlibEncoder::new(vec![], Compression::best());
        for _ in 0..17 {
            bomb.write_all(&vec![0; 1 << 20]).expect("memory");
        }
        let data = STANDARD.encode(bomb.finish().expect("memory"));
        assert!(inflated(&data).is_err());
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_again(tag: String, data: Vec<u8>, text: String) {
            for (data, compress) in [(data.as_slice(), true), (text.as_bytes(), true), (text.as_bytes(), false)] {
                let frame = build(&tag, data, compress).expect("short");
                prop_assert_eq!(frame.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
                prop_assert_eq!(check(&frame), Ok(()));
                let message = Message { tag: tag.clone(), compressed: compress, data: data.to_vec() };
                prop_assert_eq!(decode(&frame), Ok(message));
            }
        }

        #[test]
        fn no_bytes_are_too_much_for_it(line: Vec<u8>) {
            let _ = (check(&line), decode(&line));
        }

        #[test]
        fn a_flipped_bit_is_noticed(at in 0..CPU.len(), bit in 0..8_u8) {
            let mut line = CPU.as_bytes().to_vec();
            line[at] ^= 1 << bit;
            let same = decode(&line).is_ok_and(|read| Ok(read) == decode(CPU.as_bytes()));
            prop_assert!(decode(&line).is_err() || same);
        }
    }
}
