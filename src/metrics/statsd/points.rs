//! What an interval held, as CloudWatch takes it.
use super::{
    aggregate::{Held, Series},
    identity::Identity,
};
use crate::model::{Point, Points, Resolution, Timestamp, Values, limits::VALUES};

/// Appends the points of one series: one, or as many as its values need. None of them has more than one datum takes, and together
/// they have all.
#[allow(clippy::cast_precision_loss)] // members are bounded far below that
pub(super) fn append(series: Series, at: Timestamp, resolution: Resolution, out: &mut Points) {
    let Series { identity: Identity { name, dimensions, unit, scale, .. }, held } = series;
    let mut push = |value| {
        let (name, dimensions) = (name.clone().into(), dimensions.clone());
        out.push(Point { name, value, unit, at, dimensions, resolution });
    };
    match held {
        Held::Counter(sum) => push(Values::One(sum.total() * scale)),
        Held::Gauge(value) => push(Values::One(value * scale)),
        Held::Set(members) => push(Values::One(members.count() as f64)),
        Held::Values(values) => {
            let values: Vec<_> =
                values.into_values().into_iter().map(|(value, count)| (value * scale, count)).collect();
            values.chunks(VALUES).for_each(|part| push(Values::Many(part.to_vec())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::statsd::{aggregate::Aggregate, complaints::Complaints, protocol::Dialect, rules::Rules};
    use std::sync::Arc;

    fn points(lines: &str) -> Points {
        let rules = Rules { dialect: Dialect { signed_values: true, ..Dialect::default() }, ..Rules::default() };
        let mut aggregate = Aggregate::new(Arc::new(rules));
        aggregate.add(lines.as_bytes(), &mut Complaints::default());
        let mut out = vec![];
        let at = Timestamp::from_millis(7);
        aggregate.take().series.into_iter().for_each(|series| append(series, at, Resolution::Second, &mut out));
        out
    }

    #[test]
    fn each_series_is_a_point_of_its_time_and_resolution() {
        let found = points("a.b:1|c|#k:v\ng:-1.5|g\ns:x|s:y|s\nt:5|ms|@0.5:3|ms");
        let values: Vec<_> = found.iter().map(|point| (&*point.name, point.value.clone())).collect();
        assert_eq!(
            values,
            [
                ("a_b", Values::One(1.0)),
                ("g", Values::One(-1.5)),
                ("s", Values::One(2.0)),
                ("t", Values::Many(vec![(3.0, 1.0), (5.0, 2.0)])),
            ]
        );
        assert!(found.iter().all(|p| p.at == Timestamp::from_millis(7) && p.resolution == Resolution::Second));
        let dimensions: Vec<_> = found[0].dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
        assert_eq!(dimensions, ["k=v", "metric_type=counter"]);
    }

    #[test]
    fn values_beyond_those_of_one_datum_are_in_further_ones() {
        let lines: Vec<_> = (0..400).rev().map(|n| format!("t:{}|ms", n % 350)).collect();
        let found = points(&lines.join("\n"));
        let values = |point: &Point| match &point.value {
            Values::Many(values) => values.clone(),
            Values::One(_) => vec![],
        };
        let all: Vec<_> = found.iter().flat_map(values).collect();
        assert_eq!(found.iter().map(|point| values(point).len()).collect::<Vec<_>>(), [150, 150, 50]);
        assert!(all.iter().enumerate().all(|(n, value)| *value == (n as f64, if n < 50 { 2.0 } else { 1.0 })));
    }
}
