use super::*;
use crate::aws::{
    auth::cognito::service::{IDENTITIES, POOLS, Service},
    testing::{CHILD, MARK, by_password, in_child, settings},
};
use aws_sdk_sts as sts;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// Notes the host of each request and refuses it.
#[derive(Clone, Debug, Default)]
struct Hosts(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Hosts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        self.0.lock().expect("whole").push(host);
        let status = StatusCode::try_from(400).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::empty())))
    }
}

fn base(settings: &Settings, hosts: &Hosts) -> Base {
    let connector = SharedHttpConnector::new(hosts.clone());
    Base::new(settings, Env::real(), http_client_fn(move |_, _| connector.clone()))
}

/// Where metrics, logs, user pool, identity pool and STS are asked.
async fn hosts(settings: &Settings) -> Vec<String> {
    let hosts = Hosts::default();
    let base = base(settings, &hosts);
    let keys = cloudwatch::config::Credentials::new("AKID", "secret", None, None, "test");
    let keys = cloudwatch::config::SharedCredentialsProvider::new(keys);
    let _ = base.cloudwatch(keys.clone()).await.expect("a region").put_metric_data().namespace("n").send().await;
    let _ =
        base.cloudwatchlogs(keys.clone()).await.expect("a region").create_log_group().log_group_name("g").send().await;
    let shared = base.config().await.expect("a region");
    let region = shared.region().expect("a region").to_string();
    for (kind, call) in [(&POOLS, "InitiateAuth"), (&IDENTITIES, "GetId")] {
        let service = Service::new(kind, shared, &region).expect("an endpoint");
        let _ = service.call(call, &serde_json::json!({})).await;
    }
    let with_keys = sts::config::Builder::from(shared).credentials_provider(keys).build();
    let _ = sts::Client::from_conf(with_keys).assume_role().role_arn("a").role_session_name("s").send().await;
    let hosts = hosts.0.lock().expect("whole").clone();
    assert_eq!(hosts.len(), 5, "one request each: {hosts:?}");
    hosts
}

fn plain() -> Settings {
    let mut settings = settings("", by_password());
    settings.agent.endpoints.all = None;
    settings
}

#[tokio::test]
async fn an_override_of_one_service_beats_the_one_of_all() {
    let mut settings = settings("http://all.test", by_password());
    settings.agent.endpoints.metrics = Some("http://metrics.test".to_owned());
    settings.agent.endpoints.logs = Some("http://logs.test".to_owned());
    assert_eq!(hosts(&settings).await, ["metrics.test", "logs.test", "all.test", "all.test", "all.test"]);
}

#[tokio::test]
async fn fips_and_dual_stack_of_the_configuration_reach_every_client() {
    let mut settings = plain();
    settings.agent.region = Some("us-east-1".to_owned());
    settings.agent.endpoints.fips = Some(true);
    assert!(hosts(&settings).await.iter().all(|host| host.contains("-fips.")), "{:?}", hosts(&settings).await);
    settings.agent.endpoints.fips = Some(false);
    settings.agent.endpoints.dualstack = Some(true);
    let dual = hosts(&settings).await;
    // Cognito offers none in this region, and its clients know that.
    for (host, service) in dual.iter().zip(["monitoring", "logs", "cognito-idp", "cognito-identity", "sts"]) {
        let own = if service.starts_with("cognito") { ".amazonaws.com" } else { ".api.aws" };
        assert_eq!(*host, format!("{service}.us-east-1{own}"));
    }
}

/// Runs in a process of its own, because the SDK reads the process's environment.
#[test]
fn endpoints_region_and_variants_of_the_environment_reach_every_client() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut settings = plain();
        settings.agent.region = None;
        println!("{MARK}{}", runtime.block_on(hosts(&settings)).join(","));
        return;
    }
    let services = [
        ("AWS_ENDPOINT_URL", "http://all.test"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://metrics.test"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://logs.test"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://pool.test"),
    ];
    assert_eq!(child(&services), "metrics.test,logs.test,pool.test,all.test,all.test");
    let own = "monitoring.eu-north-1.amazonaws.com,logs.eu-north-1.amazonaws.com,cognito-idp.eu-north-1.amazonaws.com,\
               cognito-identity.eu-north-1.amazonaws.com,sts.eu-north-1.amazonaws.com";
    let mut ignored = services.to_vec();
    ignored.extend([("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_REGION", "eu-north-1")]);
    assert_eq!(child(&ignored), own);
    let fips = child(&[("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_REGION", "us-east-1")]);
    assert_eq!(fips.matches("-fips.us-east-1").count(), 5, "{fips}");
    // Without any, the pool says where it is.
    assert!(child(&[]).contains("monitoring.eu-west-1."));
}

fn child(env: &[(&str, &str)]) -> String {
    in_child("aws::base::tests::endpoints_region_and_variants_of_the_environment_reach_every_client", env)
}

#[test]
fn an_iot_endpoint_says_where_it_is() {
    let region = region_of_endpoint("https://abc.credentials.iot.eu-west-1.amazonaws.com");
    assert_eq!(region, Some(Region::new("eu-west-1")));
    assert_eq!(region_of_endpoint("proxy.example.com"), None);
}

/// Counts the requests, and answers none.
#[derive(Clone, Debug, Default)]
struct Busy(Arc<AtomicUsize>);

impl HttpConnector for Busy {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        self.0.fetch_add(1, Ordering::Relaxed);
        let status = StatusCode::try_from(503).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::empty())))
    }
}

#[tokio::test(start_paused = true)]
async fn instance_metadata_is_asked_again_as_often_as_common_config_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, common) = (folder.path().join("c.json"), folder.path().join("common-config.toml"));
    std::fs::write(&config, "{}").expect("ours");
    for (text, requests) in [("", 1), ("[imds]\nimds_retries = 0", 1), ("[imds]\nimds_retries = 2", 3)] {
        std::fs::write(&common, text).expect("ours");
        crate::platform::permissions::set_mode(&common, 0o644);
        let settings = crate::config::load(&config).settings.expect("valid");
        let busy = Busy::default();
        let connector = SharedHttpConnector::new(busy.clone());
        let base = Base::new(&settings, Env::from_slice(&[]), http_client_fn(move |_, _| connector.clone()));
        base.metadata().get("/latest/meta-data/hostname").await.expect_err("busy");
        assert_eq!(busy.0.load(Ordering::Relaxed), requests, "{text}");
    }
}
