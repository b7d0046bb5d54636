use super::*;
use crate::aws::testing::{by_password, settings};
use std::io;

const DNS: &str = "dns error: failed to lookup address information: Name or service not known";
const REFUSED: &str = "tcp connect error: Connection refused (os error 111)";
const LOGS: &str = "https://logs.eu-wset-1.amazonaws.com/private?secret";

/// What is said with these variables, without keys that name a host.
fn said(env: &[(&str, &str)], uri: &str, words: &str) -> String {
    let mut settings = settings("", by_password());
    settings.agent.endpoints.all = None;
    said_with(&settings, env, uri, words)
}

fn said_with(settings: &Settings, env: &[(&str, &str)], uri: &str, words: &str) -> String {
    let env = Env::from_slice(env);
    let ways = Ways::find(settings, &env, Proxies::find(&env).expect("usable"));
    let text = ways.blocked(&uri.parse().expect("a URL"), &io::Error::other(words.to_owned())).to_string();
    assert!(text.ends_with(&format!(" ({words})")), "{text}");
    for private in ["private", "secret", "hunter2"] {
        assert!(!text.contains(private), "{text}");
    }
    text
}

#[track_caller]
fn assert_begins(text: &str, begin: &str) {
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn each_trouble_is_explained_with_the_host_that_was_asked_for_and_no_more_of_its_url() {
    for (words, plain) in [
        (DNS, "the host name logs.eu-wset-1.amazonaws.com cannot be resolved; check agent.region, DNS"),
        (REFUSED, "the connection was refused by logs.eu-wset-1.amazonaws.com; check agent.region, the port"),
        ("HTTP connect timeout occurred after 10s", "logs.eu-wset-1.amazonaws.com did not answer in time; check"),
        ("tcp connect error: deadline has elapsed", "logs.eu-wset-1.amazonaws.com did not answer in time; check"),
        ("Network is unreachable (os error 101)", "there is no way through the network to logs.eu-wset-1."),
        ("invalid peer certificate: UnknownIssuer", "this machine does not trust the certificate of logs.eu-wset-1."),
        ("received corrupt message", "logs.eu-wset-1.amazonaws.com does not speak TLS"),
        ("tcp open error: Too many open files (os error 24)", "this process may not open more files"),
        ("something new", "the connection to logs.eu-wset-1.amazonaws.com failed"),
    ] {
        assert_begins(&said(&[], LOGS, words), plain);
    }
}

#[test]
fn what_named_the_host_is_what_to_check() {
    let check = |env: &[(&str, &str)], uri: &str| {
        let text = said(env, uri, DNS);
        text.split("check ").nth(1).and_then(|rest| rest.split(", DNS").next()).unwrap_or_default().to_owned()
    };
    assert_eq!(check(&[], "https://monitoring-fips.eu-wset-1.amazonaws.com/"), "agent.region");
    assert_eq!(check(&[], "https://cognito-idp.eu-wset-1.amazonaws.com/"), "agent.authentication.userPoolId");
    assert_eq!(check(&[], "https://cognito-identity.eu-wset-1.amazonaws.com/"), "agent.authentication.identityPoolId");
    assert_eq!(check(&[], "https://ec2.eu-wset-1.amazonaws.com/"), "the region that the EC2 instance metadata names");
    assert_eq!(check(&[], "https://elsewhere.test/"), "endpoint_url of the AWS profile");
    let env = [("AWS_ENDPOINT_URL", "https://all.test:1/x"), ("AWS_ENDPOINT_URL_STS", "https://sts.test")];
    assert_eq!(check(&env, "https://all.test:1/y"), "AWS_ENDPOINT_URL");
    assert_eq!(check(&env, "https://sts.test/"), "AWS_ENDPOINT_URL_STS");
    assert!(
        said(&[], "http://169.254.169.254/x", REFUSED).contains("169.254.169.254; check the port and the firewall")
    );
}

#[test]
fn an_override_in_the_configuration_is_named_by_its_key() {
    let mut settings = settings("https://all.test", by_password());
    settings.agent.endpoints.logs = Some("https://Logs.test:4566".to_owned());
    assert!(said_with(&settings, &[], "https://logs.test:4566/", REFUSED).contains("check logs.endpoint_override, "));
    assert!(said_with(&settings, &[], "https://all.test/", REFUSED).contains("check agent.endpoint_override, "));
    settings.agent.endpoints.metrics = Some("https://logs.test:4566".to_owned());
    let both = said_with(&settings, &[], "https://logs.test:4566/", REFUSED);
    assert!(both.contains("check metrics.endpoint_override and logs.endpoint_override, "), "{both}");
}

#[test]
fn a_proxy_that_was_not_reached_did_not_refuse_anything() {
    let env = [("https_proxy", "http://user:hunter2@proxy.test:3128"), ("HTTP_PROXY", "plain.test")];
    let not_there = "CONNECT tunnel failed: tunnel error: failed to create underlying connection";
    assert_begins(
        &said(&env, LOGS, not_there),
        "the proxy proxy.test:3128 could not be reached; check https_proxy and NO_PROXY",
    );
    let unknown = format!("{not_there}: {DNS}");
    assert_begins(
        &said(&env, LOGS, &unknown),
        "the proxy proxy.test:3128 could not be reached: its host name cannot be",
    );
    let refusing = format!("{not_there}: {REFUSED}");
    assert_begins(&said(&env, LOGS, &refusing), "the proxy proxy.test:3128 could not be reached: it refused the conn");
    assert_begins(
        &said(&env, "http://aws.test/", REFUSED),
        "the proxy plain.test could not be reached: it refused the connection; check HTTP_PROXY and NO_PROXY",
    );
}

#[test]
fn a_proxy_that_answered_is_told_from_the_host_behind_it() {
    let env = [("HTTPS_PROXY", "http://user:hunter2@proxy.test:3128"), ("NO_PROXY", "near.test")];
    assert_begins(
        &said(&env, LOGS, "tunnel error: unsuccessful"),
        "the proxy proxy.test:3128 did not let us through to logs.eu-wset-1.amazonaws.com; check HTTPS_PROXY",
    );
    assert_begins(
        &said(&env, LOGS, "tunnel error: proxy authorization required"),
        "the proxy proxy.test:3128 wants a user name and a password: write them into HTTPS_PROXY",
    );
    assert_begins(
        &said(&env, LOGS, "invalid peer certificate: UnknownIssuer"),
        "this machine does not trust the certificate of logs.",
    );
    assert_begins(
        &said(&env, LOGS, "HTTP connect timeout occurred after 10s"),
        "neither the proxy proxy.test:3128 nor",
    );
    assert_begins(&said(&env, "https://near.test/", REFUSED), "the connection was refused by near.test; check");
}
