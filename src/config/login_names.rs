//! By what a login is named: the forms that ids of AWS have, and what the samples (`configs/`) have in their places. A form may change one
//! day, so all of this is a warning, and is said only where somebody signs in.
use super::{
    authentication::{self, Way},
    region,
    section::Section,
};

/// Whether text has the form of an id.
type Form = fn(&str) -> bool;

/// The keys of Cognito: the sample's word, the form, and what has it.
/// <https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html>,
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html>
const COGNITO: [(&str, &str, Form, &str); 5] = [
    ("accountId", "000000000000", is_account, "the 12 digits of an account"),
    ("userPoolId", "REGION_xxxxxxxxx", is_user_pool, "a user pool's id, like eu-west-1_AbCdEf123"),
    (
        "identityPoolId",
        "REGION:00000000-0000-0000-0000-000000000000",
        is_identity_pool,
        "an identity pool's id, like eu-west-1:11111111-2222-3333-4444-555555555555",
    ),
    ("appClientId", "APP_CLIENT_ID", |_| true, ""),
    ("password", "PASSWORD", |_| true, ""),
];

const IOT: [(&str, &str); 2] = [("roleAlias", "ROLE_ALIAS"), ("thingName", "THING_NAME")];

/// Everything of `agent` that can hardly be meant so.
pub fn check(agent: &Section<'_>) {
    let section = agent.child("authentication");
    match authentication::way(&section) {
        Way::Cognito => cognito(agent, &section),
        Way::Iot => {
            for (key, word) in IOT {
                let child = section.child(key);
                if child.text() == Some(word) {
                    sample(&child);
                }
            }
            let url = section.child("iotUrl");
            if url.text().is_some_and(|url| url.contains("ENDPOINT_ID.")) {
                sample(&url);
            }
        }
        Way::Chain | Way::Unclear => {}
    }
    let role = agent.path(&["credentials", "role_arn"]);
    if role.text().is_some_and(|arn| arn.contains(":000000000000:") || arn.ends_with("/ROLE_NAME")) {
        sample(&role);
    }
}

fn sample(section: &Section<'_>) {
    section.warning("is still what the sample has in this place; put in your own");
}

fn cognito(agent: &Section<'_>, section: &Section<'_>) {
    for (key, word, fits, what) in COGNITO {
        let child = section.child(key);
        // A password is compared as it stands, and no message repeats it.
        let Some(text) = child.verbatim() else { continue };
        if text == word {
            sample(&child);
        } else if child.text().is_some_and(|text| !fits(text)) {
            child.warning(format!("does not look like {what}"));
        }
    }
    regions(agent, section);
}

/// A pool says itself where it is, and the daemon signs in there; what it sends goes to `agent.region`. That may be meant, and seldom is.
fn regions(agent: &Section<'_>, section: &Section<'_>) {
    let Some(own) = agent.child("region").text() else { return };
    let mut said = None;
    for (key, end, fits) in [("userPoolId", '_', is_user_pool as Form), ("identityPoolId", ':', is_identity_pool)] {
        let child = section.child(key);
        let Some((region, _)) = child.text().filter(|id| fits(id)).and_then(|id| id.split_once(end)) else { continue };
        if region != own && said != Some(region) {
            said = Some(region);
            child.warning(format!(
                "this pool is in {region}, so the daemon signs in there, while `agent.region` sends metrics and logs to {own}; \
                 is that meant?"
            ));
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_user_pool(text: &str) -> bool {
    let id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    text.split_once('_').is_some_and(|(place, rest)| region::has_the_form(place) && id(rest))
}

fn is_identity_pool(text: &str) -> bool {
    let groups = |id: &str| id.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let uuid = |id: &str| groups(id) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    text.split_once(':').is_some_and(|(place, rest)| region::has_the_form(place) && uuid(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, section::Findings};
    use std::path::Path;

    /// Path and reason of what is said of this section `agent`.
    fn said(agent: &str) -> Vec<String> {
        let file = File::parse(Path::new("c.json"), agent.as_bytes().to_vec(), None).expect("JSON");
        let findings = Findings::default();
        check(&Section::root(&file, &findings));
        findings.into_sorted().iter().map(|f| format!("{} {}: {}", f.severity.as_str(), f.at, f.why)).collect()
    }

    fn with(account: &str, user_pool: &str, identity_pool: &str) -> String {
        format!(
            r#"{{ "region": "eu-west-1", "authentication": {{ "accountId": "{account}", "userPoolId": "{user_pool}",
                "identityPoolId": "{identity_pool}", "appClientId": "a", "password": "p" }} }}"#
        )
    }
    const UUID: &str = "11111111-2222-3333-4444-55555555555f";

    #[test]
    fn ids_of_the_usual_form_are_no_finding() {
        assert_eq!(said(&with("123456789012", "eu-west-1_AbC123", &format!("eu-west-1:{UUID}"))), [""; 0]);
        assert_eq!(said(r#"{ "region": "eu-west-1" }"#), [""; 0]);
    }

    #[test]
    fn an_id_of_another_form_is_a_warning_where_it_stands() {
        let found = said(&with("123", "x", "eu-west-1:1234"));
        assert_eq!(found.len(), 3, "{found:#?}");
        for (found, key) in found.iter().zip(["accountId", "userPoolId", "identityPoolId"]) {
            let begin = format!("warning authentication.{key}: does not look like");
            assert!(found.starts_with(&begin), "{found}");
        }
    }

    #[test]
    fn pools_elsewhere_than_the_region_are_asked_about_once() {
        let found = said(&with("123456789012", "us-east-1_AbC123", &format!("us-east-1:{UUID}")));
        assert!(found.len() == 1 && found[0].contains("signs in there"), "{found:#?}");
        assert!(found[0].contains("us-east-1") && found[0].contains("eu-west-1"), "{found:#?}");
        let found = said(&with("123456789012", "eu-west-1_AbC123", &format!("us-east-1:{UUID}")));
        assert!(found.len() == 1 && found[0].starts_with("warning authentication.identityPoolId:"), "{found:#?}");
    }

    #[test]
    fn what_the_samples_hold_for_others_is_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        for (sample, placeholders) in [
            ("amazon-cloudwatch-publisher-rpi.json", 5),
            ("amazon-cloudwatch-publisher-osx.json", 5),
            ("amazon-cloudwatch-publisher-iot.json", 3),
            ("agent-linux.json", 1),
            ("amazon-cloudwatch-publisher-ssm.json", 0),
        ] {
            let text = std::fs::read_to_string(folder.join(sample)).expect("a sample");
            let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let found = said(&file["agent"].to_string());
            assert_eq!(found.len(), placeholders, "{sample}: {found:#?}");
            assert!(found.iter().all(|found| found.contains("still what the sample has")), "{found:#?}");
        }
    }
}
