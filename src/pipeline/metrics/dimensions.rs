//! What dimensions a metric has in the end: what its source appends, the host, what is known of the machine, and the rollups.
//!
//! The agent's rules: what the source itself says is never overwritten; where `append_dimensions` is there, nothing carries `host`; a rollup is
//! one more datum with fewer dimensions, of which CloudWatch makes the sums. Where it is known that a machine has none of what
//! `append_dimensions` asks for (it is no EC2 instance), `host` stays: series of different machines must not become one.
use crate::{
    config::settings::metrics::{AwsValue, DimensionValue, Global, HostDimension, SourceDimensions},
    model::{
        Dimension, Fact, Facts, Point,
        facts::Volumes,
        limits::{DIMENSION_VALUE, DIMENSIONS, fits_metric},
    },
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The dimension that the agent gives to everything.
const HOST: &str = "host";
/// The dimension of disks, by which their volumes are found.
const DEVICE: &str = "device";

/// The rules of all sources on this machine.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In the order of the sources' numbers.
    pub sources: Vec<SourceDimensions>,
    pub global: Global,
    /// The name that the system has.
    pub host_name: String,
    /// The id of this machine.
    pub instance_id: String,
}

impl Rules {
    /// Whether something that the source carries is still being asked for.
    pub(super) fn waits(&self, source: usize, facts: &Facts) -> bool {
        let own = self.sources.get(source).map(|rules| rules.append.as_slice()).unwrap_or_default();
        let own = own.iter().any(|(_, value)| match value {
            DimensionValue::Aws(value) => *fact(facts, *value) == Fact::Unknown,
            DimensionValue::Volume => facts.volumes == Volumes::Unknown,
            DimensionValue::Literal(_) | DimensionValue::Instance | DimensionValue::Host => false,
        });
        own || self.global.append.iter().flatten().any(|(_, value)| *fact(facts, *value) == Fact::Unknown)
    }

    /// All datums that come of a point: itself, unless it is dropped, and its rollups.
    pub(super) fn finish(&self, source: usize, point: Point, facts: &Facts, out: &mut impl FnMut(Point)) {
        let none = SourceDimensions::default();
        let rules = self.sources.get(source).unwrap_or(&none);
        let all = self.all(rules, &point.dimensions, facts);
        for names in &self.global.rollups {
            if names.len() < all.len() && names.iter().all(|name| all.contains_key(name.as_str())) {
                let dimensions = names.iter().filter_map(|name| Some(Dimension::new(name, &**all.get(name.as_str())?)));
                out(Point { dimensions: dimensions.collect(), ..point.clone() });
            }
        }
        if !rules.drop_original.contains(point.name.as_ref()) {
            let dimensions = in_order(all, &point.name);
            out(Point { dimensions, ..point });
        }
    }

    /// Every dimension, by name.
    fn all<'a>(
        &'a self,
        rules: &'a SourceDimensions,
        own: &'a [Dimension],
        facts: &'a Facts,
    ) -> BTreeMap<&'a str, Cow<'a, str>> {
        let mut all: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
        for dimension in own {
            all.insert(&dimension.name, Cow::Borrowed(&dimension.value));
        }
        let mut add = |name: &'a str, value: &'a str| {
            if !value.is_empty() {
                all.entry(name).or_insert(Cow::Borrowed(value));
            }
        };
        for (name, value) in &rules.append {
            match value {
                DimensionValue::Literal(text) => add(name, text),
                DimensionValue::Instance => add(name, &self.instance_id),
                DimensionValue::Host => add(name, &self.host_name),
                DimensionValue::Aws(value) => add(name, known(fact(facts, *value))),
                DimensionValue::Volume => add(name, volume(own, facts)),
            }
        }
        for (name, value) in &self.global.extra {
            add(name, value);
        }
        let appended = self.global.append.as_deref().unwrap_or_default();
        for (name, value) in appended {
            add(name, known(fact(facts, *value)));
        }
        let some_are_known = appended.iter().any(|(_, value)| !known(fact(facts, *value)).is_empty());
        let is_replaced = self.global.append.is_some() && (appended.is_empty() || some_are_known);
        if is_replaced {
            all.remove(HOST);
        } else if rules.host {
            match &self.global.host {
                HostDimension::System => add_host(&mut all, &self.host_name),
                HostDimension::Named(name) => add_host(&mut all, name),
                HostDimension::Omitted => {}
            }
        }
        if let Some(only) = &rules.only {
            all.retain(|name, _| only.contains(*name));
        }
        all.into_iter().filter(|(name, value)| !name.is_empty() && !value.is_empty()).map(acceptable).collect()
    }
}

fn add_host<'a>(all: &mut BTreeMap<&'a str, Cow<'a, str>>, name: &'a str) {
    all.entry(HOST).or_insert(Cow::Borrowed(name));
}

