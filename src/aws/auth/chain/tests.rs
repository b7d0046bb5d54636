use super::*;
use crate::{
    aws::{
        http,
        testing::{CHILD, Fake, MARK, assert_no_secret, closed, in_child, json, printed, reply, settings},
        trust::Trust,
        way::Ways,
    },
    config::settings::Authentication,
};
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_waited_for_and_no_other_is_started_beside_it() {
    let (unfinished, begun) = (Mutex::default(), AtomicUsize::new(0));
    let begin = || -> Fetch {
        begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            tokio::time::sleep(PATIENCE * 5 / 2).await;
            Ok(Credentials::new("AKID", "secret", None, None, "test"))
        })
    };
    for _ in 0..2 {
        let error = one_at_a_time(&unfinished, begin, || true).await.expect_err("it runs");
        assert!(error.to_string().contains("credential_process of the AWS profile did not end within 40"), "{error}");
    }
    // Whoever asks may stop waiting.
    timeout(Duration::from_secs(1), one_at_a_time(&unfinished, begin, || true)).await.expect_err("given up");
    one_at_a_time(&unfinished, begin, || true).await.expect("it ended");
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    one_at_a_time(&unfinished, begin, || false).await.expect_err("too slow");
    one_at_a_time(&unfinished, begin, || false).await.expect_err("too slow");
    assert_eq!(begun.load(Ordering::Relaxed), 3, "what is no command begins anew");
}

/// Keys of an instance's role, as its metadata gives them.
const METADATA: &str = r#"{ "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "AKIDROLE", "SecretAccessKey": "secret", "Token": "t",
    "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2096-01-01T00:00:00Z" }"#;

/// In a child: what the chain finds, before and after its file was replaced.
async fn found() -> String {
    let mut settings = settings("http://localhost:1", Authentication::Chain);
    settings.agent.region = None;
    let base = Base::new(&settings, Env::real(), http::client(Trust::System, Ways::default()));
    let chain = Chain::new(Arc::new(base));
    let mut found = Vec::new();
    for _ in 0..2 {
        match chain.fetch().await {
            Ok(credentials) => found.push(credentials.access_key_id().to_owned()),
            Err(e) => {
                assert_no_secret(&printed(&e));
                found.push(e.to_string());
            }
        }
        if let Ok(file) = std::env::var("AWS_SHARED_CREDENTIALS_FILE") {
            // Only where a test put one.
            if let Ok(text) = std::fs::read_to_string(&file) {
                std::fs::write(file, text.replace("AKIDONE", "AKIDTWO")).expect("writable");
            }
        }
    }
    found.join(",")
}

