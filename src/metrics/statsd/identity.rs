//! What CloudWatch calls a series: its name, its dimensions, its unit. Worked out once for each form in which clients write it.
use super::{
    protocol::{Kind, NO_VALUE, split},
    rules::Rules,
};
use crate::model::{
    Dimension, Unit,
    limits::{DIMENSION_VALUE, DIMENSIONS, NAME, fits_metric},
};
use std::sync::Arc;

/// The dimension that tells what the values are.
const TYPE: &str = "metric_type";

/// What CloudWatch calls a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    pub name: String,
    /// In the order of the alphabet. `host` and what else every metric carries is added by the stage that sends them.
    pub dimensions: Arc<[Dimension]>,
    pub unit: Unit,
    /// What its values are multiplied with, so that they fit the unit.
    pub scale: f64,
    /// Characters that CloudWatch does not take were replaced.
    pub mended: bool,
    /// There were more dimensions than CloudWatch takes: the last ones are missing.
    pub cut: bool,
}

/// Why CloudWatch has no name for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Unnamable {
    /// Empty or too long.
    Name,
    /// The name or value of a dimension is too long.
    Tag,
}

impl Identity {
    /// `name` with the tags of Influx, `tags` those of DogStatsD, which win.
    pub(super) fn new(rules: &Rules, name: &[u8], tags: &[u8], kind: Kind) -> Result<Self, Unnamable> {
        let mut mended = false;
        let (bucket, influx) = split(name, b',');
        let name = text(bucket, &mut mended).replace('.', &rules.separator);
        if name.trim().is_empty() || name.chars().count() > NAME {
            return Err(Unnamable::Name);
        }
        let mut found = Tags(vec![]);
        for tag in influx.into_iter().flat_map(|tags| tags.split(|byte| *byte == b',')) {
            // One `=`, not more.
            if let (key, Some(value)) = split(tag, b'=')
                && memchr::memchr(b'=', value).is_none()
            {
                found.set(text(key, &mut mended), text(value, &mut mended));
            }
        }
        if rules.metric_type {
            found.set(TYPE.to_owned(), kind.word().to_owned());
        }
        for tag in tags.split(|byte| *byte == b',') {
            let (key, value) = split(tag, b':');
            found.set(text(key, &mut mended), text(value.unwrap_or(NO_VALUE), &mut mended));
        }
        let (dimensions, cut) = found.dimensions()?;
        let (unit, scale) = rules.unit(&name);
        Ok(Self { name, dimensions, unit, scale, mended, cut })
    }

    /// Two are the same series where this is the same: no part of it has bytes below a space.
    pub(super) fn key(&self, kind: Kind) -> Vec<u8> {
        let mut key = vec![kind as u8];
        key.extend_from_slice(self.name.as_bytes());
        for Dimension { name, value } in &*self.dimensions {
            for part in [name, value] {
                key.push(0);
                key.extend_from_slice(part.as_bytes());
            }
        }
        key
    }
}

/// Tags of a line that are looked at.
const MOST: usize = 200;

/// Tags in the order in which they came; of the same name, the last.
struct Tags(Vec<Dimension>);

impl Tags {
    fn set(&mut self, name: String, value: String) {
        if name.trim().is_empty() {
            return;
        }
        let looked_at = self.0.len();
        match self.0.iter_mut().find(|dimension| dimension.name == name) {
            Some(dimension) => dimension.value = value,
            // Far more than CloudWatch takes. Each is compared with all before it, and who sends is anybody.
            None if looked_at >= MOST => {}
            None => self.0.push(Dimension { name, value }),
        }
    }

    /// Those that have a value, as many as CloudWatch takes, and whether there were more.
    fn dimensions(mut self) -> Result<(Arc<[Dimension]>, bool), Unnamable> {
        self.0.retain(|dimension| !dimension.value.trim().is_empty());
        self.0.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let cut = self.0.len() > DIMENSIONS;
        self.0.truncate(DIMENSIONS);
        let fits = |d: &Dimension| d.name.len() <= NAME && d.value.len() <= DIMENSION_VALUE;
        if self.0.iter().all(fits) { Ok((self.0.into(), cut)) } else { Err(Unnamable::Tag) }
    }
}