fn fact(facts: &Facts, value: AwsValue) -> &Fact {
    match value {
        AwsValue::InstanceId => &facts.instance_id,
        AwsValue::ImageId => &facts.image_id,
        AwsValue::InstanceType => &facts.instance_type,
        AwsValue::AutoScalingGroupName => &facts.auto_scaling_group,
    }
}

fn known(fact: &Fact) -> &str {
    match fact {
        Fact::Known(value) => value,
        Fact::Unknown | Fact::Absent => "",
    }
}

/// The volume on which the device lies that the source names, if it names one.
fn volume<'a>(own: &[Dimension], facts: &'a Facts) -> &'a str {
    let device = own.iter().find(|dimension| dimension.name == DEVICE);
    device.and_then(|device| facts.volumes.of(&device.value)).unwrap_or_default()
}

/// A value that CloudWatch takes: one with other than printable ASCII characters, or a longer one, would have every point refused.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
fn acceptable<'a>((name, value): (&'a str, Cow<'a, str>)) -> (&'a str, Cow<'a, str>) {
    if value.chars().all(fits_metric) && value.len() <= DIMENSION_VALUE {
        return (name, value);
    }
    let replaced = value.chars().take(DIMENSION_VALUE).map(|c| if fits_metric(c) { c } else { '_' });
    (name, Cow::Owned(replaced.collect()))
}

