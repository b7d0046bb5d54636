//! Less text, and none that nobody may see: decided here, before it costs anything.
use super::parts::between_characters;
use crate::{
    config::settings::text::{RateLimit, Redaction},
    model::Timestamp,
};
use regex::bytes::NoExpand;
use std::borrow::Cow;

/// One of so many events of a source: the first, and then at even distances.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    of: u64,
    seen: u64,
}

impl Sample {
    pub fn new(of: u64) -> Self {
        Self { of: of.max(1), seen: 0 }
    }

    /// Whether the next event is one of them.
    pub fn takes(&mut self) -> bool {
        let takes = self.seen == 0;
        self.seen = (self.seen + 1) % self.of;
        takes
    }
}

/// A bucket of tokens, in thousandths, filled by the wall clock. A clock that is set back fills nothing; one that is set forward fills the
/// bucket once.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    limit: RateLimit,
    tokens: u64,
    filled: Option<Timestamp>,
}

/// One event.
const TOKEN: u64 = 1000;

impl Bucket {
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, tokens: 0, filled: None }
    }

    /// Whether one more event may pass now.
    pub fn takes(&mut self, now: Timestamp) -> bool {
        let most = u64::from(self.limit.burst.max(1)) * TOKEN;
        let since = self.filled.map(|filled| u64::try_from(now.since(filled).as_millis()).unwrap_or(u64::MAX));
        self.filled = Some(now);
        // A token a second is a thousandth a millisecond.
        let more = since.map_or(most, |millis| millis.saturating_mul(self.limit.per_second.into()));
        self.tokens = self.tokens.saturating_add(more).min(most);
        let takes = self.tokens >= TOKEN;
        if takes {
            self.tokens -= TOKEN;
        }
        takes
    }
}

/// So much text behind a cut is looked at for what lies across it.
const AHEAD: usize = 4 * 1024;

/// The last place at `end` or up to half of it before where no match lies across; `end` where there is none.
pub(super) fn before_matches(rules: &[Redaction], text: &[u8], end: usize) -> usize {
    if rules.is_empty() {
        return end;
    }
    // A match is known for what it is only where its end is seen.
    let mut cut = between_characters(text, end.min(text.len().saturating_sub(AHEAD)));
    loop {
        let across = |rule: &Redaction| {
            let mut found = rule.expression.find_iter(text).take_while(|found| found.start() < cut);
            found.find(|found| found.end() > cut).map(|found| found.start())
        };
        match rules.iter().filter_map(across).min() {
            None => return cut,
            Some(start) if start > end / 2 => cut = start,
            Some(_) => return end,
        }
    }
}

/// The text with every match masked, one rule after the other; borrowed where nothing matched.
///
/// It is mended first where it is not UTF-8: classes of characters do not match a stray byte, behind which the rest of a secret would be seen.
pub(super) fn redact<'a>(rules: &[Redaction], text: Cow<'a, [u8]>) -> (Cow<'a, [u8]>, Masked) {
    let mut masked = Masked::default();
    if rules.is_empty() {
        return (text, masked);
    }
    let mut text = match text {
        Cow::Borrowed(bytes) => match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(mended) => {
                masked.mended = true;
                Cow::Owned(mended.into_bytes())
            }
        },
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_or_else(
            |error| {
                masked.mended = true;
                String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes()
            },
            String::into_bytes,
        )),
    };
    for rule in rules {
        let replacement = NoExpand(rule.replacement.as_bytes());
        let replaced = match rule.expression.replace_all(&text, replacement) {
            Cow::Borrowed(_) => continue,
            Cow::Owned(replaced) => replaced,
        };
        masked.anything = true;
        text = Cow::Owned(replaced);
    }
    (text, masked)
}

