use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

fn login() -> Login {
    Login {
        region: "eu-west-1".into(),
        account_id: "123456789012".into(),
        user_pool_id: "eu-west-1_AbCdEf123".into(),
        identity_pool_id: "eu-west-1:11111111-2222-3333-4444-555555555555".into(),
        app_client_id: "1abc2def".into(),
        password: "geheim-17".into(),
    }
}

fn instance() -> Instance {
    Instance { prefix: "rpi".into(), serial: "00c0ffee".into() }
}

fn composed(template: &str, login: &Login) -> Value {
    serde_json::from_str(&compose(template, login, None).expect("composed")).expect("JSON")
}

fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let entries = std::fs::read_dir(folder).expect("the samples").map(|entry| entry.expect("one").path());
    entries.map(|path| (path.display().to_string(), std::fs::read_to_string(path).expect("text"))).collect()
}

/// Why a login with one other value is refused.
fn refused(change: impl Fn(&mut Login)) -> String {
    let mut login = login();
    change(&mut login);
    compose("{}", &login, None).expect_err("refused").to_string()
}

#[test]
fn the_values_stand_where_the_daemon_looks_for_them() {
    let text = compose("{}", &login(), Some(&instance())).expect("composed");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let expected = json!({ "agent": {
        "instance": { "prefix": "rpi", "serial": "00c0ffee" },
        "authentication": {
            "accountId": "123456789012",
            "userPoolId": "eu-west-1_AbCdEf123",
            "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
            "appClientId": "1abc2def",
            "password": "geheim-17",
        },
        "region": "eu-west-1",
    } });
    assert_eq!(whole, expected);
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{text}");
}

#[test]
fn a_sample_keeps_everything_else_its_order_and_its_layout() {
    for (name, sample) in samples().iter().filter(|(name, _)| name.contains("publisher-")) {
        let mut expected: Value = serde_json::from_str(sample).expect("JSON");
        let Ok(text) = compose(sample, &login(), None) else { panic!("{name}") };
        let whole: Value = serde_json::from_str(&text).expect("JSON");
        expected["agent"]["authentication"] = whole["agent"]["authentication"].clone();
        expected["agent"]["region"] = json!("eu-west-1");
        assert_eq!(whole, expected, "{name}");
        let first_words = |text: &str| {
            let lines = text.lines().map(|line| line.split(':').next().unwrap_or_default().trim().to_owned());
            lines.filter(|word| !word.is_empty()).collect::<Vec<_>>()
        };
        if name.contains("rpi") {
            assert_eq!(first_words(&text), first_words(sample), "{name}\n{text}");
        }
    }
}

#[test]
fn what_is_composed_runs_without_a_finding() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.json");
    for (name, sample) in samples().iter().filter(|(name, _)| name.contains("publisher-")) {
        for text in [
            compose(sample, &login(), Some(&instance())).expect("composed"),
            compose_without_login(sample, "eu-west-1", Some(&instance())).expect("composed"),
        ] {
            std::fs::write(&file, text).expect("ours");
            let loaded = config::load(&file);
            assert!(loaded.settings.is_some() && loaded.findings.is_empty(), "{name}: {:#?}", loaded.findings);
        }
    }
}

#[test]
fn the_way_to_sign_in_of_the_template_gives_place() {
    let template =
        r#"{"agent":{"authentication":{"iotUrl":"u","roleAlias":"r","thingName":"t","certificate":"/c","extra":1}}}"#;
    let whole = composed(template, &login());
    let section = whole["agent"]["authentication"].as_object().expect("an object");
    let keys: Vec<&str> = section.keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert!(section["extra"] == 1 && section["password"] == "geheim-17");
    let template = r#"{"agent":{"authentication":{"passwordFile":"/p"}}}"#;
    assert!(composed(template, &login())["agent"]["authentication"]["passwordFile"].is_null());
    let without = compose_without_login(template, "eu-west-1", None).expect("composed");
    assert_eq!(serde_json::from_str::<Value>(&without).expect("JSON"), json!({"agent": {"region": "eu-west-1"}}));
}

#[test]
fn a_name_replaces_the_command_that_would_find_one() {
    let template = r#"{"agent":{"instance":{"prefix":"osx","command":"x","note":true}}}"#;
    let text = compose(template, &login(), Some(&instance())).expect("composed");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(whole["agent"]["instance"], json!({"prefix": "rpi", "note": true, "serial": "00c0ffee"}));
    assert_eq!(composed(template, &login())["agent"]["instance"]["command"], "x");
    assert_eq!(prefix(template).as_deref(), Some("osx"));
    assert_eq!(prefix("{}"), None);
}

