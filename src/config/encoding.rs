//! `encoding`: names of character encodings, and what they stand for.
//!
//! Names are those of the [Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels), of IANA for DOS code pages
//! (`IBM850`), and Python's (`cp850`, `latin_1`, `utf_16_le`), in any case, with `-` or `_`.
use super::{Severity, finding::nearest, section::Section};
use crate::config::settings::text::{ByteOrder, CodePage, Encoding};
use oem_cp::code_table::{
    DECODING_TABLE_CP437, DECODING_TABLE_CP720, DECODING_TABLE_CP737, DECODING_TABLE_CP775, DECODING_TABLE_CP850,
    DECODING_TABLE_CP852, DECODING_TABLE_CP855, DECODING_TABLE_CP857, DECODING_TABLE_CP858, DECODING_TABLE_CP860,
    DECODING_TABLE_CP861, DECODING_TABLE_CP862, DECODING_TABLE_CP863, DECODING_TABLE_CP864, DECODING_TABLE_CP865,
    DECODING_TABLE_CP869,
};

/// DOS code pages that the Encoding Standard does not have.
static CODE_PAGES: [(u16, CodePage); 16] = [
    (437, CodePage::Full(&DECODING_TABLE_CP437)),
    (720, CodePage::Full(&DECODING_TABLE_CP720)),
    (737, CodePage::Full(&DECODING_TABLE_CP737)),
    (775, CodePage::Full(&DECODING_TABLE_CP775)),
    (850, CodePage::Full(&DECODING_TABLE_CP850)),
    (852, CodePage::Full(&DECODING_TABLE_CP852)),
    (855, CodePage::Full(&DECODING_TABLE_CP855)),
    (857, CodePage::Gaps(&DECODING_TABLE_CP857)),
    (858, CodePage::Full(&DECODING_TABLE_CP858)),
    (860, CodePage::Full(&DECODING_TABLE_CP860)),
    (861, CodePage::Full(&DECODING_TABLE_CP861)),
    (862, CodePage::Full(&DECODING_TABLE_CP862)),
    (863, CodePage::Full(&DECODING_TABLE_CP863)),
    (864, CodePage::Gaps(&DECODING_TABLE_CP864)),
    (865, CodePage::Full(&DECODING_TABLE_CP865)),
    (869, CodePage::Full(&DECODING_TABLE_CP869)),
];

