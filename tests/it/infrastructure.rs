//! The templates of infrastructure/: that CloudFormation would take them, and that they allow no more than is meant.
use crate::support::{
    iam::{self, Asked},
    moto::{self, Moto},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The templates, and regions that differ in what they have or in the partition that they are in. Where one is missing there is no
/// service for it: China has no user pools.
const TEMPLATES: [(&str, &[&str]); 3] = [
    ("cognito.yaml", &["us-east-1", "eu-central-1", "us-gov-west-1", "us-gov-east-1", "eusc-de-east-1"]),
    ("iot.yaml", &["us-east-1", "eu-central-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1"]),
    ("records.yaml", &["us-east-1", "eu-central-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "us-iso-east-1"]),
];

fn path(template: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("infrastructure").join(template)
}

/// What CloudFormation's linter says of a template in these regions, down to its hints; empty when it has nothing to say.
async fn findings(template: &Path, regions: &[&str]) -> String {
    let mut command = Command::new(moto::interpreter());
    command.args(["-c", "from cfnlint.runner import main; main()", "--include-checks", "I", "--regions"]).args(regions);
    let output = command.arg("--template").arg(template).output().await.expect("the interpreter can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

/// A template as a tree, with its functions in their long form.
async fn template(name: &str) -> Value {
    let script = "import json, sys; from cfnlint.decode import decode; print(json.dumps(decode(sys.argv[1])[0]))";
    let output = Command::new(moto::interpreter()).args(["-c", script]).arg(path(name)).output().await;
    serde_json::from_slice(&output.expect("the interpreter can be started").stdout).expect("JSON")
}

/// The properties of a resource.
async fn properties(name: &str, resource: &str) -> Value {
    template(name).await["Resources"][resource]["Properties"].take()
}

/// Every statement of every policy in a tree.
fn statements(tree: &Value, found: &mut Vec<Value>) {
    match tree {
        Value::Object(members) => {
            if members.contains_key("Effect") {
                found.push(tree.clone());
            }
            members.values().for_each(|inner| statements(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| statements(inner, found)),
        // A policy that is written as text.
        Value::String(text) if text.contains("\"Effect\"") => {
            statements(&serde_json::from_str(text).expect("a policy is JSON"), found);
        }
        _ => {}
    }
}

async fn statements_of(name: &str) -> Vec<Value> {
    let mut found = vec![];
    statements(&template(name).await, &mut found);
    assert!(found.len() >= 3, "{found:?}");
    found
}

#[tokio::test]
async fn the_linter_of_cloudformation_has_nothing_to_say() {
    for (name, regions) in TEMPLATES {
        assert_eq!(findings(&path(name), regions).await, "", "{name}");
    }
}

#[tokio::test]
async fn the_linter_is_asked_in_a_way_in_which_it_says_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.yaml");
    let text = std::fs::read_to_string(path("records.yaml")).expect("the checkout");
    std::fs::write(&wrong, text.replace("PAY_PER_REQUEST", "PAY_PER_GUESS")).expect("our folder");
    assert!(findings(&wrong, &["us-east-1"]).await.contains("PAY_PER_GUESS"));
    assert!(findings(&path("cognito.yaml"), &["cn-north-1"]).await.contains("AWS::Cognito::UserPool"));
}

#[tokio::test]
async fn whatever_is_allowed_names_its_actions_its_resources_and_who() {
    for (name, _) in TEMPLATES {
        for statement in statements_of(name).await {
            let allowed = statement["Effect"] == "Allow";
            let actions = iam::texts(&statement["Action"]);
            assert!(!allowed || actions.iter().all(|action| !action.contains('*')), "{name}: {statement:#}");
            assert!(!allowed || statement["Principal"] != "*", "{name}: {statement:#}");
            for never in ["NotAction", "NotResource", "NotPrincipal"] {
                assert!(statement.get(never).is_none(), "{name}: {statement:#}");
            }
            // A role says who may assume it, and which one of those that the service stands for.
            assert!(
                !allowed || statement["Principal"].is_null() || statement["Condition"].is_object(),
                "{name}: {statement:#}"
            );
            if allowed && statement["Resource"] == "*" {
                assert_eq!(actions, ["cloudwatch:PutMetricData"], "{name}");
                let namespaces = &statement["Condition"]["StringLike"]["cloudwatch:namespace"];
                assert_eq!(*namespaces, json!({ "Ref": "Namespaces" }), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn both_ways_to_sign_in_allow_the_same() {
    let [cognito, iot] = [properties("cognito.yaml", "Role").await, properties("iot.yaml", "Role").await];
    assert_eq!(cognito["Policies"], iot["Policies"]);
    for name in ["cognito.yaml", "iot.yaml"] {
        let parameters = &template(name).await["Parameters"];
        assert_eq!(
            (&parameters["LogGroups"]["Default"], &parameters["Namespaces"]["Default"]),
            (&json!("/system/*"), &json!("System/*"))
        );
    }
}

#[tokio::test]
async fn nobody_signs_up_and_nobody_is_let_in_who_did_not_sign_in() {
    let pool = properties("cognito.yaml", "UserPool").await;
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    assert_eq!(pool["MfaConfiguration"], "OFF");
    // What `deploy` makes: 32 characters, letters in both cases and digits.
    let passwords = &pool["Policies"]["PasswordPolicy"];
    assert_eq!((&passwords["MinimumLength"], &passwords["RequireSymbols"]), (&json!(32), &json!(false)));
    let client = properties("cognito.yaml", "AppClient").await;
    assert_eq!(client["GenerateSecret"], false);
    assert_eq!(client["ExplicitAuthFlows"], json!(["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]));
    assert_eq!(client["PreventUserExistenceErrors"], "ENABLED");
    let identities = properties("cognito.yaml", "IdentityPool").await;
    assert_eq!(identities["AllowUnauthenticatedIdentities"], false);
    assert_eq!(identities["CognitoIdentityProviders"][0]["ServerSideTokenCheck"], true);
    assert_eq!(identities["CognitoIdentityProviders"].as_array().map(Vec::len), Some(1));
    let roles = properties("cognito.yaml", "RoleAttachment").await;
    assert_eq!(
        roles["Roles"].as_object().map(|roles| roles.keys().collect::<Vec<_>>()),
        Some(vec![&"authenticated".to_owned()])
    );
    let trust = properties("cognito.yaml", "Role").await["AssumeRolePolicyDocument"].take();
    let mut found = vec![];
    statements(&trust, &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["Action"], "sts:AssumeRoleWithWebIdentity");
    assert_eq!(found[0]["Condition"]["StringEquals"], json!({ "${Service}:aud": "${IdentityPool}" }));
    assert_eq!(found[0]["Condition"]["ForAnyValue:StringLike"], json!({ "${Service}:amr": "authenticated" }));
}

#[tokio::test]
async fn the_outputs_are_what_a_configuration_needs() {
    for (name, wanted) in [
        ("cognito.yaml", &["Region", "AccountId", "UserPoolId", "IdentityPoolId", "AppClientId", "RoleName"][..]),
        ("iot.yaml", &["Region", "AccountId", "RoleAlias", "PolicyName", "RoleName"]),
        ("records.yaml", &["Region", "BucketName", "Prefix", "TableName", "PolicyArn"]),
    ] {
        let tree = template(name).await;
        let outputs: Vec<_> = tree["Outputs"].as_object().expect("outputs").keys().collect();
        assert!(
            wanted.len() == outputs.len() && wanted.iter().all(|key| outputs.iter().any(|o| o == key)),
            "{outputs:?}"
        );
    }
}

/// Makes a stack out of a template, with these parameters, and returns its outputs.
const DEPLOY: &str = r#"
def deploy(name, stack, **parameters):
    cloud = client("cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    with open(os.path.join(sys.argv[1], name)) as template:
        cloud.create_stack(StackName=stack, TemplateBody=template.read(), Parameters=given, Capabilities=["CAPABILITY_IAM"])
    made = cloud.describe_stacks(StackName=stack)["Stacks"][0]
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}

def written(policy):
    # moto keeps some policies as Python writes them.
    import ast
    return ast.literal_eval(policy) if isinstance(policy, str) else policy
"#;

async fn deployed(moto: &Moto, snippet: &str) -> Value {
    let folder = path("");
    let printed = moto.python(&format!("{DEPLOY}\n{snippet}"), &[folder.to_str().expect("UTF-8")]).await;
    serde_json::from_str(&printed).expect("JSON")
}

#[tokio::test]
async fn two_stacks_of_iot_stand_side_by_side_and_allow_their_own_groups() {
    let moto = Moto::start().await;
    let snippet = r#"
first = deploy("iot.yaml", "one", LogGroups="/system/*,/own/x", Namespaces="System/*,Own")
second = deploy("iot.yaml", "two", LogGroups="/two/${credentials-iot:ThingName}", Namespaces="Two")
iam, iot = client("iam"), client("iot")
def role(name):
    policy = written(iam.get_role_policy(RoleName=name, PolicyName="publish")["PolicyDocument"])
    return {"trust": iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"], "policy": policy}
print(json.dumps({
    "first": first, "second": second, "roles": [role(first["RoleName"]), role(second["RoleName"])],
    "alias": iot.describe_role_alias(roleAlias="one")["roleAliasDescription"]["roleArn"],
    "certificates": written(iot.get_policy(policyName="two")["policyDocument"]),
}))
"#;
    let made = deployed(&moto, snippet).await;
    assert_eq!((&made["first"]["RoleAlias"], &made["first"]["PolicyName"]), (&json!("one"), &json!("one")));
    assert_ne!(made["first"]["RoleName"], made["second"]["RoleName"]);
    let role = made["first"]["RoleName"].as_str().expect("a name");
    assert!(made["alias"].as_str().is_some_and(|arn| arn.ends_with(&format!(":role/{role}"))), "{}", made["alias"]);
    let alias = "arn:aws:iot:us-east-1:123456789012:rolealias/two";
    assert_eq!(made["certificates"]["Statement"][0]["Resource"], alias);
    assert_eq!(made["roles"][1]["trust"]["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"], alias);

    let policy = &made["roles"][0]["policy"];
    let group = |action: &str, region: &str, group: &str| {
        let resource = format!("arn:aws:logs:{region}:123456789012:log-group:{group}:log-stream:");
        !iam::allowing(policy, &Asked::new(action, &resource).with("aws:RequestedRegion", region)).is_empty()
    };
    for action in ["logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup", "logs:PutRetentionPolicy"] {
        assert!(group(action, "us-east-1", "/system/rpi/rpi-1") && group(action, "us-east-1", "/own/x"), "{action}");
        assert!(!group(action, "us-east-1", "/own/xy") && !group(action, "us-east-1", "/aws/lambda/x"), "{action}");
        assert!(!group(action, "eu-west-1", "/own/x"), "{action} elsewhere");
    }
    assert!(group("logs:DescribeLogGroups", "us-east-1", "") && !group("logs:DeleteLogGroup", "us-east-1", "/own/x"));
    let metric = |namespace: &str| {
        let asked = Asked::new("cloudwatch:PutMetricData", "*").with("cloudwatch:namespace", namespace);
        !iam::allowing(policy, &asked.with("aws:RequestedRegion", "us-east-1")).is_empty()
    };
    assert!(metric("System/IoTDevice") && metric("Own") && !metric("AWS/EC2") && !metric("Owner"));
    let own = &made["roles"][1]["policy"]["Statement"][1]["Resource"];
    assert_eq!(*own, json!(["arn:*:logs:*:*:log-group:/two/${credentials-iot:ThingName}:*"]));
}

#[tokio::test]
async fn records_go_to_a_closed_bucket_and_a_table_that_outlive_the_stack() {
    let moto = Moto::start().await;
    let snippet = r#"
iam, s3, dynamodb = client("iam"), client("s3"), client("dynamodb")
trust = {"Version": "2012-10-17", "Statement": []}
iam.create_role(RoleName="publishers", AssumeRolePolicyDocument=json.dumps(trust))
made = deploy("records.yaml", "records", RoleName="publishers", KeepDays="30", Prefix="a/b/")
bucket, table = made["BucketName"], dynamodb.describe_table(TableName=made["TableName"])["Table"]
attached = iam.list_attached_role_policies(RoleName="publishers")["AttachedPolicies"]
policy = iam.get_policy_version(PolicyArn=made["PolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
print(json.dumps({
    "bucket": bucket, "table": table["TableArn"], "keys": table["KeySchema"], "billing": table["BillingModeSummary"]["BillingMode"],
    "attached": [policy["PolicyArn"] for policy in attached] == [made["PolicyArn"]],
    "policy": written(policy),
    "encrypted": s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0],
}))
"#;
    let made = deployed(&moto, snippet).await;
    assert_eq!(made["attached"], true);
    let bucket = made["bucket"].as_str().expect("a name");
    let put = |key: &str| Asked::new("s3:PutObject", &format!("arn:aws:s3:::{bucket}/{key}"));
    let may = |asked: &Asked| !iam::allowing(&made["policy"], asked).is_empty();
    assert!(may(&put("a/b/x.json")) && !may(&put("c.json")));
    assert!(may(&Asked::new("dynamodb:PutItem", made["table"].as_str().expect("an ARN"))));
    assert_eq!(iam::promises(&made["policy"]).len(), 2, "nothing is read, listed or deleted");
    assert_eq!(made["encrypted"]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256");
    assert_eq!(made["billing"], "PAY_PER_REQUEST");
    assert_eq!(made["keys"].as_array().map(Vec::len), Some(2));

    // What moto does not make.
    let tree = template("records.yaml").await;
    for kept in ["Bucket", "Table"] {
        let resource = &tree["Resources"][kept];
        assert_eq!(
            (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain"))
        );
    }
    let bucket = &tree["Resources"]["Bucket"]["Properties"];
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    let closed = &bucket["PublicAccessBlockConfiguration"];
    assert!(closed.as_object().is_some_and(|closed| closed.len() == 4 && closed.values().all(|on| *on == json!(true))));
    let refused = &tree["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
    assert_eq!(
        (&refused["Effect"], &refused["Condition"]["Bool"]),
        (&json!("Deny"), &json!({ "aws:SecureTransport": "false" }))
    );
    let table = &tree["Resources"]["Table"]["Properties"];
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["TimeToLiveSpecification"]["Enabled"], true);
}
