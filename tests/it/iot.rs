//! A device that signs in with its certificate.
use crate::support::{
    fake::FakeAws,
    host::TestHost,
    tls::{Authority, IotEndpoint, Pair},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

const ROLE_ALIAS: &str = "story-alias";
const THING: &str = "story-thing";

async fn endpoint(authority: &Authority, aws: &Arc<FakeAws>) -> IotEndpoint {
    let issuing = Arc::clone(aws);
    IotEndpoint::start(authority, ROLE_ALIAS, THING, move || issuing.issue_key()).await
}

/// A machine with this certificate that trusts this authority.
fn device(aws: &FakeAws, iot: &IotEndpoint, trusted: &Authority, own: &Pair, in_one_file: bool) -> TestHost {
    let host = TestHost::tailing(aws, &["app.log"]).without_keys();
    let put = |name: &str, text: &str| {
        fs::write(host.path(name), text).expect("a folder that can be written");
        fs::set_permissions(host.path(name), PermissionsExt::from_mode(0o600)).expect("it is ours");
        json!(host.path(name))
    };
    let certificate: Value = if in_one_file {
        put("device.pem", &format!("{}{}", own.certificate, own.key))
    } else {
        json!([put("device.crt", &own.certificate), put("device.key", &own.key)])
    };
    let bundle = put("ca.pem", &trusted.certificate);
    let authentication = json!({
        "iotUrl": iot.address(),
        "roleAlias": ROLE_ALIAS,
        "thingName": THING,
        "certificate": certificate,
    });
    host.with("agent.authentication", authentication).with("agent.ca_bundle", bundle)
}

async fn keys_come_for_the_certificate(in_one_file: bool) {
    let (aws, authority) = (Arc::new(FakeAws::start()), Authority::new());
    let iot = endpoint(&authority, &aws).await;
    let host = device(&aws, &iot, &authority, &authority.client(), in_one_file);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first line", |seen| seen.has("one")).await;
    aws.expire_keys();
    host.append("app.log", "two\n");
    daemon.until_cloud(&aws, "the second line, with new keys", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(iot.refused(), Vec::<String>::new());
    assert!(iot.given() >= 2);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_certificate_and_its_key_in_one_file_bring_keys() {
    keys_come_for_the_certificate(true).await;
}

#[tokio::test]
async fn a_certificate_and_its_key_in_two_files_bring_keys() {
    keys_come_for_the_certificate(false).await;
}

#[tokio::test]
async fn a_stranger_gets_no_keys_and_the_daemon_goes_on() {
    let (aws, authority) = (Arc::new(FakeAws::start()), Authority::new());
    let iot = endpoint(&authority, &aws).await;
    let host = device(&aws, &iot, &authority, &Authority::new().client(), true);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until("the failure", |status| status.counter("credential_failures") > 0).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(iot.given(), 0);
    assert!(!iot.refused().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_nobody_vouches_for_is_not_trusted() {
    let (aws, authority) = (Arc::new(FakeAws::start()), Authority::new());
    let iot = endpoint(&authority, &aws).await;
    let host = device(&aws, &iot, &Authority::new(), &authority.client(), true);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until("the failure", |status| status.counter("credential_failures") > 0).await;
    assert_eq!(iot.given(), 0);
}
