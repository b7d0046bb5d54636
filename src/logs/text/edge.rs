//! Less text, and none that nobody may see: decided here, before it costs anything.
use super::parts::{TRUNCATED, between_characters};
use crate::{
    config::settings::text::{RateLimit, Redaction},
    model::Timestamp,
};
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
    let cut = between_characters(text, end.min(text.len().saturating_sub(AHEAD)));
    // Matches of several rules that reach into each other are one piece. In one pass over each, however many there are.
    let mut found: Vec<_> = rules.iter().map(|rule| rule.expression.find_iter(text).peekable()).collect();
    let mut piece = 0..0;
    while let Some((start, matches)) =
        found.iter_mut().filter_map(|matches| Some((matches.peek()?.start(), matches))).min_by_key(|(start, _)| *start)
        && start < cut
        && let Some(next) = matches.next()
    {
        piece = if start < piece.end { piece.start..piece.end.max(next.end()) } else { next.range() };
    }
    if piece.end <= cut {
        cut
    } else if piece.start > end / 2 {
        piece.start
    } else {
        end
    }
}

/// So many bytes masks may add to one event: as many as the usual `***` adds to the longest entry of any log, 16 MiB, of which each
/// character is masked. Without a bound a short match and a long mask would make gigabytes of it.
const ROOM: usize = 32 * 1024 * 1024;

/// What masks may still add to an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(Option<usize>);

impl Room {
    pub fn of_event() -> Self {
        Self(Some(ROOM))
    }

    /// Whether a mask had to be left out.
    pub fn was_exceeded(self) -> bool {
        self.0.is_none()
    }

    /// Whether a mask of `mask` bytes may stand for `found` bytes. Once one may not, none may.
    fn takes(&mut self, found: usize, mask: usize) -> bool {
        self.0 = self.0.and_then(|left| left.checked_sub(mask.saturating_sub(found)));
        self.0.is_some()
    }
}

/// The text with every match masked, one rule after the other; borrowed where nothing matched.
///
/// It is mended first where it is not UTF-8: classes of characters do not match a stray byte, behind which the rest of a secret would be seen.
///
/// Where masks would add more than an event has [`Room`] for, it ends before the first that does, with [`TRUNCATED`]. Nothing is left of it
/// but that where rules follow: a match of theirs that lies across the end would be seen in part.
pub(super) fn redact<'a>(rules: &[Redaction], text: Cow<'a, [u8]>) -> (Cow<'a, [u8]>, Masked) {
    let mut room = Room::of_event();
    let (mut text, masked) = redact_within(rules, text, &mut room);
    if masked.cut {
        text.to_mut().extend_from_slice(TRUNCATED.as_bytes());
    }
    (text, masked)
}

/// The same with the room that is left, and without the words at the end of what is cut.
pub(super) fn redact_within<'a>(rules: &[Redaction], text: Cow<'a, [u8]>, room: &mut Room) -> (Cow<'a, [u8]>, Masked) {
    let mut masked = Masked::default();
    if rules.is_empty() {
        return (text, masked);
    }
    let mut text = mended(text, &mut masked.mended);
    for (at, rule) in rules.iter().enumerate() {
        let Some(replaced) = replaced(rule, &text, room) else { continue };
        masked.anything = true;
        text = Cow::Owned(replaced);
        if room.was_exceeded() {
            masked.cut = true;
            if at + 1 < rules.len() {
                text = Cow::Borrowed(b"");
            }
            break;
        }
    }
    (text, masked)
}

/// As UTF-8.
fn mended<'a>(text: Cow<'a, [u8]>, mended: &mut bool) -> Cow<'a, [u8]> {
    match text {
        Cow::Borrowed(bytes) => match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(text) => {
                *mended = true;
                Cow::Owned(text.into_bytes())
            }
        },
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_or_else(
            |error| {
                *mended = true;
                String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes()
            },
            String::into_bytes,
        )),
    }
}

