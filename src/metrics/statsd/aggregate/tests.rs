use super::{super::protocol::Dialect, *};
use crate::telemetry::counters::{self, Counter};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

struct Desk(Aggregate, Complaints);

fn desk(rules: Rules) -> Desk {
    Desk(Aggregate::new(Arc::new(rules)), Complaints::default())
}

impl Desk {
    fn add(&mut self, datagram: &str) {
        self.0.add(datagram.as_bytes(), &mut self.1);
    }

    /// Name, dimensions without the type, and what is held, of each series.
    fn take(&mut self) -> Vec<String> {
        let mut interval = self.0.take();
        assert!(interval.leftovers().count() >= interval.series.len());
        let shown = interval.series.into_iter().map(|Series { identity, held }| {
            let tags = identity.dimensions.iter().filter(|d| d.name != "metric_type");
            let tags: String = tags.map(|d| format!(",{}={}", d.name, d.value)).collect();
            let held = match held {
                Held::Counter(sum) => format!("c {}", sum.total()),
                Held::Gauge(value) => format!("g {value}"),
                Held::Set(members) => format!("s {}", members.count()),
                Held::Values(values) => format!("v {:?}", values.into_values()),
            };
            format!("{}{tags} {held}", identity.name)
        });
        shown.collect()
    }
}

/// What these datagrams come to, and how often that was counted.
fn held(rules: Rules, datagrams: &[&str], counter: &Counter) -> (Vec<String>, u64) {
    let (mut desk, before) = (desk(rules), counter.here());
    datagrams.iter().for_each(|datagram| desk.add(datagram));
    (desk.take(), counter.here() - before)
}

fn agent(datagrams: &[&str]) -> Vec<String> {
    held(Rules::default(), datagrams, &counters::STATSD_BAD_FORM).0
}

#[test]
fn counters_are_summed_without_fractions_and_divided_by_their_rate() {
    assert_eq!(agent(&["a:1|c\na:2|c", "a:-5|c"]), ["a c -2"]);
    assert_eq!(agent(&["a:1.9|c:1.9|c:-1.9|c"]), ["a c 1"]);
    assert_eq!(agent(&["a:1|c|@0.1", "a:1|c|@0.3", "a:1|c|@2", "a:3.9|c|@0.5"]), ["a c 19"]);
    assert_eq!(agent(&["a:9007199254740993|c:-9007199254740992|c"]), ["a c 1"]);
}

#[test]
fn counters_with_fractions_keep_them_where_that_is_asked_for() {
    let rules = Rules { float_counters: true, ..Rules::default() };
    let lines = ["a:1.5|c", "a:0.25|c|@0.5", "a:1|c|@2", "a:9007199254740993|c:-9007199254740993|c"];
    assert_eq!(held(rules, &lines, &counters::STATSD_BAD_VALUE), (vec!["a c 2.5".to_owned()], 0));
}

#[test]
fn a_rate_that_is_none_counts_once_and_is_counted() {
    let lines = ["a:1|c|@0", "a:1|c|@-1", "a:5|ms|@0", "a:1|c|@0.5"];
    let (found, ignored) = held(Rules::default(), &lines, &counters::STATSD_RATES_IGNORED);
    assert_eq!((found, ignored), (vec!["a c 4".to_owned(), "a v [(5.0, 1.0)]".to_owned()], 3));
    let strict = Dialect { strict_rates: true, ..Dialect::default() };
    let rules = Rules { dialect: strict, ..Rules::default() };
    assert_eq!(held(rules, &lines, &counters::STATSD_BAD_RATE), (vec!["a c 2".to_owned()], 3));
}

#[test]
fn a_gauge_is_its_last_value_and_relative_ones_begin_at_zero_in_each_interval() {
    let mut desk = desk(Rules::default());
    desk.add("a:7|g\na:3|g|@0.1\nb:+5|g\nb:-7.5|g");
    assert_eq!(desk.take(), ["a g 3", "b g -2.5"]);
    desk.add("b:+1|g");
    assert_eq!(desk.take(), ["b g 1"]);
    assert!(desk.take().is_empty(), "what is not sent again is not published again");
}

#[test]
fn kept_gauges_are_changed_from_where_they_were_and_published_only_when_they_are_sent() {
    let mut desk = desk(Rules { keep_gauges: true, ..Rules::default() });
    desk.add("a:7|g|#x:1,y:2\nb:1|g");
    desk.take();
    assert!(desk.take().is_empty());
    desk.add("a:-10|g|#y:2,x:1\nc:+1|g");
    assert_eq!(desk.take(), ["a,x=1,y=2 g -3", "c g 1"]);
    desk.add("a:+1|g|#x:1,y:2");
    assert_eq!(desk.take(), ["a,x=1,y=2 g -2"]);
}

