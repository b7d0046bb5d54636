use super::*;
use crate::{
    aws::{
        connect,
        testing::{CHILD, Fake, MARK, Reply, Seen, by_password, cognito_answer, in_child, json, reply, settings},
    },
    config::settings::Authentication,
};
use std::sync::Arc;

const INSTANCE: &str = r#"{ "accountId": "123456789012", "instanceId": "i-0123456789abcdef0", "privateIp": "10.0.0.5", "region": "eu-west-1" }"#;

#[test]
fn only_what_has_its_form_is_a_fact() {
    let known = facts(INSTANCE, "ip-10-0-0-5.ec2.internal example.org\n").expect("a document");
    assert_eq!(known.instance_id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(known.hostname.as_deref(), Some("ip-10-0-0-5.ec2.internal"));
    assert_eq!((known.ip_address.as_deref(), known.account_id.as_deref()), (Some("10.0.0.5"), Some("123456789012")));
    let odd = facts(r#"{ "instanceId": "i-1", "accountId": "<b>", "privateIp": "x" }"#, "<html>").expect("a document");
    assert_eq!(odd, Facts { instance_id: Some("i-1".into()), ..Facts::default() });
    for stranger in ["<html>", "{}", r#"{ "instanceId": "i-<b>" }"#, r#"{ "instanceId": "portal" }"#] {
        assert_eq!(facts(stranger, "h"), None, "{stranger}");
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
