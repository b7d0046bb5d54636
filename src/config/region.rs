//! Names of regions: which can be one, and which look like a slip. Without a list of them, so that a new region needs no new version.
use super::finding::{Severity, nearest};

/// What the names begin with: an area, or a partition of its own. Behind `eusc` stands a country.
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>, and the SDK's table of partitions.
const AREAS: [&str; 16] = [
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov", "us-iso", "us-isob",
    "us-isof",
];
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// What is wrong with the name of a region, and what it may have been meant to be.
pub fn fault(name: &str) -> Option<(Severity, &'static str, Option<String>)> {
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let better = name.trim().to_lowercase().replace(['_', ' '], "-");
        let why = "no AWS region is called so: small letters, digits and hyphens, like us-east-1";
        return Some((Severity::Error, why, Some(better).filter(|better| is_known(better))));
    }
    let Some((area, direction, number)) = parts(name) else {
        let why = "does not look like the name of an AWS region, like us-east-1 or eu-central-1";
        // us-east-1a is an availability zone of us-east-1.
        let region = name.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|region| is_known(region));
        return Some((Severity::Warning, why, region.map(str::to_owned)));
    };
    if is_known(name) {
        return None;
    }
    // Of two letters any one is near another.
    let near = (area.len() > 2 || AREAS.contains(&area)).then(|| nearest(area, AREAS)).flatten();
    let better = near.zip(nearest(direction, DIRECTIONS));
    let better = better.map(|(area, direction)| format!("{area}-{direction}-{number}"));
    Some((Severity::Warning, "is no AWS region that this version knows", better))
}

/// Whether area and direction are those of regions.
fn is_known(name: &str) -> bool {
    let country = |area: &str| area.strip_prefix("eusc-").is_some_and(|country| country.len() == 2);
    parts(name)
        .is_some_and(|(area, direction, _)| (AREAS.contains(&area) || country(area)) && DIRECTIONS.contains(&direction))
}

/// Whether it is written as all regions are, known or not.
pub fn has_the_form(name: &str) -> bool {
    parts(name).is_some()
}

/// Area, direction and number of a name of the usual form.
fn parts(name: &str) -> Option<(&str, &str, u8)> {
    let (before, number) = name.rsplit_once('-')?;
    let (area, direction) = before.rsplit_once('-')?;
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (area.split('-').all(word) && word(direction)).then_some((area, direction, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(name: &str) -> Option<String> {
        fault(name).expect("a fault").2
    }

    #[test]
    fn regions_of_every_partition_pass_and_those_that_may_come_too() {
        for name in [
            "us-east-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isof-south-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
            "eusc-fr-north-2",
            "cn-northwest-1",
            "ap-southeast-7",
            "ap-northeast-3",
            "mx-central-1",
            "il-central-1",
            "me-south-1",
            "af-south-1",
            "sa-east-1",
            "ca-west-1",
            "eu-central-12",
        ] {
            assert_eq!(fault(name), None, "{name}");
        }
    }

    #[test]
    fn only_what_can_be_a_region_is_suggested() {
        assert_eq!(suggested("US_East_1").as_deref(), Some("us-east-1"));
        assert_eq!(suggested(" eu-west-1 ").as_deref(), Some("eu-west-1"));
        assert_eq!(suggested("us-east-1a").as_deref(), Some("us-east-1"));
        for name in ["Frankfurt", "foo bar", "frankfurt", "us-east-1/x", "EU", "us-east-", "-", "a"] {
            assert_eq!(suggested(name), None, "{name}");
        }
    }

    #[test]
    fn a_slip_in_a_region_is_a_warning() {
        for (slip, better) in [("eu-wset-1", "eu-west-1"), ("us-eest-1", "us-east-1"), ("eu-centrl-1", "eu-central-1")]
        {
            let (severity, _, suggestion) = fault(slip).expect("a slip");
            assert_eq!((severity, suggestion.as_deref()), (Severity::Warning, Some(better)));
        }
        let (severity, _, suggestion) = fault("uk-west-1").expect("no region");
        assert_eq!((severity, suggestion), (Severity::Warning, None), "any two letters are near others");
    }
}
