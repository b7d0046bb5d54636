//! What machines sign in to: made, repeated, changed and removed. The users are real ones, of moto; CloudFormation is a stand-in, since moto's
//! makes nothing of Cognito.
use crate::support::{
    cloudformation::CloudFormation,
    host::{GROUP, TestHost},
    moto::Moto,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, process::Output};

const STACK: &str = "amazon-cloudwatch-publisher";

/// An account, and whoever administers it.
struct Account {
    moto: Moto,
    cloudformation: CloudFormation,
    admin: TestHost,
}

impl Account {
    /// With a pool as the template has it.
    async fn with_pool() -> Self {
        let account = Self::start().await;
        let pools = r#"
users, identities = client("cognito-idp"), client("cognito-identity")
policy = {"MinimumLength": 32, "RequireUppercase": True, "RequireLowercase": True, "RequireNumbers": True, "RequireSymbols": False}
pool = users.create_user_pool(PoolName="story", Policies={"PasswordPolicy": policy})["UserPool"]["Id"]
app = users.create_user_pool_client(UserPoolId=pool, ClientName="story", ExplicitAuthFlows=[
    "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])["UserPoolClient"]["ClientId"]
provider = {"ProviderName": f"cognito-idp.us-east-1.amazonaws.com/{pool}", "ClientId": app}
identity_pool = identities.create_identity_pool(IdentityPoolName="story", AllowUnauthenticatedIdentities=False,
                                                CognitoIdentityProviders=[provider])["IdentityPoolId"]
print(json.dumps([pool, identity_pool, app]))
"#;
        let ids: Vec<String> = serde_json::from_str(&account.moto.python(pools, &[]).await).expect("JSON");
        let keys = ["UserPoolId", "IdentityPoolId", "AppClientId"];
        let mut outputs = vec![("Region", "us-east-1".to_owned()), ("AccountId", "123456789012".to_owned())];
        outputs.extend(keys.into_iter().zip(ids));
        account.cloudformation.state().outputs = outputs;
        account
    }

    async fn start() -> Self {
        let (moto, cloudformation) = (Moto::start().await, CloudFormation::start());
        let admin = TestHost::against(moto.url())
            .with_variable("AWS_ENDPOINT_URL", moto.url())
            .with_variable("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation.url());
        Self { moto, cloudformation, admin }
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.admin.run(arguments).await)
    }

    fn systems(&self, text: &str) {
        fs::write(self.admin.path("systems.txt"), text).expect("a folder that can be written");
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.cloudformation.state().calls)
    }

    /// Users of the pool with their status.
    async fn users(&self) -> Value {
        let pool = self.output("UserPoolId");
        let listed = r#"
users = client("cognito-idp").list_users(UserPoolId=sys.argv[1])["Users"]
print(json.dumps({user["Username"]: user["UserStatus"] for user in users}))
"#;
        serde_json::from_str(&self.moto.python(listed, &[&pool]).await).expect("JSON")
    }

    fn output(&self, key: &str) -> String {
        let state = self.cloudformation.state();
        state.outputs.iter().find(|(known, _)| *known == key).expect("an output").1.clone()
    }

    /// Whether somebody can sign in so.
    async fn signs_in(&self, user: &str, password: &str) -> bool {
        let app = self.output("AppClientId");
        let tried = r#"
try:
    client("cognito-idp").initiate_auth(ClientId=sys.argv[1], AuthFlow="USER_PASSWORD_AUTH",
                                        AuthParameters={"USERNAME": sys.argv[2], "PASSWORD": sys.argv[3]})
    print("yes")
except client("cognito-idp").exceptions.NotAuthorizedException:
    print("no")
"#;
        self.moto.python(tried, &[&app, user, password]).await == "yes"
    }
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// What stands behind a word that begins a line of the result.
    #[track_caller]
    fn of_line(&self, first: &str) -> String {
        let found = self.out.lines().find_map(|line| line.strip_prefix(first)?.strip_prefix([' ', ':']));
        found.unwrap_or_else(|| panic!("no line {first} in {self:?}")).trim().to_owned()
    }
}

#[tokio::test]
async fn each_new_machine_of_the_list_gets_a_password_once() {
    let account = Account::with_pool().await;
    account.systems("# machines\n\nrpi-1\nrpi-2  # in the cellar\n");
    let first = account.run(&["deploy"]).await.done();
    assert_eq!(account.calls(), ["CreateStack"]);
    assert_eq!(first.of_line("UserPoolId"), account.output("UserPoolId"));
    let (one, two) = (first.of_line("rpi-1"), first.of_line("rpi-2"));
    assert!(one.len() == 32 && two.len() == 32 && one != two, "{first:?}");
    assert!(account.signs_in("rpi-1", &one).await && account.signs_in("rpi-2", &two).await);
    assert!(!first.err.contains(&one), "a password is a result, and stands in no message: {first:?}");

    // The list has grown; who is there stays as it is.
    account.systems("rpi-1\nrpi-2\nosx-3\n");
    let second = account.run(&["deploy"]).await.done();
    assert_eq!(account.calls(), ["UpdateStack"]);
    assert!(
        second.err.contains("is up to date") && second.err.contains("1 password given, 2 there already"),
        "{second:?}"
    );
    assert!(!second.out.contains("rpi-"), "{second:?}");
    assert!(account.signs_in("osx-3", &second.of_line("osx-3")).await && account.signs_in("rpi-1", &one).await);

    // Whoever leaves the list keeps the login: users are only added.
    account.systems("osx-3\n");
    let third = account.run(&["deploy"]).await.done();
    assert!(third.err.contains("2 users are not in the list, and stay"), "{third:?}");
    let users = account.users().await;
    assert_eq!(users, json!({ "osx-3": "CONFIRMED", "rpi-1": "CONFIRMED", "rpi-2": "CONFIRMED" }));
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let account = Account::with_pool().await;
    account.cloudformation.state().throttled = 2;
    let said = account.run(&["deploy", "--log-groups", "/a/*,/b", "--namespaces", "A"]).await.done();
    let order = [
        "CREATE_IN_PROGRESS       amazon-cloudwatch-publisher (AWS::CloudFormation::Stack): User Initiated",
        "CREATE_COMPLETE          UserPool (AWS::Cognito::UserPool)",
        "CREATE_COMPLETE          amazon-cloudwatch-publisher",
    ];
    let places: Vec<_> =
        order.iter().map(|text| said.err.find(text).unwrap_or_else(|| panic!("{text} in {said:?}"))).collect();
    assert!(places.is_sorted(), "{said:?}");
    let parameters = account.cloudformation.state().stacks[STACK].parameters.clone();
    assert_eq!((parameters["LogGroups"].as_str(), parameters["Namespaces"].as_str()), ("/a/*,/b", "A"));
    // What was said once stays, where nothing else is said.
    account.run(&["deploy", "--namespaces", "B"]).await.done();
    let parameters = account.cloudformation.state().stacks[STACK].parameters.clone();
    assert_eq!((parameters["LogGroups"].as_str(), parameters["Namespaces"].as_str()), ("/a/*,/b", "B"));
}

#[tokio::test]
async fn a_stack_that_could_not_be_made_is_explained_and_made_anew_the_next_time() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\n");
    account.cloudformation.state().broken = Some(("Role", "User: x is not authorized to perform: iam:CreateRole"));
    let said = account.run(&["deploy"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    let why =
        "came to ROLLBACK_COMPLETE\n  Role (AWS::IAM::Role): User: x is not authorized to perform: iam:CreateRole";
    assert!(
        said.err.contains(why) && !said.err.split(why).nth(1).unwrap_or_default().contains("cancelled"),
        "{said:?}"
    );
    assert_eq!(account.users().await, json!({}));

    account.cloudformation.state().broken = None;
    let said = account.run(&["deploy"]).await.done();
    assert!(said.err.contains("it is removed and made anew"), "{said:?}");
    assert_eq!(account.calls(), ["CreateStack", "DeleteStack", "CreateStack"]);
    assert!(account.signs_in("rpi-1", &said.of_line("rpi-1")).await);

    // An update that fails leaves the stack as it was, and is a failure.
    account.cloudformation.state().broken = Some(("Role", "no"));
    let said = account.run(&["deploy", "--namespaces", "X"]).await;
    assert!(
        said.code == 1 && said.err.contains("came to UPDATE_ROLLBACK_COMPLETE\n  Role (AWS::IAM::Role): no"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_bad_list_is_refused_before_anything_is_made() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\nrpi 2\nnobody\n");
    let said = account.run(&["deploy"]).await;
    assert!(said.code == 1 && said.err.contains("systems.txt:2: ") && said.err.contains("systems.txt:3: "), "{said:?}");
    let said = account.run(&["deploy", "--systems", "none.txt"]).await;
    assert!(said.code == 1 && said.err.contains("cannot read the list of systems none.txt"), "{said:?}");
    account.systems("rpi-1\n");
    let said = account.run(&["deploy", "--renew", "rpi-7"]).await;
    assert!(
        said.code == 1 && said.err.contains("rpi-7, whose password is to be renewed, is not in the list"),
        "{said:?}"
    );
    fs::write(account.admin.path("template.json"), "[]").expect("writable");
    let said = account.run(&["deploy", "--configs", "out", "--template", "template.json"]).await;
    assert!(
        said.code == 1 && said.err.contains("no configuration can be made for rpi-1; nothing was done"),
        "{said:?}"
    );
    assert_eq!(account.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_plan_says_what_would_be_done_and_does_nothing() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\nrpi-2\n");
    let said = account.run(&["deploy", "--plan"]).await.done();
    assert!(
        said.out.contains("would make the stack amazon-cloudwatch-publisher in us-east-1:\n  make    UserPool"),
        "{said:?}"
    );
    assert!(said.out.contains("would give 2 passwords: rpi-1, rpi-2\n"), "{said:?}");
    assert_eq!(account.calls(), Vec::<String>::new());

    account.run(&["deploy"]).await.done();
    account.systems("rpi-1\nrpi-2\nrpi-3\n");
    account.calls();
    let said = account.run(&["deploy", "--plan"]).await.done();
    assert!(
        said.out.contains("is up to date\nwould give 1 password: rpi-3\n2 systems of the list have a login already"),
        "{said:?}"
    );
    account.cloudformation.state().changes = vec![("Modify", "UserPool", "True"), ("Add", "Extra", "")];
    let said = account.run(&["deploy", "--plan", "--json"]).await.done();
    let plan: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(
        plan["plan"]["changes"][0],
        json!({ "action": "Modify", "name": "UserPool", "type": "AWS::X::Y", "replacement": true })
    );
    assert_eq!(plan["logins"]["new"], json!(["rpi-3"]));
    let said = account.run(&["deploy", "--plan"]).await.done();
    assert!(
        said.out.contains("  change  UserPool (AWS::X::Y): MADE ANEW, the old one goes\n  make    Extra (AWS::X::Y)\n"),
        "{said:?}"
    );
    assert_eq!(account.calls(), ["CreateChangeSet", "DeleteChangeSet"].repeat(3));
    assert_eq!(account.users().await, json!({ "rpi-1": "CONFIRMED", "rpi-2": "CONFIRMED" }));
}

/// From the list to lines in CloudWatch, without a person who copies an id.
#[tokio::test]
async fn a_finished_configuration_signs_in_and_publishes() {
    let account = Account::with_pool().await;
    account.systems("sys-story\n");
    let log = account.admin.path("app.log");
    let template = json!({
        "agent": { "endpoint_override": account.moto.url(), "logfile": "", "state_folder": account.admin.path("state") },
        "logs": { "log_group_name": GROUP, "logs_collected": { "files": { "collect_list": [
            { "file_path": log, "from_beginning": true } ] } } },
    });
    fs::write(account.admin.path("template.json"), template.to_string()).expect("writable");
    let said = account.run(&["deploy", "--configs", "out", "--template", "template.json", "--json"]).await.done();
    let result: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(result["systems"], json!([{ "name": "sys-story", "config": "out/sys-story.json" }]));
    let path = account.admin.path("out/sys-story.json");
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode(path.clone()), mode(account.admin.path("out"))), (0o600, 0o700));
    let config: Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    let password = config["agent"]["authentication"]["password"].as_str().expect("a password");
    assert!(!said.err.contains(password) && !said.out.contains(password), "it stands in the file alone");

    account.admin.append("app.log", "one\ntwo\n");
    let mut command = account.admin.command([std::ffi::OsStr::new("run"), path.as_os_str(), "--once".as_ref()]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_ENDPOINT_URL");
    let ran = Said::of(command.output().await.expect("the binary can be started"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(account.moto.messages(GROUP, "app.log").await, ["one", "two"]);

    // What is there is not written over, and is found before anybody gets another password.
    let said = account.run(&["deploy", "--configs", "out", "--renew", "sys-story"]).await;
    assert!(said.code == 1 && said.err.contains("out/sys-story.json is there already"), "{said:?}");
    assert!(account.signs_in("sys-story", password).await);
    fs::remove_file(&path).expect("ours");
    account.run(&["deploy", "--configs", "out", "--renew", "sys-story"]).await.done();
    assert!(path.exists() && !account.signs_in("sys-story", password).await);
}

/// Ended between the two calls that a user takes, or by hand in the console.
#[tokio::test]
async fn a_user_without_a_password_that_holds_gets_one_the_next_time() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\n");
    let pool = account.output("UserPoolId");
    account
        .moto
        .python(r#"client("cognito-idp").admin_create_user(UserPoolId=sys.argv[1], Username="rpi-1")"#, &[&pool])
        .await;
    assert_eq!(account.users().await, json!({ "rpi-1": "FORCE_CHANGE_PASSWORD" }));
    let said = account.run(&["deploy"]).await.done();
    assert!(account.signs_in("rpi-1", &said.of_line("rpi-1")).await);
}

#[tokio::test]
async fn nothing_is_removed_before_somebody_says_so() {
    let account = Account::with_pool().await;
    let said = account.run(&["destroy"]).await.done();
    assert!(said.err.contains("there is no stack amazon-cloudwatch-publisher in us-east-1"), "{said:?}");
    account.systems("rpi-1\nrpi-2\n");
    account.run(&["deploy"]).await.done();
    account.calls();
    let said = account.run(&["destroy"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    for text in [
        "the stack amazon-cloudwatch-publisher\n",
        "UserPool (AWS::Cognito::UserPool) amazon-cloudwatch-publisher-UserPool\n",
        "2 users, who cannot sign in any more: rpi-1, rpi-2\n",
        "say --yes",
    ] {
        assert!(said.err.contains(text), "{text} in {said:?}");
    }
    assert_eq!(account.calls(), Vec::<String>::new());
    let said = account.run(&["destroy", "--yes"]).await.done();
    assert!(
        said.err.contains("DELETE_COMPLETE") && said.err.contains("the stack amazon-cloudwatch-publisher is removed"),
        "{said:?}"
    );
    assert_eq!(account.calls(), ["DeleteStack"]);
    assert!(account.cloudformation.state().stacks.values().all(|stack| stack.status == "DELETE_COMPLETE"));
}

#[tokio::test]
async fn who_may_not_and_who_is_nobody_is_told_what_to_do() {
    let account = Account::with_pool().await;
    let nobody = TestHost::against(account.moto.url()).without_keys();
    let said = Said::of(nobody.run(["deploy"]).await);
    assert!(said.code == 1 && said.err.contains("no AWS credentials were found"), "{said:?}");
    let nowhere = TestHost::against(account.moto.url()).with_variable("AWS_REGION", "");
    let said = Said::of(nowhere.run(["deploy"]).await);
    assert!(said.code == 1 && said.err.contains("no AWS region is set"), "{said:?}");
    let said = account.run(&["deploy", "--stack", "under_score"]).await;
    assert!(said.code == 2 && said.err.contains("letters, digits and hyphens"), "{said:?}");
}

mod things;
