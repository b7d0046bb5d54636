//! What users and programs call units, and what CloudWatch calls them.
//!
//! Spellings are those of the agent: CloudWatch's own names in any case, `%`, the UCUM-like ones of its sources (`By`, `KiBy/s`, `ms`).
//! What has no counterpart of the same size is scaled: `MiBy` becomes megabytes, values times 1.048576.
use crate::model::Unit;

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converted {
    pub unit: Unit,
    /// What each value is multiplied with.
    pub scale: f64,
}

/// Things that are counted without a unit, which is no mistake.
const COUNTED: [&str; 10] = [
    "sessions",
    "errors",
    "threads",
    "requests",
    "{messages}",
    "{requests}",
    "{partitions}",
    "{operations}",
    "{controllers}",
    "{elections}",
];

/// The unit of this text. `None`: nobody knows it.
pub fn convert(text: &str) -> Option<Converted> {
    let plain = |unit| Some(Converted { unit, scale: 1.0 });
    let text = text.trim().to_ascii_lowercase();
    if let Some(unit) = Unit::ALL.into_iter().find(|unit| unit.as_str().eq_ignore_ascii_case(&text)) {
        return plain(unit);
    }
    match text.as_str() {
        "" | "1" | "ns" => plain(Unit::None),
        "%" => plain(Unit::Percent),
        "s" => plain(Unit::Seconds),
        "us" => plain(Unit::Microseconds),
        "ms" => plain(Unit::Milliseconds),
        "min" => Some(Converted { unit: Unit::Seconds, scale: 60.0 }),
        "h" => Some(Converted { unit: Unit::Seconds, scale: 3600.0 }),
        "d" => Some(Converted { unit: Unit::Seconds, scale: 86_400.0 }),
        counted if COUNTED.contains(&counted) => plain(Unit::None),
        sized => amount(sized),
    }
}

/// `[K|M|G|T][i]` with bytes or bits, and perhaps a second.
fn amount(text: &str) -> Option<Converted> {
    const BYTES: [Unit; 5] = [Unit::Bytes, Unit::Kilobytes, Unit::Megabytes, Unit::Gigabytes, Unit::Terabytes];
    const BITS: [Unit; 5] = [Unit::Bits, Unit::Kilobits, Unit::Megabits, Unit::Gigabits, Unit::Terabits];
    const BYTES_A_SECOND: [Unit; 5] = [
        Unit::BytesPerSecond,
        Unit::KilobytesPerSecond,
        Unit::MegabytesPerSecond,
        Unit::GigabytesPerSecond,
        Unit::TerabytesPerSecond,
    ];
    const BITS_A_SECOND: [Unit; 5] = [
        Unit::BitsPerSecond,
        Unit::KilobitsPerSecond,
        Unit::MegabitsPerSecond,
        Unit::GigabitsPerSecond,
        Unit::TerabitsPerSecond,
    ];
    let (amount, is_rate) = text.strip_suffix("/s").map_or((text, false), |amount| (amount, true));
    let (rest, bytes) = ["bytes", "byte", "by", "b"]
        .into_iter()
        .find_map(|word| Some((amount.strip_suffix(word)?, true)))
        .or_else(|| ["bits", "bit", "bi"].into_iter().find_map(|word| Some((amount.strip_suffix(word)?, false))))?;
    let (power, binary) = match rest {
        "" => (0, false),
        _ => {
            let (letter, binary) = rest.strip_suffix('i').map_or((rest, false), |letter| (letter, true));
            let power = ["k", "m", "g", "t"].into_iter().position(|known| known == letter)? + 1;
            (power, binary)
        }
    };
    let units = match (bytes, is_rate) {
        (true, false) => BYTES,
        (true, true) => BYTES_A_SECOND,
        (false, false) => BITS,
        (false, true) => BITS_A_SECOND,
    };
    let step: f64 = if binary { 1.024 } else { 1.0 };
    Some(Converted { unit: units[power], scale: step.powi(i32::try_from(power).unwrap_or(0)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_cloudwatch_is_known_in_any_case() {
        for unit in Unit::ALL {
            for text in [unit.as_str().to_owned(), unit.as_str().to_uppercase(), format!(" {} ", unit.as_str())] {
                assert_eq!(convert(&text), Some(Converted { unit, scale: 1.0 }), "{text}");
            }
        }
    }

    #[test]
    fn other_spellings_become_those_of_cloudwatch_and_scale_what_has_another_size() {
        let cases = [
            ("%", Unit::Percent, 1.0),
            ("", Unit::None, 1.0),
            ("1", Unit::None, 1.0),
            ("ms", Unit::Milliseconds, 1.0),
            ("ns", Unit::None, 1.0),
            ("min", Unit::Seconds, 60.0),
            ("d", Unit::Seconds, 86_400.0),
            ("By", Unit::Bytes, 1.0),
            ("bi", Unit::Bits, 1.0),
            ("By/s", Unit::BytesPerSecond, 1.0),
            ("kb", Unit::Kilobytes, 1.0),
            ("MBy", Unit::Megabytes, 1.0),
            ("kib/s", Unit::KilobytesPerSecond, 1.024),
            ("MiBy", Unit::Megabytes, 1.048_576),
            ("GiBi/s", Unit::GigabitsPerSecond, 1.024 * 1.024 * 1.024),
            ("{requests}", Unit::None, 1.0),
        ];
        for (text, unit, scale) in cases {
            let found = convert(text).expect(text);
            assert_eq!(found.unit, unit, "{text}");
            assert!((found.scale - scale).abs() < 1e-12, "{text}");
        }
        for unknown in ["unit", "furlong", "xby", "kk", "m", "/s"] {
            assert_eq!(convert(unknown), None, "{unknown}");
        }
    }
}