#[test]
fn numbers_keep_their_digits_and_keys_their_order() {
    let template =
        r#"{"z":1.10,"a":123456789012345678901234567890,"agent":{"region":null,"y":-0.0,"b":[1e400,[],{}]}}"#;
    let text = compose(template, &login(), None).expect("composed");
    for part in ["\"z\": 1.10", "123456789012345678901234567890", "\"y\": -0.0", "1e400", "[]", "{}"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let at = |part: &str| text.find(part).expect(part);
    assert!(at("\"z\"") < at("\"a\"") && at("\"a\"") < at("\"agent\"") && at("\"region\"") < at("\"y\""), "{text}");
}

#[test]
fn a_template_that_is_no_configuration_is_refused_with_the_reason() {
    for (template, why) in [
        ("", "line 1, column 0: it ends too early"),
        ("{\n  \"a\": ,\n}", "line 2, column 8"),
        ("{} x", "no JSON"),
        ("[]", "the whole of the template must be an object, { ... }; it is a list"),
        ("null", "it is null"),
        (r#"{"agent":7}"#, "the section `agent` of the template must be an object, { ... }; it is a number"),
        (r#"{"agent":{"authentication":"geheim"}}"#, "`agent.authentication` of the template must be an object"),
        (r#"{"agent":{"region":"a","region":"b"}}"#, "the key `region` stands twice in the section `agent`"),
        (r#"{"agent":{},"agent":{}}"#, "the key `agent` stands twice in the whole"),
    ] {
        let error = compose(template, &login(), None).expect_err(template).to_string();
        assert!(error.contains(why) && !error.contains("geheim"), "{error}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(compose(&deep, &login(), None).is_err());
    assert!(matches!(compose_without_login("{", "eu-west-1", None), Err(ComposeError::NotJson { .. })));
    assert!(compose("\u{feff}{}", &login(), None).is_ok(), "a mark of Windows is no fault");
}

#[test]
fn a_configuration_of_the_agent_does_not_become_the_publishers_by_the_way() {
    let template = r#"{"agent":{"run_as_user":"root"},"logs":{"log_stream_name":"x"}}"#;
    assert!(matches!(compose(template, &login(), None), Err(ComposeError::OtherDialect)));
    assert!(matches!(compose_without_login(template, "eu-west-1", Some(&instance())), Err(ComposeError::OtherDialect)));
    assert!(compose_without_login(template, "eu-west-1", None).is_ok());
    let measures = r#"{"agent":{},"metrics":{"metrics_collected":{"mem":{"measurement":["used"]}}}}"#;
    assert!(compose(measures, &login(), Some(&instance())).is_ok());
}

#[test]
fn what_the_samples_have_in_place_of_a_value_is_no_value() {
    let from_sample = Login {
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        user_pool_id: "REGION_xxxxxxxxx".into(),
        identity_pool_id: "REGION:00000000-0000-0000-0000-000000000000".into(),
        app_client_id: "APP_CLIENT_ID".into(),
        password: "PASSWORD".into(),
    };
    let of = |sample: &Login| {
        [
            refused(|login| login.account_id = sample.account_id.clone()),
            refused(|login| login.user_pool_id = sample.user_pool_id.clone()),
            refused(|login| login.identity_pool_id = sample.identity_pool_id.clone()),
            refused(|login| login.app_client_id = sample.app_client_id.clone()),
            refused(|login| login.password = sample.password.clone()),
        ]
    };
    let whats = ["account id", "user pool id", "identity pool id", "app client id", "password"];
    for (said, what) in of(&from_sample).iter().zip(whats) {
        assert!(said.starts_with(&format!("the {what} is ")), "{said}");
    }
}

#[test]
fn a_value_that_cannot_be_right_is_refused_by_its_name() {
    for (region, why) in
        [("", "is empty"), ("Frankfurt", "no name of a region"), ("US_East_1", "did you mean `us-east-1`")]
    {
        let said = refused(|login| login.region = region.into());
        assert!(said.starts_with("the region ") && said.contains(why), "{said}");
    }
    for wrong in ["", "12345678901", "1234567890123", "12345678901x", " 123456789012"] {
        assert!(refused(|login| login.account_id = wrong.into()).starts_with("the account id "));
    }
    for wrong in ["eu-west-1", "eu-west-1_", "eu-west-1_a b", "x_AbC", "eu-west-1_AbC\n", "eu-west-1_a&b"] {
        assert!(refused(|login| login.user_pool_id = wrong.into()).starts_with("the user pool id "));
    }
    for wrong in ["eu-west-1", "eu-west-1:", "eu-west-1:XYZ", "11111111-2222-3333-4444-555555555555"] {
        assert!(refused(|login| login.identity_pool_id = wrong.into()).starts_with("the identity pool id "));
    }
    for wrong in ["", "a b", "a/b", &"a".repeat(129)] {
        assert!(refused(|login| login.app_client_id = wrong.into()).starts_with("the app client id "));
    }
    for wrong in ["", " geheim", "geheim\n", "ge\u{7}heim", &"geheim".repeat(50)] {
        let said = refused(|login| login.password = wrong.into());
        assert!(said.starts_with("the password ") && !said.contains("geheim"), "{said}");
    }
    let named = |prefix: &str, serial: &str| {
        let instance = Instance { prefix: prefix.into(), serial: serial.into() };
        compose("{}", &login(), Some(&instance)).expect_err("refused").to_string()
    };
    assert!(named("", "1").starts_with("the prefix of the instance id is empty"));
    assert!(named("rpi", "a b").contains("has ` ` in it"));
    assert!(named("rpi", "a:b").contains("has `:` in it"));
    assert!(named("rpi", "é").starts_with("the serial number has"));
    assert!(named("rpi", &"1".repeat(125)).contains("longer than 128"));
}

#[test]
fn a_region_that_is_newer_than_this_program_is_taken() {
    let new = Login { region: "xx-north-9".into(), ..login() };
    assert_eq!(composed("{}", &new)["agent"]["region"], "xx-north-9");
}

#[test]
fn nothing_shows_the_password() {
    assert!(!format!("{:?}", login()).contains("geheim"));
}

proptest! {
    #[test]
    fn any_password_that_cognito_takes_arrives_as_it_is(password in r#"[!-~/&"\\$`é漢🦀]([ -~/&"\\$`é漢🦀]{0,40}[!-~é])?"#) {
        prop_assume!(password != "PASSWORD");
        let login = Login { password: password.clone().into(), ..login() };
        let whole = composed(r#"{"agent":{"authentication":{"password":"old"}}}"#, &login);
        prop_assert_eq!(whole["agent"]["authentication"]["password"].as_str(), Some(password.as_str()));
    }
}
