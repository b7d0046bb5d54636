//! The login by certificate: things and certificates are moto's.
use super::{Account, Said};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

const STACK: &str = "amazon-cloudwatch-publisher-iot";

/// With the policy and the alias that the template makes.
async fn account() -> Account {
    let account = Account::start().await;
    let made = r#"
iot = client("iot")
iot.create_policy(policyName=sys.argv[1], policyDocument="{}")
iot.create_role_alias(roleAlias=sys.argv[1], roleArn="arn:aws:iam::123456789012:role/story")
"#;
    account.moto.python(made, &[STACK]).await;
    let outputs = [("Region", "us-east-1"), ("AccountId", "123456789012"), ("RoleAlias", STACK), ("PolicyName", STACK)];
    account.cloudformation.state().outputs = outputs.map(|(key, value)| (key, value.to_owned())).to_vec();
    account
}

/// Each thing with its certificates, of which is told whether they hold and have the policy.
async fn things(account: &Account) -> Value {
    let listed = r#"
iot = client("iot")
attached = set(iot.list_targets_for_policy(policyName=sys.argv[1])["targets"])
found = {}
for thing in iot.list_things()["things"]:
    arns = iot.list_thing_principals(thingName=thing["thingName"])["principals"]
    states = [iot.describe_certificate(certificateId=arn.split("/")[-1])["certificateDescription"]["status"] for arn in arns]
    found[thing["thingName"]] = [[state, arn in attached] for state, arn in zip(states, arns)]
print(json.dumps({"things": found, "certificates": len(iot.list_certificates()["certificates"])}))
"#;
    serde_json::from_str(&account.moto.python(listed, &[STACK]).await).expect("JSON")
}

#[tokio::test]
async fn each_new_machine_gets_a_thing_a_certificate_and_a_configuration() {
    let account = account().await;
    account.systems("rpi-1\nosx-2\n");
    let said = account.run(&["deploy", "--iot", "--configs", "out"]).await.done();
    assert_eq!(said.of_line("rpi-1"), "out/rpi-1.json");
    assert!(said.err.contains("2 certificates given, 0 there already"), "{said:?}");
    let holds = json!([["ACTIVE", true]]);
    assert_eq!(things(&account).await, json!({ "things": { "rpi-1": holds, "osx-2": holds }, "certificates": 2 }));

    let pem = account.admin.path("out/rpi-1.pem");
    assert_eq!(fs::metadata(&pem).expect("there").permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&pem).expect("PEM");
    assert!(text.contains("BEGIN CERTIFICATE") && text.contains("PRIVATE KEY"), "both stand in one file");
    assert!(!said.out.contains("PRIVATE") && !said.err.contains("PRIVATE"));
    let config: Value =
        serde_json::from_slice(&fs::read(account.admin.path("out/rpi-1.json")).expect("there")).expect("JSON");
    let login = &config["agent"]["authentication"];
    assert_eq!((&login["thingName"], &login["roleAlias"]), (&json!("rpi-1"), &json!(STACK)));
    assert_eq!(login["certificate"], json!("/opt/aws/amazon-cloudwatch-publisher/etc/rpi-1.pem"));
    assert!(login["iotUrl"].as_str().is_some_and(|url| url.contains("credentials.iot.us-east-1")), "{login}");
    assert_eq!(config["agent"]["instance"], json!({ "prefix": "rpi", "serial": "1" }));

    // Again: nobody gets another.
    let said = account.run(&["deploy", "--iot", "--configs", "out"]).await.done();
    assert!(said.err.contains("0 certificates given, 2 there already") && !said.out.contains("rpi-1"), "{said:?}");
    assert_eq!(things(&account).await["certificates"], json!(2));
}

#[tokio::test]
async fn somebody_elses_thing_is_left_alone() {
    let account = account().await;
    account.moto.python(r#"client("iot").create_thing(thingName="rpi-2")"#, &[]).await;
    account.systems("rpi-1\nrpi-2\n");
    let said = account.run(&["deploy", "--iot", "--configs", "out"]).await;
    assert!(said.code == 1 && said.err.contains("there is a thing rpi-2 that is not of the stack"), "{said:?}");
    assert_eq!(things(&account).await, json!({ "things": { "rpi-2": [] }, "certificates": 0 }));
}

#[tokio::test]
async fn a_certificate_whose_key_cannot_be_kept_is_removed_again() {
    let account = account().await;
    account.systems("rpi-1\n");
    // The folder is full the moment the key is to be written: a folder stands where its file would.
    let said = account.run(&["deploy", "--iot", "--configs", "out", "--plan"]).await.done();
    assert!(said.out.contains("would give 1 certificate: rpi-1"), "{said:?}");
    let account = without_its_policy(account).await;
    let said = account.run(&["deploy", "--iot", "--configs", "out"]).await;
    assert!(said.code == 1 && said.err.contains("rpi-1 has no certificate; run this again"), "{said:?}");
    let left = account.moto.python(r#"print(len(client("iot").list_certificates()["certificates"]))"#, &[]).await;
    assert_eq!(left, "0", "{said:?}");
    let files: Vec<_> = fs::read_dir(account.admin.path("out")).expect("there").collect();
    assert!(files.is_empty(), "{files:?}");
    // The next run gives it one.
    account.moto.python(r#"client("iot").create_policy(policyName=sys.argv[1], policyDocument="{}")"#, &[STACK]).await;
    account.run(&["deploy", "--iot", "--configs", "out"]).await.done();
    assert_eq!(things(&account).await["things"], json!({ "rpi-1": [["ACTIVE", true]] }));
}

/// Somebody removed it behind CloudFormation's back.
async fn without_its_policy(account: Account) -> Account {
    account.moto.python(r#"client("iot").delete_policy(policyName=sys.argv[1])"#, &[STACK]).await;
    account
}

#[tokio::test]
async fn what_was_made_goes_with_the_stack_and_nothing_else() {
    let account = account().await;
    account.systems("rpi-1\nrpi-2\n");
    account.run(&["deploy", "--iot", "--configs", "out"]).await.done();
    account.moto.python(r#"client("iot").create_thing(thingName="other")"#, &[]).await;
    account.calls();
    let said = account.run(&["destroy", "--iot"]).await;
    assert!(said.code == 2 && said.err.contains("with the thing rpi-1\n"), "{said:?}");
    assert_eq!(things(&account).await["certificates"], json!(2));
    let said: Said = account.run(&["destroy", "--iot", "--yes"]).await.done();
    assert_eq!(account.calls(), ["DeleteStack"], "{said:?}");
    assert_eq!(things(&account).await, json!({ "things": { "other": [] }, "certificates": 0 }));
}
