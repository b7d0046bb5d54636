use super::*;
use crate::{
    config::settings::metrics::{Measurements, Options, SourceDimensions},
    metrics::exposition::samples,
};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn adopted(counters: Counters, buckets: bool) -> Adopted {
    let plugin = Plugin {
        at: "textfile".into(),
        key: "textfile",
        measurements: Measurements::Everything { prefix: "p_".into() },
        interval: Duration::from_secs(60),
        resolution: Resolution::Second,
        dimensions: SourceDimensions::default(),
        options: Options::None,
    };
    Adopted::new(&plugin, Exposition { counters, buckets })
}

/// One reading: names with values, and what was unfit.
fn read(adopted: &mut Adopted, text: &str) -> (Vec<(String, f64)>, Vec<Unfit>) {
    let (mut points, mut unfit) = (Points::new(), vec![]);
    adopted.begin(false);
    for sample in samples(text) {
        unfit.extend(adopted.take("f", &sample.expect("readable"), NOW, &mut points).err());
    }
    (
        points
            .into_iter()
            .map(|point| (point.name.into_owned(), point.value.iter().map(|(value, _)| value).sum()))
            .collect(),
        unfit,
    )
}

fn values(adopted: &mut Adopted, text: &str) -> Vec<f64> {
    let (points, unfit) = read(adopted, text);
    assert_eq!(unfit, []);
    points.into_iter().map(|(_, value)| value).collect()
}

fn points(text: &str) -> Points {
    let mut points = Points::new();
    let mut adopted = adopted(Counters::Raw, true);
    adopted.begin(false);
    for sample in samples(text) {
        adopted.take("f", &sample.expect("readable"), NOW, &mut points).expect("fits");
    }
    points
}

fn counter(value: f64) -> String {
    format!("# TYPE c counter\nc{{a=\"b\"}} {value:?}\n")
}

#[test]
fn a_counter_is_published_as_its_increase_and_one_that_began_anew_as_what_it_has_counted_since() {
    let mut delta = adopted(Counters::Delta, false);
    let all: Vec<Vec<f64>> = [5.0, 7.5, 7.5, 2.0, 3.0].iter().map(|c| values(&mut delta, &counter(*c))).collect();
    assert_eq!(all, [vec![], vec![2.5], vec![0.0], vec![2.0], vec![1.0]]);
    let mut raw = adopted(Counters::Raw, false);
    assert_eq!([5.0, 7.5].map(|c| values(&mut raw, &counter(c))), [[5.0], [7.5]]);
}

#[test]
fn series_are_told_apart_by_labels_in_any_order_and_by_their_file() {
    let mut delta = adopted(Counters::Delta, false);
    let text = "# TYPE c counter\nc{a=\"1\",b=\"2\"} 1\nc{a=\"2\",b=\"1\"} 10\n";
    assert_eq!(values(&mut delta, text), [0.0; 0]);
    assert_eq!(values(&mut delta, "# TYPE c counter\nc{b=\"2\",a=\"1\"} 3\nc{a=\"2\",b=\"1\"} 11\n"), [2.0, 1.0]);
    let (mut points, all) = (Points::new(), counter(3.0));
    let sample = samples(&all).next().expect("one").expect("readable");
    delta.take("another", &sample, NOW, &mut points).expect("fits");
    assert_eq!(points, []);
}

#[test]
fn a_total_that_stands_twice_is_refused_since_it_cannot_be_compared() {
    let mut delta = adopted(Counters::Delta, false);
    let twice = "# TYPE c counter\nc 1\nc 5\n";
    assert_eq!(read(&mut delta, twice).1, [Unfit::Twice]);
    assert_eq!(values(&mut delta, "# TYPE c counter\nc 3\n"), [2.0]);
}

#[test]
fn a_series_that_was_gone_for_a_while_still_has_its_increase_and_later_begins_anew() {
    let mut delta = adopted(Counters::Delta, false);
    values(&mut delta, &counter(1.0));
    for _ in 1..KEPT {
        values(&mut delta, "");
    }
    assert_eq!(values(&mut delta, &counter(4.0)), [3.0]);
    for _ in 0..KEPT {
        values(&mut delta, "");
    }
    assert_eq!((values(&mut delta, &counter(9.0)), delta.series.len()), (vec![], 1));
}