/// Names that the Encoding Standard does not have, for encodings that it has.
const OTHER_NAMES: [(&str, &str); 17] = [
    ("latin-1", "windows-1252"),
    ("iso8859-16", "iso-8859-16"),
    ("cp367", "windows-1252"),
    ("cp874", "windows-874"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("cp51932", "euc-jp"),
    ("big5hkscs", "big5-hkscs"),
    ("eucjp", "euc-jp"),
    ("euckr", "euc-kr"),
    ("iso2022-jp", "iso-2022-jp"),
    ("mac-roman", "macintosh"),
    ("macroman", "macintosh"),
    ("mac-cyrillic", "x-mac-cyrillic"),
    ("cp10000", "macintosh"),
];

/// What is suggested for a name that is near.
const SUGGESTED: [&str; 45] = [
    "utf-8",
    "ascii",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "utf-32",
    "utf-32le",
    "utf-32be",
    "latin1",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "x-mac-cyrillic",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "euc-kr",
    "gbk",
    "gb18030",
    "big5",
    "ibm866",
];

/// Reads `encoding`. `None`: absent, or reported.
pub fn read(section: &Section<'_>) -> Option<Encoding> {
    let name = section.text()?;
    let found = named(name);
    if found.is_none() {
        let lower = name.to_ascii_lowercase();
        let page = CODE_PAGES.iter().map(|(number, _)| format!("ibm{number}"));
        let names: Vec<String> = SUGGESTED.iter().map(|&name| name.to_owned()).chain(page).collect();
        let near = if lower.starts_with("utf8") { Some("utf-8".to_owned()) } else { None };
        let near = near.or_else(|| nearest(&lower.replace('_', "-"), names.iter().map(String::as_str)));
        let why = match code_page_number(&lower) {
            Some(_) => "is a code page that is not available here; write the log as UTF-8",
            None => "is no encoding that is known here",
        };
        section.report(Severity::Error, why.into(), near);
    }
    found
}

/// The encoding of a name.
fn named(name: &str) -> Option<Encoding> {
    let lower = name.trim().to_ascii_lowercase().replace('_', "-");
    match lower.as_str() {
        "ascii" | "us-ascii" | "646" | "utf-8-sig" | "u8" | "cp65001" => return Some(Encoding::Utf8),
        "utf-16" | "utf16" | "u16" => return Some(Encoding::Utf16(ByteOrder::ByMark)),
        "utf-32" | "utf32" | "u32" => return Some(Encoding::Utf32(ByteOrder::ByMark)),
        "utf-32le" | "utf-32-le" => return Some(Encoding::Utf32(ByteOrder::Little)),
        "utf-32be" | "utf-32-be" => return Some(Encoding::Utf32(ByteOrder::Big)),
        "utf-16-le" => return Some(Encoding::Utf16(ByteOrder::Little)),
        "utf-16-be" => return Some(Encoding::Utf16(ByteOrder::Big)),
        _ => {}
    }
    let other = OTHER_NAMES.iter().find(|(known, _)| *known == lower).map(|(_, standard)| *standard);
    let label = |label: &str| encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
    if let Some(standard) = label(name).or_else(|| label(&lower)).or_else(|| label(other?)) {
        return Some(if standard == encoding_rs::UTF_8 {
            Encoding::Utf8
        } else if standard == encoding_rs::UTF_16LE {
            Encoding::Utf16(ByteOrder::Little)
        } else if standard == encoding_rs::UTF_16BE {
            Encoding::Utf16(ByteOrder::Big)
        } else {
            Encoding::Standard(standard)
        });
    }
    let number = code_page_number(&lower)?;
    CODE_PAGES.iter().find(|(known, _)| *known == number).map(|(number, page)| Encoding::CodePage(*number, *page))
}

/// The number of `ibm850`, `cp850`, `cp00858`, `850`.
fn code_page_number(lower: &str) -> Option<u16> {
    let digits = ["ibm-", "ibm", "cp", "dos-", "oem-", "oem"].iter().find_map(|prefix| lower.strip_prefix(prefix));
    digits.unwrap_or(lower).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(name: &str) -> Option<String> {
        Some(match named(name)? {
            Encoding::Utf8 => "utf-8".into(),
            Encoding::Standard(standard) => standard.name().to_ascii_lowercase(),
            Encoding::Utf16(order) => format!("utf-16 {order:?}"),
            Encoding::Utf32(order) => format!("utf-32 {order:?}"),
            Encoding::CodePage(number, _) => format!("page {number}"),
        })
    }

    #[test]
    fn every_name_of_the_standard_the_agent_and_pythons_is_understood_in_any_case() {
        for (name, encoding) in [
            ("utf_8", "utf-8"),
            ("UTF-8", "utf-8"),
            ("utf_8_sig", "utf-8"),
            ("ascii", "utf-8"),
            ("latin_1", "windows-1252"),
            ("Latin1", "windows-1252"),
            ("iso8859_1", "windows-1252"),
            ("iso8859_2", "iso-8859-2"),
            ("iso8859_9", "windows-1254"),
            ("iso8859_10", "iso-8859-10"),
            ("iso8859_13", "iso-8859-13"),
            ("ISO8859_14", "iso-8859-14"),
            ("iso8859_15", "iso-8859-15"),
            ("iso8859_16", "iso-8859-16"),
            ("iso-8859-8-i", "iso-8859-8-i"),
            ("cp1252", "windows-1252"),
            ("CP1258", "windows-1258"),
            ("Windows-31J", "shift_jis"),
            ("cp932", "shift_jis"),
            ("cp949", "euc-kr"),
            ("cp950", "big5"),
            ("big5hkscs", "big5"),
            ("euc_jp", "euc-jp"),
            ("euc_kr", "euc-kr"),
            ("gb2312", "gbk"),
            ("gb18030", "gb18030"),
            ("iso2022_jp", "iso-2022-jp"),
            ("koi8_r", "koi8-r"),
            ("koi8-u", "koi8-u"),
            ("mac_roman", "macintosh"),
            ("mac_cyrillic", "x-mac-cyrillic"),
            ("x-user-defined", "x-user-defined"),
            ("cp874", "windows-874"),
            ("cp866", "ibm866"),
            ("IBM866", "ibm866"),
            ("IBM437", "page 437"),
            ("cp850", "page 850"),
            ("IBM00858", "page 858"),
            ("cp865", "page 865"),
            ("utf_16", "utf-16 ByMark"),
            ("UTF-16LE", "utf-16 Little"),
            ("utf_16_le", "utf-16 Little"),
            ("utf-16be", "utf-16 Big"),
            ("utf_32_be", "utf-32 Big"),
            ("UTF-32", "utf-32 ByMark"),
        ] {
            assert_eq!(name_of(name).as_deref(), Some(encoding), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_not_taken_for_something_near() {
        for name in ["IBM037", "cp500", "hz-gb-2312", "iso-2022-kr", "utf_7", "johab", "", "utf 8 "] {
            assert_eq!(name_of(name), None, "{name}");
        }
    }
}
