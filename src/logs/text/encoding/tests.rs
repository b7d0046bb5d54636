use super::*;
use oem_cp::code_table::{DECODING_TABLE_CP850, DECODING_TABLE_CP857};
use proptest::prelude::*;

fn decoder(encoding: Encoding) -> Decoder {
    Decoder::new(encoding, b"")
}

fn standard(name: &str) -> Encoding {
    Encoding::Standard(encoding_rs::Encoding::for_label(name.as_bytes()).expect("a label"))
}

/// The lines of a source: cut, decoded, without their ends.
fn lines(decoder: Decoder, bytes: &[u8]) -> Vec<String> {
    let (mut lines, mut from) = (vec![], decoder.bom_len());
    while let Some(end) = decoder.line_end(bytes, from) {
        let line = decoder.decode(&bytes[from..end]);
        lines.push(std::str::from_utf8(&line).expect("decoded").trim_end_matches(['\r', '\n']).to_owned());
        from = end;
    }
    lines
}

fn utf16(text: &str, order: ByteOrder) -> Vec<u8> {
    let unit = |unit: u16| if order == ByteOrder::Big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(unit).collect()
}

fn utf32(text: &str, order: ByteOrder) -> Vec<u8> {
    let unit = |c: char| {
        if order == ByteOrder::Big { u32::from(c).to_be_bytes() } else { u32::from(c).to_le_bytes() }
    };
    text.chars().flat_map(unit).collect()
}

fn here() -> u64 {
    counters::EVENTS_MENDED.here()
}

#[test]
fn utf8_is_passed_on_as_it_is_and_its_mark_is_no_text() {
    let decoder = Decoder::new(Encoding::Utf8, b"\xef\xbb\xbfone");
    assert!(decoder.is_plain() && !decoder.overruled());
    assert_eq!((decoder.bom_len(), decoder.unit(), decoder.name().as_ref()), (3, 1, "UTF-8"));
    assert!(matches!(decoder.decode(b"\xff"), Cow::Borrowed(b"\xff")));
    assert_eq!(Decoder::new(Encoding::Utf8, b"one").bom_len(), 0);
    assert_eq!(decoder.line_end(b"one\ntwo\n", 4), Some(8));
    assert_eq!(decoder.line_end(b"one\ntwo", 4), None);
    assert_eq!(decoder.line_end(b"one", 9), None);
}

#[test]
fn utf16_is_known_by_its_mark_also_when_nothing_was_said() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let bytes = utf16("\u{feff}one\r\nzwölf\n", order);
        for said in [Encoding::Utf8, Encoding::Utf16(ByteOrder::ByMark), Encoding::Utf16(order)] {
            let decoder = Decoder::new(said, &bytes);
            assert!(!decoder.overruled() && !decoder.is_plain());
            assert_eq!((decoder.bom_len(), decoder.unit()), (2, 2));
            assert_eq!(lines(decoder, &bytes), ["one", "zwölf"]);
        }
    }
}

#[test]
fn a_mark_wins_over_what_was_said_and_that_is_told() {
    let bytes = utf16("\u{feff}ä\n", ByteOrder::Little);
    for said in [standard("latin1"), Encoding::Utf16(ByteOrder::Big), Encoding::Utf32(ByteOrder::Little)] {
        let decoder = Decoder::new(said, &bytes);
        assert!(decoder.overruled());
        assert_eq!(decoder.name(), "UTF-16LE");
        assert_eq!(lines(decoder, &bytes), ["ä"]);
    }
    assert!(Decoder::new(standard("latin1"), b"\xef\xbb\xbfx").overruled());
    assert!(!Decoder::new(standard("latin1"), b"x").overruled());
}

#[test]
fn line_feeds_of_wide_units_are_whole_units() {
    // U+0A0A and U+0A00 and U+010A hold the byte of a line feed at either place.
    let text = "ਊ\u{a00}\u{10a}x\nnext\n";
    for order in [ByteOrder::Little, ByteOrder::Big] {
        assert_eq!(lines(decoder(Encoding::Utf16(order)), &utf16(text, order)), ["ਊ\u{a00}\u{10a}x", "next"]);
        assert_eq!(lines(decoder(Encoding::Utf32(order)), &utf32(text, order)), ["ਊ\u{a00}\u{10a}x", "next"]);
    }
    let decoder = decoder(Encoding::Utf16(ByteOrder::Little));
    assert_eq!(decoder.line_end(b"a\0\n", 0), None, "half a unit is no line feed yet");
    assert_eq!(decoder.line_end(b"\n\0\n\0", 1), Some(4));
}