#[test]
fn the_default_chain_reads_its_files_at_each_login_and_says_what_is_missing() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        println!("{MARK}{}", runtime.block_on(found()));
        return;
    }
    let name = "aws::auth::chain::tests::the_default_chain_reads_its_files_at_each_login_and_says_what_is_missing";
    let quiet = ("AWS_EC2_METADATA_DISABLED", "true");
    assert!(in_child(name, &[quiet]).starts_with("no AWS region is set, so AWS was not contacted: set agent.region"));
    let region = ("AWS_REGION", "eu-west-1");
    let nothing = in_child(name, &[quiet, region]);
    assert!(nothing.starts_with("no AWS credentials were found") && !nothing.contains("provider"), "{nothing}");
    let misspelt = in_child(name, &[quiet, region, ("AWS_PROFILE", "prodd")]);
    assert!(
        misspelt.contains("the profile `prodd` (AWS_PROFILE) of ") && misspelt.contains("credentials"),
        "{misspelt}"
    );
    let keys = [quiet, region, ("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    assert_eq!(in_child(name, &keys), "AKIDENV,AKIDENV");
    let half = in_child(name, &keys[..3]);
    assert!(half.contains("AWS_ACCESS_KEY_ID is set in the environment, and AWS_SECRET_ACCESS_KEY is not"), "{half}");
    let file = tempfile::NamedTempFile::new().expect("temporary");
    let text = "[default]\naws_access_key_id = AKIDONE\naws_secret_access_key = secret\n";
    std::fs::write(file.path(), text).expect("writable");
    let profile = ("AWS_SHARED_CREDENTIALS_FILE", file.path().to_str().expect("UTF-8"));
    assert_eq!(in_child(name, &[quiet, region, profile]), "AKIDONE,AKIDTWO");

    let metadata = move |url: &str| in_child(name, &[region, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let forbidden = runtime.block_on(async {
        let fake = Fake::plain(|_| reply(403, "text/plain", "")).await;
        let url = fake.url.clone();
        let text = tokio::task::spawn_blocking(move || metadata(&url)).await.expect("no panic");
        assert!(!fake.seen().is_empty());
        text
    });
    assert_eq!(forbidden, nothing, "metadata that is not for us is as good as none");
    let role = |name: &'static str| {
        runtime.block_on(async {
            let fake = Fake::plain(move |seen| match seen.path.rsplit_once("/meta-data/iam/security-credentials/") {
                None => {
                    let mut token = reply(200, "text/plain", "token");
                    token.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", "60".parse().expect("a value"));
                    token
                }
                Some((_, "")) => reply(200, "text/plain", name),
                Some((_, "instance-role")) => json(200, METADATA),
                Some(_) => reply(404, "text/plain", ""),
            })
            .await;
            let url = fake.url.clone();
            tokio::task::spawn_blocking(move || metadata(&url)).await.expect("no panic")
        })
    };
    assert_eq!(role("instance-role\n"), "AKIDROLE,AKIDROLE");
    for stranger in ["<html>", "two\nroles", "a role", ""] {
        let said = role(stranger);
        assert!(said.starts_with("the source of AWS credentials failed on its side"), "{stranger:?}: {said}");
    }
    let (closed, _held) = closed();
    let closed = format!("http://{closed}");
    assert_eq!(metadata(&closed), nothing);
    let container = in_child(name, &[quiet, region, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &closed)]);
    assert!(container.starts_with("the source of AWS credentials could not be reached"), "{container}");
}

#[test]
fn settings_that_other_aws_tools_know_or_nobody_knows_do_not_matter() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        println!("{MARK}{}", runtime.block_on(found()));
        return;
    }
    let name = "aws::auth::chain::tests::settings_that_other_aws_tools_know_or_nobody_knows_do_not_matter";
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "eu-west-1")];
    let file = tempfile::NamedTempFile::new().expect("temporary");
    std::fs::write(file.path(), "[default]\nretry_mode = legacy\nmax_attempts = 0\n").expect("writable");
    for odd in [
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "-3"),
        ("AWS_CONFIG_FILE", file.path().to_str().expect("UTF-8")),
        ("AWS_USE_FIPS_ENDPOINT", "maybe"),
        ("AWS_SDK_UA_APP_ID", "a\nb"),
    ] {
        assert_eq!(in_child(name, &[keys[0], keys[1], keys[2], odd]), "AKIDENV,AKIDENV", "{odd:?}");
    }
    let half = in_child(name, &[keys[2], ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "localhost:1")]);
    assert!(half.starts_with("AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL"), "{half}");
    let endless = in_child(name, &[keys[0], keys[1], keys[2], ("AWS_CONFIG_FILE", "/dev/zero")]);
    assert_eq!(endless, "cannot read /dev/zero,cannot read /dev/zero");
    let role = "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n[base]\n\
                aws_access_key_id = AK\u{1}ID\naws_secret_access_key = secret\n";
    std::fs::write(file.path(), role).expect("writable");
    let profile = ("AWS_SHARED_CREDENTIALS_FILE", file.path().to_str().expect("UTF-8"));
    let unfit = in_child(name, &[keys[2], profile]);
    assert!(unfit.starts_with("the access key id that the AWS profile gives holds a character"), "{unfit}");
}
