use super::*;
use crate::{
    aws::{
        connect,
        testing::{CHILD, Fake, MARK, Reply, Seen, by_password, cognito_answer, in_child, json, reply, settings},
    },
    config::settings::Authentication,
};
use std::sync::Arc;

const INSTANCE: &str = r#"{ "accountId": "123456789012", "instanceId": "i-0123456789abcdef0", "privateIp": "10.0.0.5", "region": "eu-central-1",
    "imageId": "ami-0123456789abcdef0", "instanceType": "m7g.large", "pendingTime": "2026-01-01T00:00:00Z" }"#;

#[test]
fn only_what_has_its_form_is_a_fact() {
    let known = identity(INSTANCE).expect("a document");
    let expected = Metadata {
        instance_id: Some("i-0123456789abcdef0".into()),
        hostname: None,
        ip_address: Some("10.0.0.5".into()),
        account_id: Some("123456789012".into()),
        image_id: Some("ami-0123456789abcdef0".into()),
        instance_type: Some("m7g.large".into()),
        region: Some("eu-central-1".into()),
    };
    assert_eq!(known, expected);
    let odd = r#"{ "instanceId": "i-1", "accountId": "<b>", "privateIp": "x", "imageId": "ami-<", "instanceType": "big", "region": "a/b" }"#;
    assert_eq!(identity(odd).expect("a document"), Metadata { instance_id: Some("i-1".into()), ..Metadata::default() });
    for stranger in ["<html>", "{}", r#"{ "instanceId": "i-<b>" }"#, r#"{ "instanceId": "portal" }"#] {
        assert_eq!(identity(stranger), None, "{stranger}");
    }
    let name = name_of_dns("ip-10-0-0-5.ec2.internal example.org\n");
    assert_eq!((name.as_deref(), name_of_dns("<html>")), (Some("ip-10-0-0-5.ec2.internal"), None));
}

#[test]
fn only_what_can_be_the_value_of_a_dimension_is_a_group() {
    for name in ["web", "my group/1", &"x".repeat(255)] {
        assert!(is_group(name), "{name}");
    }
    for name in ["", "a\nb", "grün", &"x".repeat(256)] {
        assert!(!is_group(name), "{name}");
    }
}

fn metadata(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/latest/api/token" => {
            let mut token = reply(200, "text/plain", "token");
            token.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", "21600".parse().expect("ASCII"));
            token
        }
        _ if seen.header("x-aws-ec2-metadata-token") != "token" => reply(401, "text/plain", ""),
        DOCUMENT => reply(200, "text/plain", INSTANCE),
        HOSTNAME => reply(200, "text/plain", "ip-10-0-0-5.ec2.internal"),
        _ => reply(404, "text/plain", ""),
    }
}

#[tokio::test]
async fn the_metadata_of_the_instance_is_asked_by_its_second_version() {
    if std::env::var(CHILD).is_ok() {
        let connection = connect(&settings("http://localhost:1", Authentication::Chain), "i", Arc::default());
        let facts = connection.expect("set up").inquiry.metadata().await.expect("an answer");
        println!("{MARK}{}", facts.hostname.expect("named"));
        return;
    }
    let service = Fake::plain(metadata).await;
    let (name, url) =
        ("aws::inquiry::tests::the_metadata_of_the_instance_is_asked_by_its_second_version", service.url.clone());
    let said =
        tokio::task::spawn_blocking(move || in_child(name, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]));
    assert_eq!(said.await.expect("runs"), "ip-10-0-0-5.ec2.internal");
}

#[tokio::test]
async fn the_account_is_the_one_that_signs() {
    let answer = |seen: &Seen| match seen.action() {
        "" => reply(
            200,
            "text/xml",
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>a</Arn><UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>",
        ),
        "DescribeLogGroups" => json(200, "{}"),
        _ => cognito_answer(seen),
    };
    let service = Fake::plain(answer).await;
    let inquiry = connect(&settings(&service.url, by_password()), "i", Arc::default()).expect("set up").inquiry;
    assert_eq!(inquiry.account().await.expect("an answer"), "123456789012");
    assert_eq!(inquiry.region().await.expect("configured"), "eu-west-1");
}

const ROLE: &str = "arn:aws:iam::123456789012:role/publish";

/// What the instance metadata shows of the tags, and EC2 says of the group.
fn with_tags(shown: Option<&'static str>) -> impl Fn(&Seen) -> Reply {
    move |seen| match (seen.path.as_str(), shown) {
        (TAGS, Some(keys)) => reply(200, "text/plain", keys),
        ("/latest/meta-data/tags/instance/aws:autoscaling:groupName", Some(_)) => reply(200, "text/plain", "shown"),
        ("/", _) if seen.action().is_empty() => {
            let tag = format!("<item><key>{GROUP}</key><value>asked of EC2</value></item>");
            let body = format!("<DescribeTagsResponse><tagSet>{tag}</tagSet></DescribeTagsResponse>");
            reply(200, "text/xml", body)
        }
        (path, _) if path.starts_with("/latest/") => metadata(seen),
        _ => cognito_answer(seen),
    }
}

#[tokio::test]
async fn the_group_is_the_one_that_the_metadata_shows_else_that_of_ec2_which_the_login_itself_asks() {
    if std::env::var(CHILD).is_ok() {
        let url = std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").expect("given");
        let mut settings = settings(&url, by_password());
        settings.agent.role_arn = Some(ROLE.to_owned());
        let inquiry = connect(&settings, "i", Arc::default()).expect("set up").inquiry;
        let (group, again) = (inquiry.auto_scaling_group().await, inquiry.auto_scaling_group().await);
        assert_eq!(group.as_ref().ok(), again.as_ref().ok());
        println!("{MARK}{}", group.map_or_else(|error| error.to_string(), |group| group.unwrap_or("none".to_owned())));
        return;
    }
    const NAME: &str = "aws::inquiry::tests::the_group_is_the_one_that_the_metadata_shows_else_that_of_ec2_which_the_login_itself_asks";
    for (shown, expected) in [
        (Some("Name\naws:autoscaling:groupName"), "shown"),
        (Some("Name"), "none"),
        (Some("<html>Welcome</html>"), "what answers for the EC2 instance metadata service is none"),
        (None, "asked of EC2"),
    ] {
        let service = Fake::plain(with_tags(shown)).await;
        let url = service.url.clone();
        let said =
            tokio::task::spawn_blocking(move || in_child(NAME, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]));
        assert_eq!(said.await.expect("runs"), expected, "{shown:?}");
        let seen = service.seen();
        let documents = seen.iter().filter(|seen| seen.path == DOCUMENT).count();
        let signed: Vec<_> = seen.iter().filter(|seen| seen.path == "/" && seen.action().is_empty()).collect();
        assert_eq!(documents, usize::from(shown.is_none()), "asked once, and only for the region");
        assert_eq!(signed.len(), if shown.is_none() { 2 } else { 0 });
        for seen in signed {
            let by = seen.header("authorization");
            assert!(by.contains("Credential=AKIDCOGNITO/") && by.contains("/eu-central-1/ec2/"), "{by}");
        }
    }
}
