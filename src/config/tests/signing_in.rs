use super::*;

fn authentication(inner: &str) -> String {
    format!(r#"{{ "agent": {{ "region": "us-east-1", "authentication": {{ {inner} }} }} }}"#)
}
const COGNITO: &str = r#""accountId": "1", "userPoolId": "u", "identityPoolId": "i", "appClientId": "a""#;
const IOT: &str = r#""iotUrl": "h", "roleAlias": "r", "thingName": "t""#;

#[test]
fn the_password_may_be_in_a_file_or_in_the_environment() {
    let password = |inner: &str| match settings(&authentication(inner)).agent.authentication {
        Authentication::Cognito(cognito) => cognito.password,
        other => panic!("{other:?}"),
    };
    let file = password(&format!(r#"{COGNITO}, "passwordFile": "/p""#));
    assert!(matches!(file, Password::File(path) if path == Path::new("/p")));
    assert!(matches!(password(COGNITO), Password::Environment));
}

#[test]
fn a_certificate_is_one_file_or_two() {
    let certificate = |value: &str| match settings(&authentication(&format!(r#"{IOT}, "certificate": {value}"#)))
        .agent
        .authentication
    {
        Authentication::Iot(iot) => iot.certificate,
        other => panic!("{other:?}"),
    };
    assert_eq!(certificate(r#""/b""#), Certificate::Bundle("/b".into()));
    let pair = Certificate::Pair { certificate: "/c".into(), key: "/k".into() };
    assert_eq!(certificate(r#"["/c", "/k"]"#), pair);
    check_error(
        &authentication(&format!(r#"{IOT}, "certificate": ["/c"]"#)),
        "agent.authentication.certificate",
        "needs 2 items",
        None,
    );
}

#[test]
fn neither_password_nor_certificate_is_no_way_to_sign_in() {
    let text = authentication(r#""accountID": "1""#);
    assert!(found(&text, Severity::Error).iter().all(|error| !error.contains("neither")), "that is Cognito");
    let text = authentication(r#""xyzzy": "1""#);
    assert!(found(&text, Severity::Error).iter().any(|error| error.contains("neither a `password`")));
}

#[test]
fn an_authentication_that_says_nothing_is_the_default_chain() {
    for nothing in ["{}", "null"] {
        let s = settings(&format!(r#"{{ "agent": {{ "authentication": {nothing} }} }}"#));
        assert!(matches!(s.agent.authentication, Authentication::Chain));
    }
}

#[test]
fn one_mistake_is_one_finding() {
    let text = authentication(&format!(r#"{COGNITO}, "pasword": "p""#));
    check_error(&text, "agent.authentication.pasword", "unknown key", Some("password"));
    let text = authentication(&format!(r#"{COGNITO}, "password": "p""#).replace("accountId", "acountId"));
    check_error(&text, "agent.authentication.acountId", "unknown key", Some("accountId"));
    let text = authentication(&format!(r#"{IOT}, "certificat": "/b""#));
    check_error(&text, "agent.authentication.certificat", "unknown key", Some("certificate"));
    let text = authentication(&format!(r#"{COGNITO}, "password": "p""#)).replace(r#""us-east-1""#, "1");
    check_error(&text, "agent.region", "expected text", Some("\"1\""));
}

#[test]
fn a_region_is_needed() {
    let text = format!(r#"{{ "agent": {{ "authentication": {{ {COGNITO}, "password": "p" }} }} }}"#);
    check_error(&text, "agent.authentication", "needs `agent.region`", None);
}

#[test]
fn every_missing_key_is_named_at_once() {
    let errors = found(&authentication(r#""password": "p""#), Severity::Error);
    assert_eq!(errors.len(), 4, "{errors:?}");
    let errors = found(&authentication(r#""certificate": "/b", "thingName": "t""#), Severity::Error);
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn two_passwords_are_one_too_many_and_a_certificate_beside_one_is_not_used() {
    let both = authentication(&format!(r#"{COGNITO}, "password": "p", "passwordFile": "/p""#));
    check_error(&both, "agent.authentication", "keep one", None);
    let beside = authentication(&format!(r#"{COGNITO}, "password": "p", "certificate": "/c""#));
    check_warning(&beside, "agent.authentication.certificate", "not used");
}

#[test]
fn no_message_repeats_a_password() {
    let text = authentication(&format!(r#"{COGNITO}, "password": 74107410"#));
    check_error(&text, "agent.authentication.password", "expected text", None);
    let text = authentication(&format!(r#"{COGNITO}, "password": "hunter2", "pasword": "hunter2""#));
    let loaded = loaded(&text);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let valid = settings(&authentication(&format!(r#"{COGNITO}, "password": "hunter2""#)));
    assert!(!format!("{valid:?}").contains("hunter2"));
}

#[test]
fn what_no_request_to_iot_can_hold_is_found_before_the_start() {
    let text = |url: &str, alias: &str, thing: &str| {
        authentication(&format!(
            r#""iotUrl": "{url}", "roleAlias": "{alias}", "thingName": "{thing}", "certificate": "/b""#
        ))
    };
    let error = |text: &str, key: &str| check_error(text, &format!("agent.authentication.{key}"), "", None);
    for wrong in ["http://host", "host/path", "host?x=1", "a b"] {
        error(&text(wrong, "r", "t"), "iotUrl");
    }
    error(&text("host", "a/b", "t"), "roleAlias");
    error(&text("host", "a b", "t"), "roleAlias");
    error(&text("host", "r", "t\\u0007"), "thingName");
    settings(&text("https://host.example/", "r", "t"));
}