#[test]
fn single_bytes_and_double_bytes_are_decoded() {
    assert_eq!(lines(decoder(standard("latin1")), b"gr\xfc\xdfe\r\n"), ["grüße"]);
    assert_eq!(lines(decoder(standard("shift_jis")), b"\x83\x5c\x82\xa0\nx\n"), ["ソあ", "x"]);
    assert_eq!(lines(decoder(standard("gb18030")), b"\xc4\xe3\n"), ["你"]);
    assert_eq!(lines(decoder(standard("big5")), b"\xa7\x41\n"), ["你"]);
    assert_eq!(lines(decoder(standard("euc-kr")), b"\xb3\xaa\n"), ["나"]);
}

#[test]
fn code_pages_of_dos_are_decoded() {
    assert_eq!(
        lines(decoder(Encoding::CodePage(850, CodePage::Full(&DECODING_TABLE_CP850))), b"gr\x81\xe1e\n"),
        ["grüße"]
    );
    let before = here();
    let turkish = decoder(Encoding::CodePage(857, CodePage::Gaps(&DECODING_TABLE_CP857)));
    assert_eq!(lines(turkish, b"\x9f\xd5\n"), ["ş\u{fffd}"]);
    assert_eq!(here() - before, 1, "a byte without a meaning is mended");
}

#[test]
fn each_line_of_iso_2022_jp_begins_in_ascii() {
    let decoder = decoder(standard("iso-2022-jp"));
    assert_eq!(lines(decoder, b"\x1b$B$\"\x1b(Bx\n\x1b$B$\"\nplain\n"), ["あx", "あ\u{fffd}", "plain"]);
}

#[test]
fn what_means_nothing_becomes_a_replacement_character_and_is_counted_once_a_line() {
    let before = here();
    let bytes = [&utf16("a", ByteOrder::Little)[..], b"\x00\xd8b\0\x00\xdc\n\0"].concat();
    assert_eq!(lines(decoder(Encoding::Utf16(ByteOrder::Little)), &bytes), ["a\u{fffd}b\u{fffd}"]);
    assert_eq!(lines(decoder(standard("shift_jis")), b"\x81\xff\xfe\n"), ["\u{fffd}\u{fffd}"]);
    assert_eq!(lines(decoder(Encoding::Utf32(ByteOrder::Big)), b"\0\x11\0\0\0\0\0\n"), ["\u{fffd}"]);
    assert_eq!(here() - before, 3);
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    let standards =
        ["windows-1252", "shift_jis", "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "iso-2022-jp", "x-user-defined"];
    prop_oneof![
        Just(Encoding::Utf8),
        proptest::sample::select(standards.to_vec()).prop_map(standard),
        proptest::sample::select(vec![ByteOrder::Little, ByteOrder::Big, ByteOrder::ByMark]).prop_map(Encoding::Utf16),
        proptest::sample::select(vec![ByteOrder::Little, ByteOrder::Big, ByteOrder::ByMark]).prop_map(Encoding::Utf32),
        Just(Encoding::CodePage(850, CodePage::Full(&DECODING_TABLE_CP850))),
        Just(Encoding::CodePage(857, CodePage::Gaps(&DECODING_TABLE_CP857))),
    ]
}

proptest! {
    #[test]
    fn no_bytes_in_any_encoding_panic_and_all_are_in_one_line(
        encoding in any_encoding(), bytes in proptest::collection::vec(any::<u8>(), 0..80), from in 0..90usize,
    ) {
        let decoder = Decoder::new(encoding, &bytes);
        decoder.line_end(&bytes, from);
        let mut from = decoder.bom_len();
        while let Some(end) = decoder.line_end(&bytes, from) {
            prop_assert!(end > from && end <= bytes.len() && end.is_multiple_of(decoder.unit()));
            let line = decoder.decode(&bytes[from..end]);
            prop_assert!(decoder.is_plain() || std::str::from_utf8(&line).is_ok());
            from = end;
        }
        decoder.decode(&bytes[from..]);
    }

    #[test]
    fn what_was_encoded_is_decoded_line_by_line(
        text in proptest::collection::vec("[a-zäあ你\u{10348}\u{a0a}]{0,8}", 0..6),
    ) {
        let joined = text.iter().map(|line| format!("{line}\n")).collect::<String>();
        for order in [ByteOrder::Little, ByteOrder::Big] {
            prop_assert_eq!(&lines(decoder(Encoding::Utf16(order)), &utf16(&joined, order)), &text);
            prop_assert_eq!(&lines(decoder(Encoding::Utf32(order)), &utf32(&joined, order)), &text);
        }
        let (bytes, _, lossy) = encoding_rs::GB18030.encode(&joined);
        prop_assert!(lossy || lines(decoder(standard("gb18030")), &bytes) == text);
    }
}