/// `host` first, then by name; beyond what the service takes the last ones go, as the agent has it.
fn in_order(mut all: BTreeMap<&str, Cow<'_, str>>, metric: &str) -> Arc<[Dimension]> {
    if all.len() > DIMENSIONS {
        let names: BTreeSet<&str> = all.keys().copied().filter(|name| *name != HOST).collect();
        let most = if all.contains_key(HOST) { DIMENSIONS - 1 } else { DIMENSIONS };
        for name in names.into_iter().skip(most) {
            all.remove(name);
        }
        tracing::debug!(metric, "more dimensions than CloudWatch takes: the last ones by name are left out");
    }
    let host = all.remove_entry(HOST);
    host.into_iter().chain(all).map(|(name, value)| Dimension::new(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resolution, Timestamp, Unit, Values, facts::Volume};

    fn rules(global: Global, source: SourceDimensions) -> Rules {
        Rules { sources: vec![source], global, host_name: "box".into(), instance_id: "sys-1".into() }
    }

    fn hosted() -> SourceDimensions {
        SourceDimensions { host: true, ..SourceDimensions::default() }
    }

    /// Every datum of a point with these tags, as `name=value` in order.
    fn finished(rules: &Rules, tags: &[(&str, &str)], facts: &Facts) -> Vec<String> {
        let point = Point {
            name: "m".into(),
            value: Values::One(1.0),
            unit: Unit::None,
            at: Timestamp::from_millis(0),
            dimensions: tags.iter().map(|(name, value)| Dimension::new(*name, *value)).collect(),
            resolution: Resolution::Minute,
        };
        let mut out = vec![];
        rules.finish(0, point, facts, &mut |point| {
            let pairs: Vec<_> = point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
            out.push(pairs.join(" "));
        });
        out
    }

    fn facts(instance: &str) -> Facts {
        Facts { instance_id: Fact::Known(instance.into()), ..Facts::none() }
    }

    fn instance_id() -> Global {
        Global { append: Some(vec![("InstanceId".into(), AwsValue::InstanceId)]), ..Global::default() }
    }

    #[test]
    fn the_host_stands_first_and_a_tag_of_that_name_is_kept() {
        let rules = rules(Global::default(), hosted());
        assert_eq!(finished(&rules, &[("cpu", "cpu0")], &Facts::none()), ["host=box cpu=cpu0"]);
        assert_eq!(finished(&rules, &[("host", "other")], &Facts::none()), ["host=other"]);
    }

    #[test]
    fn the_host_may_be_named_or_left_out() {
        let named = Global { host: HostDimension::Named("web".into()), ..Global::default() };
        assert_eq!(finished(&rules(named, hosted()), &[], &Facts::none()), ["host=web"]);
        let omitted = Global { host: HostDimension::Omitted, ..Global::default() };
        assert_eq!(finished(&rules(omitted, hosted()), &[("a", "b")], &Facts::none()), ["a=b"]);
        assert_eq!(finished(&rules(Global::default(), SourceDimensions::default()), &[], &Facts::none()), [""]);
    }

    #[test]
    fn what_is_appended_replaces_the_host_and_never_what_the_source_says() {
        let rules = rules(instance_id(), hosted());
        assert_eq!(finished(&rules, &[("host", "h"), ("a", "b")], &facts("i-1")), ["InstanceId=i-1 a=b"]);
        assert_eq!(finished(&rules, &[("InstanceId", "mine")], &facts("i-1")), ["InstanceId=mine"]);
        let ignored = Global { append: Some(vec![]), ..Global::default() };
        assert_eq!(finished(&super::tests::rules(ignored, hosted()), &[("a", "b")], &Facts::none()), ["a=b"]);
    }

    #[test]
    fn where_a_machine_has_nothing_of_what_is_asked_for_the_host_stays() {
        let rules = rules(instance_id(), hosted());
        assert_eq!(finished(&rules, &[("a", "b")], &Facts::none()), ["host=box a=b"]);
    }

    #[test]
    fn a_source_waits_only_while_something_that_it_carries_is_being_asked_for() {
        let some = rules(instance_id(), hosted());
        assert!(some.waits(0, &Facts::default()));
        assert!(!some.waits(0, &Facts::none()) && !some.waits(0, &facts("i-1")));
        let own =
            SourceDimensions { append: vec![("Type".into(), DimensionValue::Aws(AwsValue::InstanceType))], ..hosted() };
        assert!(rules(Global::default(), own).waits(0, &Facts::default()));
        assert!(!rules(Global::default(), hosted()).waits(0, &Facts::default()));
    }

    #[test]
    fn a_disk_carries_the_volume_that_its_device_lies_on() {
        let append = vec![("VolumeId".to_owned(), DimensionValue::Volume)];
        let rules = rules(Global::default(), SourceDimensions { append, ..SourceDimensions::default() });
        let volume = Volume { device: "nvme0n1".into(), id: "vol-0".into() };
        let facts = Facts { volumes: Volumes::Known(Arc::from([volume])), ..Facts::none() };
        assert_eq!(finished(&rules, &[("device", "nvme0n1p1")], &facts), ["VolumeId=vol-0 device=nvme0n1p1"]);
        for tags in [("device", "tmpfs"), ("path", "nvme0n1p1")] {
            assert_eq!(finished(&rules, &[tags], &facts), [format!("{}={}", tags.0, tags.1)]);
        }
        assert!(rules.waits(0, &Facts { volumes: Volumes::Unknown, ..Facts::none() }));
        assert!(!rules.waits(0, &facts) && !rules.waits(0, &Facts::none()));
    }

    #[test]
    fn rollups_need_all_their_names_and_fewer_than_there_are() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rollups = vec![names(&["a"]), names(&[]), names(&["a", "host"]), names(&["a", "b", "host"]), names(&["x"])];
        let global = Global { rollups, ..Global::default() };
        let rules = rules(global, hosted());
        let tags = [("a", "1"), ("b", "2")];
        assert_eq!(finished(&rules, &tags, &Facts::none()), ["a=1", "", "a=1 host=box", "host=box a=1 b=2"]);
        assert_eq!(finished(&rules, &[("x", "1")], &Facts::none()), ["", "x=1", "host=box x=1"]);
    }

    #[test]
    fn without_dimensions_there_is_nothing_to_roll_up() {
        let global = Global { rollups: vec![vec![]], ..Global::default() };
        assert_eq!(finished(&rules(global, SourceDimensions::default()), &[], &Facts::none()), [""]);
    }

    #[test]
    fn of_a_dropped_original_only_the_rollups_are_sent() {
        let global = Global { rollups: vec![vec![]], ..Global::default() };
        let source = SourceDimensions { drop_original: BTreeSet::from(["m".to_owned()]), ..hosted() };
        assert_eq!(finished(&rules(global, source), &[], &Facts::none()), [""]);
        let source = SourceDimensions { drop_original: BTreeSet::from(["m".to_owned()]), ..hosted() };
        assert!(finished(&rules(Global::default(), source), &[], &Facts::none()).is_empty());
    }

    #[test]
    fn exactly_the_dimensions_that_are_named_are_sent() {
        let only = Some(BTreeSet::from(["path".to_owned(), "InstanceId".to_owned()]));
        let rules = rules(instance_id(), SourceDimensions { only, ..hosted() });
        let tags = [("path", "/"), ("device", "xvda1"), ("fstype", "ext4")];
        assert_eq!(finished(&rules, &tags, &facts("i-1")), ["InstanceId=i-1 path=/"]);
    }

    #[test]
    fn a_name_that_is_not_ascii_does_not_have_every_point_refused() {
        let rules = Rules { host_name: "büro\u{7}-1".into(), ..rules(Global::default(), hosted()) };
        assert_eq!(
            finished(&rules, &[("a", &"v".repeat(2_000))], &Facts::none()),
            [format!("host=b_ro_-1 a={}", "v".repeat(1_024))]
        );
    }

    #[test]
    fn of_too_many_dimensions_the_last_by_name_go_and_the_host_stays() {
        let tags: Vec<(String, String)> = (0..40).map(|n| (format!("t{n:02}"), "v".to_owned())).collect();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let all = finished(&rules(Global::default(), hosted()), &tags, &Facts::none()).remove(0);
        assert_eq!(all.split(' ').count(), DIMENSIONS);
        assert!(all.starts_with("host=box t00=v") && all.ends_with("t28=v"), "{all}");
    }
}