#[test]
fn of_histograms_and_summaries_sum_and_count_are_published_and_the_rest_when_asked_for() {
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n\
                # TYPE s summary\ns{quantile=\"0.5\"} 4\ns{quantile=\"0.9\"} NaN\ns_sum 5\ns_count 6\n";
    assert_eq!(values(&mut adopted(Counters::Raw, false), text), [3.0, 2.0, 5.0, 6.0]);
    assert_eq!(values(&mut adopted(Counters::Raw, true), text), [1.0, 2.0, 3.0, 2.0, 4.0, 5.0, 6.0]);
    let mut delta = adopted(Counters::Delta, true);
    values(&mut delta, text);
    assert_eq!(values(&mut delta, text), [0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0], "a quantile is a level");
}

#[test]
fn a_sample_with_its_own_time_is_published_once_for_each_time() {
    let at = |millis: i64| format!("g 1 {}\n", NOW.as_millis() + millis);
    let mut delta = adopted(Counters::Delta, false);
    assert_eq!(values(&mut delta, &at(-60_000)), [1.0]);
    assert_eq!(values(&mut delta, &at(-60_000)), [0.0; 0]);
    assert_eq!(values(&mut delta, &at(-1)), [1.0]);
    assert_eq!(points(&at(-5))[0].at, NOW.minus(Duration::from_millis(5)));
    for beyond in [-15 * 86_400_000, 3 * 3_600_000] {
        assert_eq!(read(&mut delta, &at(beyond)), (vec![], vec![Unfit::Time]));
    }
}

#[test]
fn a_baseline_primes_totals_and_uses_up_no_time_of_a_level() {
    let text = format!("# TYPE c counter\nc 5\ng 1 {}\n", NOW.as_millis());
    let mut delta = adopted(Counters::Delta, false);
    let mut points = Points::new();
    delta.begin(true);
    for sample in samples(&text) {
        delta.take("f", &sample.expect("readable"), NOW, &mut points).expect("fits");
    }
    assert_eq!(points, []);
    assert_eq!(values(&mut delta, &text), [0.0, 1.0]);
}

#[test]
fn labels_become_dimensions_as_cloudwatch_takes_them() {
    let point = points("g{a=\"bü\\nr\",none=\"\",blank=\" \"} 1\n").remove(0);
    assert_eq!(point.dimensions[..], [Dimension::new("a", "b__r")]);
    assert_eq!((point.name.as_ref(), point.resolution), ("p_g", Resolution::Second));
}

#[test]
fn what_no_request_could_carry_costs_only_itself() {
    let labels: Vec<String> = (0..31).map(|n| format!("l{n}=\"x\"")).collect();
    let (long, wide) = ("v".repeat(1_025), labels.join(","));
    let name = "n".repeat(256);
    let text = format!("a NaN\nb +Inf\n{name} 1\nc{{l=\"{long}\"}} 1\nd{{{wide}}} 1\ngood 1\n");
    let (points, unfit) = read(&mut adopted(Counters::Delta, false), &text);
    assert_eq!(points, [("p_good".to_owned(), 1.0)]);
    assert_eq!(unfit, [Unfit::Value, Unfit::Value, Unfit::Name, Unfit::Label, Unfit::Dimensions]);
}

#[test]
fn series_that_must_be_remembered_are_bounded() {
    let mut delta = adopted(Counters::Delta, false);
    let series: String = (0..=MOST_SERIES).map(|n| format!("c{{n=\"{n}\"}} 1\n")).collect();
    let text = format!("# TYPE c counter\n{series}");
    assert_eq!(read(&mut delta, &text).1, [Unfit::TooMany]);
    assert_eq!(values(&mut delta, "# TYPE c counter\nc{n=\"0\"} 3\n"), [2.0]);
}

#[test]
fn the_end_of_a_name_tells_its_unit() {
    let text = "# TYPE h histogram\nh_seconds_bucket{le=\"1\"} 1\nh_seconds_sum 1\nh_seconds_count 1\nx_bytes 1\n\
                x_bytes_total 1\ncpu_percent 1\nseconds 1\nup 1\n";
    let units: Vec<Unit> = points(text).iter().map(|point| point.unit).collect();
    use Unit::{Bytes, None, Percent, Seconds};
    assert_eq!(units, [None, Seconds, None, Bytes, Bytes, Percent, Seconds, None]);
}
