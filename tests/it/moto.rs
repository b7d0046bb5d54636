//! The whole daemon against somebody else's reading of the API.
use crate::support::{
    host::{GROUP, NAMESPACE, TestHost},
    moto::Moto,
};
use serde_json::{Value, json};

/// What moto holds after the daemon has sent three lines and some metrics there.
async fn assert_arrives(moto: &Moto, host: TestHost) {
    let host = host.tail("app.log").measuring(1).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\ntwo\nthree\n");
    let mut daemon = host.start();
    daemon
        .until("lines and metrics", |status| {
            status.counter("events_delivered") >= 3 && status.counter("points_delivered") >= 26
        })
        .await;
    assert!(daemon.terminate().await.success());

    assert_eq!(moto.messages(GROUP, "app.log").await, ["one", "two", "three"]);
    let retention = r#"print(client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"])"#;
    assert_eq!(moto.python(retention, &[]).await, "7");
    let listed = r#"
metrics = client("cloudwatch").list_metrics(Namespace=sys.argv[1])["Metrics"]
# moto lists a series once for each of its datums.
series = {(m["MetricName"], *sorted(d["Name"] for d in m["Dimensions"])) for m in metrics}
print(json.dumps(sorted(series)))
"#;
    let listed: Value = serde_json::from_str(&moto.python(listed, &[NAMESPACE]).await).expect("JSON");
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 13, "{listed:?}");
    assert_eq!(listed[0], json!(["CPUCount", "Hostname", "InstanceId"]));
    let average = r#"
cloudwatch = client("cloudwatch")
metric = cloudwatch.list_metrics(Namespace=sys.argv[1], MetricName="CPUCount")["Metrics"][0]
now = datetime.datetime.now(datetime.timezone.utc)
hour = datetime.timedelta(hours=1)
points = cloudwatch.get_metric_statistics(**metric, StartTime=now - hour, EndTime=now + hour, Period=3600,
                                          Statistics=["Average"], Unit="Count")["Datapoints"]
print(points[0]["Average"])
"#;
    let cores: f64 = moto.python(average, &[NAMESPACE]).await.parse().expect("a number");
    assert!(cores >= 1.0);
}

#[tokio::test]
async fn lines_metrics_and_retention_arrive() {
    let moto = Moto::start().await;
    let host = TestHost::against(moto.url());
    assert_arrives(&moto, host).await;
}

#[tokio::test]
async fn a_cognito_user_signs_in_with_the_password() {
    let moto = Moto::start().await;
    let pools = r#"
users, identities = client("cognito-idp"), client("cognito-identity")
pool = users.create_user_pool(PoolName="story")["UserPool"]["Id"]
app = users.create_user_pool_client(UserPoolId=pool, ClientName="story", ExplicitAuthFlows=[
    "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])["UserPoolClient"]["ClientId"]
users.admin_create_user(UserPoolId=pool, Username="sys-story")
users.admin_set_user_password(UserPoolId=pool, Username="sys-story", Password=sys.argv[1], Permanent=True)
provider = {"ProviderName": f"cognito-idp.us-east-1.amazonaws.com/{pool}", "ClientId": app}
identity_pool = identities.create_identity_pool(IdentityPoolName="story", AllowUnauthenticatedIdentities=False,
                                                CognitoIdentityProviders=[provider])["IdentityPoolId"]
print(json.dumps({"accountId": "123456789012", "userPoolId": pool, "identityPoolId": identity_pool,
                  "appClientId": app, "password": sys.argv[1]}))
"#;
    let password = "A-password-of-32-characters-0000";
    let authentication: Value = serde_json::from_str(&moto.python(pools, &[password]).await).expect("JSON");
    let host = TestHost::against(moto.url()).without_keys().with("agent.authentication", authentication);
    assert_arrives(&moto, host).await;
}
