use super::{super::exercise::exercise, *};
use proptest::prelude::*;

/// All that is in a line, in one text.
fn read(line: &str, dialect: Dialect) -> String {
    let parsed = match Line::new(line.as_bytes(), dialect) {
        Ok(parsed) => parsed,
        Err(fault) => return format!("{fault:?}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut shown = text(parsed.name);
    if !parsed.tags.is_empty() {
        shown += &format!("#{}", text(&parsed.tags));
    }
    for sample in parsed {
        let sample = match sample {
            Ok(sample) => sample,
            Err(fault) => {
                shown += &format!(" {fault:?}");
                continue;
            }
        };
        let value = match sample.value {
            Value::Number { number: Number::Whole(whole), relative } => {
                format!("{}{whole}", if relative { "~" } else { "" })
            }
            Value::Number { number: Number::Float(float), relative } => {
                format!("{}{float:?}", if relative { "~" } else { "" })
            }
            Value::Member(member) => format!("`{}`", text(member)),
        };
        shown += &format!(" {value} {}", sample.kind.word());
        if sample.rate != 1.0 {
            shown += &format!("@{}", sample.rate);
        }
        if sample.misrated {
            shown += "@?";
        }
    }
    shown
}

fn agent(line: &str) -> String {
    read(line, Dialect::default())
}

#[test]
fn a_line_is_name_value_and_type() {
    assert_eq!(agent("a.b:1|c"), "a.b 1 counter");
    assert_eq!(agent("a:1.5|g"), "a 1.5 gauge");
    assert_eq!(agent("a:320|ms"), "a 320 timing");
    assert_eq!(agent("a:3e2|h"), "a 300.0 histogram");
    assert_eq!(agent("a:x y|s"), "a `x y` set");
    assert_eq!(agent("a:|s"), "a `` set");
    assert_eq!(agent("a|b:1|c"), "a|b 1 counter");
}

#[test]
fn lines_of_a_datagram_are_told_apart_and_white_space_around_them_does_not_count() {
    let found: Vec<_> = lines(b"\n a:1|c \r\n\n\tb:2|c").collect();
    assert_eq!(found, [&b"a:1|c"[..], b"b:2|c"]);
    assert_eq!(lines(b" \n\n").count() + lines(b"").count(), 0);
}

#[test]
fn several_bits_follow_one_name_and_a_bad_one_ends_the_line() {
    assert_eq!(agent("a:1|c:2|ms|@0.5:x|s"), "a 1 counter 2 timing@0.5 `x` set");
    assert_eq!(agent("a:1|c:x|c:3|c"), "a 1 counter Value");
    assert_eq!(agent("a:1|c:2:3|x:4|c"), "a 1 counter Type");
    assert_eq!(agent("a:1|c:"), "a 1 counter Form");
    assert_eq!(agent("a:1|c|@0.1:2|c"), "a 1 counter@0.1 2 counter");
}

#[test]
fn what_has_no_form_is_refused() {
    for line in ["a", "a|c", "", "|", "a|#x:1|c"] {
        assert_eq!(agent(line), "Form", "{line}");
    }
    assert_eq!(agent("a:1"), "a Form");
    assert_eq!(agent("a:"), "a Form");
    assert_eq!(agent("a:1|"), "a Type");
    assert_eq!(agent("a:1|d"), "a Type");
    assert_eq!(agent("a:1|C"), "a Type");
    assert_eq!(agent("a:1||c"), "a Type");
}

#[test]
fn several_values_share_a_type() {
    assert_eq!(agent("a:1:2.5:3|ms|@0.5|#t"), "a#t 1 timing@0.5 2.5 timing@0.5 3 timing@0.5");
    assert_eq!(agent("a:1:x:3|c"), "a 1 counter Value");
    // A member with a colon is one to some, and two to others.
    assert_eq!(agent("a:1:2|s"), "a Form");
}

#[test]
fn values_are_finite_numbers() {
    assert_eq!(agent("a:9223372036854775807|c"), "a 9223372036854775807 counter");
    assert_eq!(agent("a:9223372036854775808|c"), "a 9.223372036854776e18 counter");
    assert_eq!(agent("a:000000000000000000000007|c"), "a 7 counter");
    assert_eq!(agent("a:.5|g"), "a 0.5 gauge");
    for value in ["", "x", "1x", "0x10", "nan", "inf", "-inf", "1e999", "1,5", " 1", "+", "-", "\u{0663}"] {
        for kind in ["c", "g", "ms", "h"] {
            let found = agent(&format!("a:{value}|{kind}"));
            assert!(found == "a Value" || found == "a Sign", "{value}|{kind}: {found}");
        }
    }
}

#[test]
fn a_sign_makes_a_gauge_relative_and_belongs_to_a_counter() {
    assert_eq!(agent("a:+5|g"), "a ~5 gauge");
    assert_eq!(agent("a:-5.5|g"), "a ~-5.5 gauge");
    assert_eq!(agent("a:-5|c"), "a -5 counter");
    assert_eq!(agent("a:+5|c"), "a 5 counter");
    for kind in ["ms", "h", "s"] {
        assert_eq!(agent(&format!("a:1|c:-5|{kind}:6|c")), "a 1 counter Sign");
    }
}

#[test]
fn where_signs_belong_to_values_none_is_relative() {
    let signed = Dialect { signed_values: true, ..Dialect::default() };
    assert_eq!(read("a:-5|g:+5|g:-1|ms:-x|s", signed), "a -5 gauge 5 gauge -1 timing `-x` set");
}

#[test]
fn a_rate_is_a_number_above_zero_or_does_not_count() {
    assert_eq!(agent("a:1|c|@0.1"), "a 1 counter@0.1");
    assert_eq!(agent("a:1|c|@2"), "a 1 counter@2");
    assert_eq!(agent("a:1|c|@1"), "a 1 counter");
    for rate in ["@0", "@", "@-1", "@x", "0.1", "x@0.1", "@nan", "@inf", ""] {
        assert_eq!(agent(&format!("a:1|c|{rate}")), "a 1 counter@?", "{rate}");
    }
}

#[test]
fn where_rates_are_strict_one_that_is_none_is_refused() {
    let strict = Dialect { strict_rates: true, ..Dialect::default() };
    for rate in ["@0", "@2", "@-1", "x"] {
        assert_eq!(read(&format!("a:1|c:2|ms|{rate}:3|c"), strict), "a 1 counter Rate", "{rate}");
    }
    assert_eq!(read("a:1|c|@1", strict), "a 1 counter");
}

#[test]
fn tags_count_for_the_whole_line_wherever_they_stand() {
    assert_eq!(agent("a:1|c|#k:v,l"), "a#k:v,l 1 counter");
    assert_eq!(agent("a:1|c|#url:http://x:2|@0.5"), "a#url:http://x:2 1 counter@0.5");
    assert_eq!(agent("a:1|c|@0.5|#k:v"), "a#k:v 1 counter@0.5");
    assert_eq!(agent("a:1|#k:v|c"), "a#k:v 1 counter");
    assert_eq!(agent("a:1|c:2|ms|#k:v"), "a#k:v 1 counter 2 timing");
    assert_eq!(agent("a:1|c|#k:v|#l:w"), "a#k:v,l:w 1 counter");
    assert_eq!(agent("a:1|c|#"), "a 1 counter");
    assert_eq!(agent("a,k=v#1:1|c"), "a,k=v#1 1 counter");
}

#[test]
fn what_other_clients_add_is_passed_over() {
    assert_eq!(agent("a:1|c|#k:v|c:ci-0123"), "a#k:v 1 counter");
    assert_eq!(agent("a:1|c|c:in-7|e:it-false,cn-x|card:low|T1656581400"), "a 1 counter");
    let distributions = Dialect { distributions: true, ..Dialect::default() };
    assert_eq!(read("a:1:2|d|@0.5", distributions), "a 1 distribution@0.5 2 distribution@0.5");
    assert_eq!(agent("_sc|Redis|0"), "Form");
    assert_eq!(agent("_e{5,4}:title|text"), "_e{5,4} Type");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    /// Bytes that mean something are found more often than by chance.
    #[test]
    fn anything_made_of_what_means_something_is_read_without_a_panic(text in "([a:|#@.,=+\\-0-9cghmsdT\n \u{e9}]|ms|\\|c|\\|#|c:){0,80}") {
        exercise(text.as_bytes());
    }

    /// What a client writes is what is read.
    #[test]
    fn a_line_comes_back_as_it_was_written(
        name in "[a-z.]{1,20}", tags in "([a-z]{1,5}(:[a-z0-9:/]{0,8})?(,[a-z]{1,5}){0,3})?",
        bits in prop::collection::vec((any::<i64>(), 1u32..100), 1..5),
    ) {
        let mut line = name.clone();
        for (value, percent) in &bits {
            line += &format!(":{value}|c|@{}", f64::from(*percent) / 100.0);
        }
        if !tags.is_empty() {
            line += &format!("|#{tags}");
        }
        let parsed = Line::new(line.as_bytes(), Dialect::default()).expect("a line");
        prop_assert_eq!((parsed.name, &*parsed.tags), (name.as_bytes(), tags.as_bytes()));
        let found: Vec<_> = parsed.map(|sample| sample.expect("a sample")).map(|s| (s.value, s.rate)).collect();
        let wanted = bits.iter().map(|(value, percent)| {
            (Value::Number { number: Number::Whole(*value), relative: false }, f64::from(*percent) / 100.0)
        });
        prop_assert_eq!(found, wanted.collect::<Vec<_>>());
    }
}