/// What redacting did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Masked {
    pub anything: bool,
    /// The text was no UTF-8, and is now.
    pub mended: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::bytes::Regex;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis.cast_signed())
    }

    fn limit(per_second: u32, burst: u32) -> RateLimit {
        RateLimit { per_second, burst }
    }

    fn rule(expression: &str, replacement: &str) -> Redaction {
        Redaction { expression: Regex::new(expression).expect("a pattern"), replacement: replacement.into() }
    }

    fn masked(rules: &[Redaction], text: &str) -> String {
        String::from_utf8(redact(rules, Cow::Borrowed(text.as_bytes())).0.into_owned()).expect("UTF-8")
    }

    #[test]
    fn a_sample_takes_the_first_event_and_then_one_in_n() {
        let mut sample = Sample::new(3);
        let taken: Vec<bool> = (0..7).map(|_| sample.takes()).collect();
        assert_eq!(taken, [true, false, false, true, false, false, true]);
        let mut all = Sample::new(1);
        assert!((0..5).all(|_| all.takes()));
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut bucket = Bucket::new(limit(10, 20));
        let passed = |bucket: &mut Bucket, millis| (0..100).filter(|_| bucket.takes(at(millis))).count();
        assert_eq!(passed(&mut bucket, 0), 20);
        assert_eq!(passed(&mut bucket, 99), 0);
        assert_eq!(passed(&mut bucket, 100), 1);
        assert_eq!(passed(&mut bucket, 1_100), 10);
        assert_eq!(passed(&mut bucket, 1_000_000), 20, "no more is saved than one burst");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_limit_from_filling() {
        let mut bucket = Bucket::new(limit(1, 1));
        assert!(bucket.takes(at(1_000_000)));
        assert!(!bucket.takes(at(5_000)), "nothing was filled by going back");
        assert!(bucket.takes(at(6_000)));
    }

    #[test]
    fn matches_are_masked_by_the_words_as_they_stand() {
        let rules = [rule(r"password=\S+", "password=$1***"), rule(r"\d{4}-\d{4}", "****")];
        assert_eq!(masked(&rules, "u=x password=hunter2 card 1234-5678"), "u=x password=$1*** card ****");
        let (text, what) = redact(&rules, Cow::Borrowed(b"nothing here"));
        assert!(matches!(text, Cow::Borrowed(_)) && what == Masked::default());
    }

    #[test]
    fn a_byte_that_is_no_character_does_not_end_a_secret() {
        let (text, what) = redact(&[rule(r"password=\S+", "***")], Cow::Borrowed(b"password=hun\xffter2 ok"));
        assert_eq!(&*text, b"*** ok");
        assert!(what.anything && what.mended);
    }

    proptest! {
        #[test]
        fn no_more_than_the_limit_passes_in_any_span(
            steps in proptest::collection::vec(0..400u64, 1..300), per_second in 1..50u32, burst in 1..50u32,
        ) {
            let mut bucket = Bucket::new(limit(per_second, burst));
            let (mut now, mut passed) = (0, vec![]);
            for step in steps {
                now += step;
                if bucket.takes(at(now)) {
                    passed.push(now);
                }
            }
            for (first, start) in passed.iter().enumerate() {
                for (count, end) in (1..).zip(&passed[first..]) {
                    prop_assert!(count * 1000 <= u64::from(burst) * 1000 + (end - start) * u64::from(per_second));
                }
            }
        }

        #[test]
        fn a_secret_is_never_left_whatever_stands_around_it(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            inside in proptest::collection::vec(any::<u8>().prop_filter("no white space", |b| !b.is_ascii_whitespace()), 1..20),
            after in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let secret = [&b"S3CR3T"[..], &inside, b"S3CR3T"].concat();
            let text = [&before[..], b" token=", &secret, b" ", &after].concat();
            let rules = [rule(r"token=[^ \t\r\n]+", "token=***")];
            let (masked, what) = redact(&rules, Cow::Borrowed(&text));
            prop_assert!(what.anything);
            let left = memchr::memmem::find(&masked, b"S3CR3T");
            prop_assert!(left.is_none(), "{}", String::from_utf8_lossy(&masked));
        }
    }
}