/// As CloudWatch takes it: printable ASCII.
fn text(bytes: &[u8], mended: &mut bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.chars().all(fits_metric) {
        return text.into_owned();
    }
    *mended = true;
    text.chars().map(|c| if fits_metric(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::default()
    }

    /// Name and dimensions in one line.
    fn shown(rules: &Rules, name: &str, tags: &str, kind: Kind) -> String {
        let identity = Identity::new(rules, name.as_bytes(), tags.as_bytes(), kind).expect("a name");
        let dimensions = identity.dimensions.iter().map(|d| format!(" {}={}", d.name, d.value));
        identity.name + &dimensions.collect::<String>()
    }

    #[test]
    fn the_parts_of_a_name_are_joined_and_the_type_is_a_dimension() {
        assert_eq!(shown(&rules(), "a.b.c", "", Kind::Counter), "a_b_c metric_type=counter");
        let rules = Rules { separator: "::".into(), ..Rules::default() };
        assert_eq!(shown(&rules, "a.b-c d", "", Kind::Timing), "a::b-c d metric_type=timing");
        let words = [Kind::Gauge, Kind::Histogram, Kind::Set, Kind::Distribution].map(Kind::word);
        assert_eq!(words, ["gauge", "histogram", "set", "distribution"]);
        let plain = Rules { metric_type: false, ..Rules::default() };
        assert_eq!(shown(&plain, "a", "x:y", Kind::Counter), "a x=y");
    }

    #[test]
    fn tags_of_both_kinds_are_dimensions_and_those_behind_the_hash_win() {
        let show = |name, tags| shown(&rules(), name, tags, Kind::Counter);
        assert_eq!(show("a,k=1,j=2", "k:3,l"), "a j=2 k=3 l=<empty> metric_type=counter");
        assert_eq!(show("a", "url:http://x:1"), "a metric_type=counter url=http://x:1");
        assert_eq!(show("a", "metric_type:mine"), "a metric_type=mine");
        // What is in the name is older than the type.
        assert_eq!(show("a,metric_type=mine", ""), "a metric_type=counter");
        assert_eq!(show("a,b,k==1,=2,c=1=2", ",:x"), "a metric_type=counter");
        // Empty ones are none, and one may take another away.
        assert_eq!(show("a,k=", "j:,metric_type:"), "a");
        // A tag of this name is somebody else's host.
        assert_eq!(show("a", "host:other,a:b"), "a a=b host=other metric_type=counter");
        assert_eq!(show("a.b,c.d=e.f", ""), "a_b c.d=e.f metric_type=counter");
    }

    #[test]
    fn the_order_of_tags_makes_no_other_series() {
        let key = |tags: &str| {
            Identity::new(&rules(), b"a", tags.as_bytes(), Kind::Counter).expect("a name").key(Kind::Counter)
        };
        assert_eq!(key("x:1,y:2"), key("y:2,x:1"));
        assert_ne!(key("x:1,y:2"), key("x:1,y:3"));
        assert_ne!(key("x:1"), key("x1"));
    }

    #[test]
    fn what_cloudwatch_does_not_take_is_replaced_or_refused() {
        let identity = |name: &[u8], tags: &[u8]| Identity::new(&rules(), name, tags, Kind::Gauge);
        let mended = identity("bür\u{7}o".as_bytes(), b"st\xffdt:\xc3\xb6").expect("mended");
        assert_eq!((mended.name.as_str(), mended.mended), ("b_r_o", true));
        assert!(mended.dimensions.contains(&Dimension::new("st_dt", "_")));
        assert_eq!(identity(b"", b""), Err(Unnamable::Name));
        assert_eq!(identity(b" ,a=b", b""), Err(Unnamable::Name));
        assert_eq!(identity(&[b'n'; NAME + 1], b""), Err(Unnamable::Name));
        assert!(identity(&[b'n'; NAME], b"").is_ok());
        assert_eq!(identity(b"a", &[b't'; NAME + 1]), Err(Unnamable::Tag));
        let long = |length| [b"t:".to_vec(), vec![b'v'; length]].concat();
        assert!(identity(b"a", &long(DIMENSION_VALUE)).is_ok());
        assert_eq!(identity(b"a", &long(DIMENSION_VALUE + 1)), Err(Unnamable::Tag));
    }

    #[test]
    fn of_too_many_dimensions_the_last_are_missing() {
        let tags: Vec<_> = (0..40).map(|n| format!("t{n:02}:v")).collect();
        let identity = Identity::new(&rules(), b"a", tags.join(",").as_bytes(), Kind::Gauge).expect("a name");
        assert!(identity.cut && identity.dimensions.len() == DIMENSIONS);
        assert_eq!(
            (identity.dimensions[0].name.as_str(), identity.dimensions[29].name.as_str()),
            ("metric_type", "t28")
        );
    }

    #[test]
    fn beyond_the_bound_on_tags_new_ones_are_not_looked_at_and_known_ones_still_change() {
        let dimensions = |others: usize| {
            let tags: Vec<_> = (0..others).map(|n| format!("z{n:03}:v")).collect();
            let tags = format!("{},a:late,z000:last", tags.join(","));
            let identity = Identity::new(&rules(), b"m", tags.as_bytes(), Kind::Gauge).expect("a name");
            identity.dimensions.iter().take(3).map(|d| format!("{}={}", d.name, d.value)).collect::<Vec<_>>()
        };
        // `metric_type` is one of them.
        assert_eq!(dimensions(MOST - 2), ["a=late", "metric_type=gauge", "z000=last"]);
        assert_eq!(dimensions(MOST - 1), ["metric_type=gauge", "z000=last", "z001=v"]);
    }

    #[test]
    fn the_longest_ending_that_fits_gives_the_unit() {
        let units = [("_ms", Unit::Milliseconds, 1.0), ("size_ms", Unit::Bytes, 1.0), ("_min", Unit::Seconds, 60.0)];
        let units = units.map(|(ending, unit, scale)| (ending.to_owned(), unit, scale)).into();
        let rules = Rules { units, ..Rules::default() };
        let unit = |name: &str| {
            let identity = Identity::new(&rules, name.as_bytes(), b"", Kind::Gauge).expect("a name");
            (identity.unit, identity.scale)
        };
        assert_eq!(unit("a.ms"), (Unit::Milliseconds, 1.0));
        assert_eq!(unit("a.size.ms"), (Unit::Bytes, 1.0));
        assert_eq!(unit("a.min"), (Unit::Seconds, 60.0));
        assert_eq!([unit("ms"), unit("x")], [(Unit::None, 1.0); 2]);
    }
}