/// The text with each match of one rule masked, up to the first for which there is no room. `None`: nothing matches.
fn replaced(rule: &Redaction, text: &[u8], room: &mut Room) -> Option<Vec<u8>> {
    let mask = rule.replacement.as_bytes();
    let mut matches = rule.expression.find_iter(text).peekable();
    matches.peek()?;
    let (mut masked, mut behind) = (Vec::with_capacity(text.len()), 0);
    for found in matches {
        masked.extend_from_slice(&text[behind..found.start()]);
        if !room.takes(found.len(), mask.len()) {
            return Some(masked);
        }
        masked.extend_from_slice(mask);
        behind = found.end();
    }
    masked.extend_from_slice(&text[behind..]);
    Some(masked)
}

/// What redacting did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Masked {
    pub anything: bool,
    /// The text was no UTF-8, and is now.
    pub mended: bool,
    /// There was no room for all masks, so the rest is not there.
    pub cut: bool,
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
    fn a_cut_before_matches_that_reach_into_each_other_is_found_in_one_pass() {
        let rules = [rule("xy", "*"), rule("yx", "*"), rule("z+", "*")];
        let text = "xy".repeat(700_000);
        assert_eq!(before_matches(&rules, text.as_bytes(), 1_000_000), 1_000_000, "all of it is one piece");
        let text = format!("{} {}", "a".repeat(800_000), "xy".repeat(200_000));
        assert_eq!(before_matches(&rules, text.as_bytes(), 1_000_000), 800_001);
        let text = format!("{}zz{}", "a".repeat(999_999), "a".repeat(10_000));
        assert_eq!(before_matches(&rules, text.as_bytes(), 1_000_000), 999_999);
        assert_eq!(before_matches(&rules, text.as_bytes(), 1_000_001), 1_000_001);
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

    /// An entry of the longest kind, with a secret at its end.
    fn long(filler: &str) -> Vec<u8> {
        let mut text = filler.repeat(16 * 1024 * 1024 / filler.len()).into_bytes();
        text.extend_from_slice(b" token=S3CR3T");
        text
    }

    #[test]
    fn masks_that_would_make_gigabytes_of_an_entry_end_it_where_they_have_no_room() {
        let text = long("x");
        let (masked, what) = redact(&[rule("x", &"m".repeat(4096))], Cow::Borrowed(&text));
        assert!(what.anything && what.cut);
        assert!(masked.len() <= ROOM + ROOM / 4095 + TRUNCATED.len(), "{}", masked.len());
        assert!(masked.starts_with(b"mmm") && masked.ends_with(b"mmm[Truncated...]"));
        assert!(memchr::memchr(b'x', &masked).is_none(), "all of it would have been masked");
    }

    #[test]
    fn where_rules_follow_nothing_is_seen_of_what_they_have_not_judged() {
        let text = [b"token=S3CR3T-", &long("x")[..]].concat();
        let rules = [rule("x", &"m".repeat(4096)), rule("(?s)token=.*", "***")];
        let (masked, what) = redact(&rules, Cow::Borrowed(&text));
        assert_eq!((&*masked, what.cut), (TRUNCATED.as_bytes(), true));
        let rules = [rule("x", &"m".repeat(2048)), rule("m", "nn"), rule("n", &"o".repeat(4096))];
        let (masked, what) = redact(&rules, Cow::Borrowed(&text[..1024]));
        assert!(what.cut && masked.len() < 2 * ROOM, "each adds to the same event: {}", masked.len());
    }

    #[test]
    fn the_usual_mask_has_room_for_each_character_of_the_longest_entry() {
        let longest = 16 * 1024 * 1024;
        let mut room = Room::of_event();
        assert!(room.takes(longest, 3 * longest), "as each of them by itself");
        let text = "7".repeat(10_000);
        let (masked, what) = redact(&[rule("[0-9]", "***")], Cow::Borrowed(text.as_bytes()));
        assert!(!what.cut && masked.len() == 30_000 && masked.iter().all(|byte| *byte == b'*'));
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
