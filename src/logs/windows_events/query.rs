//! The query that a channel is asked with: XPath as the event log knows it.
//!
//! <https://learn.microsoft.com/en-us/windows/win32/wes/consuming-events#xpath-10-limitations>

/// Which events are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// As `System/Level` has them. Empty: all.
    pub levels: Vec<u8>,
    /// Empty: all.
    pub ids: Vec<u16>,
}

/// Terms that a query may have: the event log refuses one of more than about twenty.
const TERMS: usize = 20;
/// CloudWatch Logs takes no event that is older, and a first start asks for no other.
const OLDEST_MILLIS: u64 = 14 * 24 * 60 * 60 * 1_000;

impl Wanted {
    /// The query for the events from now on, or for those of the last two weeks, too.
    ///
    /// Where there are too many ids for a query they are left out of it: [`Self::takes`] knows them all.
    pub fn query(&self, only_recent: bool) -> String {
        let any = |name: &str, values: Vec<String>| {
            let terms: Vec<_> = values.iter().map(|value| format!("{name}={value}")).collect();
            (!terms.is_empty()).then(|| format!("({})", terms.join(" or ")))
        };
        let levels = self.levels.iter().map(u8::to_string).collect();
        let fits = self.levels.len() + self.ids.len() <= TERMS;
        let ids = if fits { self.ids.iter().map(u16::to_string).collect() } else { Vec::new() };
        let recent = only_recent.then(|| format!("TimeCreated[timediff(@SystemTime) <= {OLDEST_MILLIS}]"));
        let all: Vec<_> = [any("Level", levels), any("EventID", ids), recent].into_iter().flatten().collect();
        if all.is_empty() { "*".to_owned() } else { format!("*[System[{}]]", all.join(" and ")) }
    }

    /// Whether an event of this level and id is wanted.
    pub fn takes(&self, level: Option<u8>, id: u16) -> bool {
        // An event without a level is one of level 0.
        (self.levels.is_empty() || self.levels.contains(&level.unwrap_or_default()))
            && (self.ids.is_empty() || self.ids.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_any_of_and_ids_are_any_of_and_both_must_be_met() {
        let wanted = |levels: &[u8], ids: &[u16]| Wanted { levels: levels.into(), ids: ids.into() };
        assert_eq!(wanted(&[], &[]).query(false), "*");
        assert_eq!(wanted(&[4, 0, 2], &[]).query(false), "*[System[(Level=4 or Level=0 or Level=2)]]");
        assert_eq!(
            wanted(&[1], &[4624, 7036]).query(true),
            "*[System[(Level=1) and (EventID=4624 or EventID=7036) and TimeCreated[timediff(@SystemTime) <= 1209600000]]]"
        );
        assert_eq!(wanted(&[], &[]).query(true), "*[System[TimeCreated[timediff(@SystemTime) <= 1209600000]]]");
    }

    #[test]
    fn more_ids_than_a_query_takes_are_sorted_out_behind_it() {
        let wanted = Wanted { levels: vec![2], ids: (1..=20).collect() };
        assert_eq!(wanted.query(false), "*[System[(Level=2)]]");
        assert!(wanted.takes(Some(2), 20) && !wanted.takes(Some(2), 21) && !wanted.takes(Some(3), 20));
        assert!(Wanted { levels: vec![4, 0], ids: vec![] }.takes(None, 7));
    }
}