#[test]
fn kept_gauges_are_bounded() {
    let mut desk = desk(Rules { keep_gauges: true, max_series: 10, ..Rules::default() });
    for round in 0..20 {
        for n in 0..7 {
            desk.add(&format!("g{round}.{n}:1|g"));
        }
        desk.take();
        assert!(desk.0.kept.len() <= 10);
    }
    desk.add("g19.3:+1|g");
    assert_eq!(desk.take(), ["g19_3 g 2"]);
}

#[test]
fn a_gauge_can_be_below_zero_where_signs_belong_to_values() {
    let dialect = Dialect { signed_values: true, ..Dialect::default() };
    let rules = Rules { dialect, ..Rules::default() };
    let found = held(rules, &["a:5|g", "a:-5|g", "b:-1|ms"], &counters::STATSD_BAD_VALUE);
    assert_eq!(found, (vec!["a g -5".to_owned(), "b v [(-1.0, 1.0)]".to_owned()], 0));
}

#[test]
fn a_set_is_the_number_of_its_distinct_members() {
    assert_eq!(agent(&["a:x|s:y|s", "a:x|s|@0.1", "a:|s"]), ["a s 3"]);
}

#[test]
fn timers_keep_each_value_with_its_weight() {
    assert_eq!(
        agent(&["a:5|ms", "a:3|ms|@0.5", "a:5|ms|@0.1", "a:5|h"]),
        ["a v [(3.0, 2.0), (5.0, 11.0)]", "a v [(5.0, 1.0)]"]
    );
}

#[test]
fn series_are_told_apart_by_name_type_and_tags_and_not_by_how_these_are_written() {
    let lines = [
        "a.b:1|c|#x:1,y:2",
        "a.b:1|c|#y:2,x:1",
        "a.b,x=1,y=2:1|c",
        "a_b:1|c|#x:1|#y:2",
        "a.b:1|c|#x:1",
        "a.b:1|g|#x:1",
    ];
    assert_eq!(agent(&lines), ["a_b,x=1,y=2 c 4", "a_b,x=1 c 1", "a_b,x=1 g 1"]);
    assert_eq!(agent(&["a:1|c", "a:1|ms", "a:1|s"]).len(), 3);
}

#[test]
fn what_stands_before_a_fault_counts_and_the_rest_is_counted_by_cause() {
    let lines = ["a:1|c:x|c:5|c\nb\nc:1|q\n:1|c\nd:1|c", "e:-1|ms"];
    let counters = [
        &counters::STATSD_BAD_FORM,
        &counters::STATSD_BAD_TYPE,
        &counters::STATSD_BAD_VALUE,
        &counters::STATSD_BAD_NAME,
    ];
    let before = counters.map(Counter::here);
    assert_eq!(agent(&lines), ["a c 1", "d c 1"]);
    let counted: Vec<_> = counters.iter().zip(before).map(|(counter, before)| counter.here() - before).collect();
    assert_eq!(counted, [1, 1, 2, 1]);
}

#[test]
fn values_that_no_datum_can_have_are_refused() {
    let lines = ["a:1e200|g", "a:1e200|ms", "a:1e200|c", "a:1|ms|@1e-300", "a:1|c|@1e-300", "a:1e19|c", "b:1e100|g"];
    let (found, refused) = held(Rules::default(), &lines, &counters::STATSD_BAD_VALUE);
    assert_eq!((found.len(), refused), (1, 6));
}

#[test]
fn names_that_are_refused_or_mended_are_counted() {
    let (found, bad) = held(Rules::default(), &[":1|c", ":1|c", ",a=b:1|c"], &counters::STATSD_BAD_NAME);
    assert_eq!((found, bad), (vec![], 3), "each line, although the name is known");
    let (found, mended) = held(Rules::default(), &["é:1|c", "é:1|c", "ö:1|c"], &counters::STATSD_NAMES_MENDED);
    assert_eq!((found, mended), (vec!["_ c 3".to_owned()], 1));
}

#[test]
fn beyond_the_greatest_number_of_series_new_ones_are_refused_and_counted_until_the_next_interval() {
    let mut desk = desk(Rules { max_series: 2, ..Rules::default() });
    let before = counters::STATSD_SERIES_REFUSED.here();
    desk.add("a:1|c\nb:1|c\nc:1|c\nc:1|c\na:1|c\na:1|g");
    assert_eq!(desk.take(), ["a c 2", "b c 1"]);
    assert_eq!(counters::STATSD_SERIES_REFUSED.here() - before, 3);
    desk.add("c:1|c");
    assert_eq!(desk.take(), ["c c 1"]);
}

#[test]
fn a_flood_of_long_names_is_bounded_by_bytes() {
    let mut desk = desk(Rules { max_series: 100_000, ..Rules::default() });
    let long = "t".repeat(1_000);
    let before = counters::STATSD_SERIES_REFUSED.here();
    for n in 0..1_000 {
        let tags: Vec<_> = (0..25).map(|at| format!("{at}:{n}{long}")).collect();
        desk.add(&format!("a:1|c|#{}", tags.join(",")));
    }
    assert!(counters::STATSD_SERIES_REFUSED.here() > before);
    assert!(desk.0.name_bytes <= NAMES && desk.0.form_bytes <= FORMS + (64 << 10));
}

#[test]
fn a_flood_of_forms_of_one_series_is_bounded_and_loses_nothing() {
    let mut desk = desk(Rules { max_series: 10, ..Rules::default() });
    for n in 0..1_000 {
        // Tags without a name say nothing.
        desk.add(&format!("a:1|c|#:{n}"));
        assert!(desk.0.forms.len() <= 42);
    }
    assert_eq!(desk.take(), ["a c 1000"]);
}

#[test]
fn beyond_the_room_for_members_and_values_it_is_counted() {
    let mut desk = desk(Rules::default());
    desk.0.room = 1;
    let (refused, merged) = (counters::STATSD_MEMBERS_REFUSED.here(), counters::STATSD_VALUES_MERGED.here());
    desk.add("a:x|s:y|s:x|s");
    (0..100).for_each(|n| desk.add(&format!("b:{n}|ms")));
    let found = desk.take();
    assert_eq!(found[0], "a s 1");
    assert_eq!(counters::STATSD_MEMBERS_REFUSED.here() - refused, 1);
    assert!(counters::STATSD_VALUES_MERGED.here() > merged);
    assert_eq!(desk.0.room, ROOM, "each interval has all of it");
}

/// One thing that a client says.
#[derive(Clone, Debug)]
enum Said {
    Count(i32, u8),
    Gauge(i32),
    Change(i32),
    Time(u16, u8),
    Member(u8),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (any::<i32>(), 1u8..=4).prop_map(|(value, power)| Said::Count(value, power)),
        (0i32..i32::MAX).prop_map(Said::Gauge),
        any::<i32>().prop_map(Said::Change),
        (any::<u16>(), 1u8..=4).prop_map(|(value, power)| Said::Time(value, power)),
        any::<u8>().prop_map(Said::Member),
    ]
}

proptest! {
    /// Sums, counts, members and last values are what a plain reading of the same list comes to, however it is cut into lines,
    /// datagrams and intervals. Rates are powers of a half, which are exact.
    #[test]
    fn sums_counts_members_and_last_values_are_exact(all in prop::collection::vec((0u8..3, said(), 0u8..10), 1..300)) {
        let mut desk = desk(Rules::default());
        let (mut sums, mut gauges) = (BTreeMap::<u8, i64>::new(), BTreeMap::<u8, i64>::new());
        let (mut times, mut sets) = (BTreeMap::<u8, BTreeMap<u16, f64>>::new(), BTreeMap::<u8, BTreeSet<u8>>::new());
        let mut datagram = String::new();
        for (name, said, end) in all {
            datagram += &match said {
                Said::Count(value, power) => {
                    *sums.entry(name).or_default() += i64::from(value) << power;
                    format!("n{name}:{value}|c|@{}", 0.5f64.powi(power.into()))
                }
                Said::Gauge(value) => {
                    gauges.insert(name, value.into());
                    format!("n{name}:{value}|g")
                }
                Said::Change(by) => {
                    *gauges.entry(name).or_default() += i64::from(by);
                    format!("n{name}:{by:+}|g")
                }
                Said::Time(value, power) => {
                    *times.entry(name).or_default().entry(value).or_default() += f64::from(1u8 << power);
                    format!("n{name}:{value}|ms|@{}", 0.5f64.powi(power.into()))
                }
                Said::Member(member) => {
                    sets.entry(name).or_default().insert(member);
                    format!("n{name}:{member}|s")
                }
            };
            datagram.push('\n');
            if end == 0 {
                desk.add(&std::mem::take(&mut datagram));
            }
        }
        desk.add(&datagram);
        let mut wanted: Vec<String> = vec![];
        wanted.extend(sums.iter().map(|(name, sum)| format!("n{name} c {}", *sum as f64)));
        wanted.extend(gauges.iter().map(|(name, value)| format!("n{name} g {}", *value as f64)));
        wanted.extend(sets.iter().map(|(name, members)| format!("n{name} s {}", members.len())));
        wanted.extend(times.iter().map(|(name, values)| {
            let values: Vec<_> = values.iter().map(|(value, count)| (f64::from(*value), *count)).collect();
            format!("n{name} v {values:?}")
        }));
        let mut found = desk.take();
        found.sort();
        wanted.sort();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
        let mut desk = desk(Rules { keep_gauges: true, float_counters: true, ..Rules::default() });
        for datagram in all {
            desk.0.add(&datagram, &mut desk.1);
            desk.0.take();
        }
    }
}
