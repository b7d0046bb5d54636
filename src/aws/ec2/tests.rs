use super::*;
use crate::{
    aws::{
        auth::{SignInError, Source, cognito::Cognito, renewing::Clock},
        by_hand::{query::CONTENT_TYPE, signed},
        http,
        testing::{
            Fake, Reply, SECRET, Seen, TOKEN, assert_no_secret, by_password, cognito_answer, json, printed, reply,
            settings,
        },
        trust::Trust,
    },
    config::settings::{Authentication, Settings},
};
use aws_credential_types::Credentials;
use futures_util::future::BoxFuture;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

const INSTANCE: &str = "i-0123456789abcdef0";
const KEY: &str = "aws:autoscaling:groupName";

/// EC2 and a login.
struct World {
    fake: Fake,
    ec2: Ec2,
}

impl World {
    async fn with(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let fake =
            Fake::plain(
                move |seen| {
                    if seen.header("content-type") == CONTENT_TYPE { answer(seen) } else { cognito_answer(seen) }
                },
            )
            .await;
        let settings = settings(&fake.url, by_password());
        Self { ec2: ec2(&settings), fake }
    }

    /// What EC2 was asked.
    fn questions(&self) -> Vec<Seen> {
        self.fake.seen().into_iter().filter(|seen| seen.header("content-type") == CONTENT_TYPE).collect()
    }

    async fn tag(&self) -> Result<Option<String>, InquiryError> {
        self.ec2.tag("eu-central-1", INSTANCE, KEY).await
    }
}

fn ec2(settings: &Settings) -> Ec2 {
    let Authentication::Cognito(cognito) = &settings.agent.authentication else { unreachable!("by password") };
    let base = Arc::new(Base::new(
        settings,
        aws_types::os_shim_internal::Env::from_slice(&[]),
        http::client(Trust::System, Default::default()),
    ));
    let clock: Clock = Arc::new(SystemTime::now);
    let env = aws_types::os_shim_internal::Env::from_slice(&[]);
    let login = Cognito::new(cognito, "i", env, base.clone());
    let login = Renewing::new(login, clock.clone(), None);
    Ec2::new(base, login, Arc::new(Skews::new(clock)))
}

fn body(seen: &Seen) -> String {
    String::from_utf8(seen.body.to_vec()).expect("ASCII")
}

fn xml(body: &str) -> Reply {
    let mut reply = reply(200, "text/xml;charset=UTF-8", body.to_owned());
    reply.headers_mut().insert("x-amzn-requestid", "1".parse().expect("ASCII"));
    reply
}

fn tags(tags: &[(&str, &str)], token: &str) -> Reply {
    let items: String = tags
        .iter()
        .map(|(key, value)| {
            format!(
                "<item><resourceId>{INSTANCE}</resourceId><resourceType>instance</resourceType><key>{key}</key><value>{value}</value></item>"
            )
        })
        .collect();
    xml(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>1</requestId><tagSet>{items}</tagSet>{token}</DescribeTagsResponse>"
    ))
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>\
         </Error></Errors><RequestID>1</RequestID></Response>"
    );
    reply(status, "text/xml;charset=UTF-8", body)
}

#[tokio::test]
async fn a_tag_is_asked_for_by_its_instance_and_key_and_signed_for_the_region_of_the_instance() {
    let world = World::with(|_| tags(&[(KEY, "web &amp; db")], "")).await;
    assert_eq!(world.tag().await.expect("an answer").as_deref(), Some("web & db"));
    let questions = world.questions();
    assert_eq!(
        body(&questions[0]),
        "Action=DescribeTags&Version=2016-11-15&Filter.1.Name=resource-type&Filter.1.Value.1=instance\
         &Filter.2.Name=resource-id&Filter.2.Value.1=i-0123456789abcdef0\
         &Filter.3.Name=key&Filter.3.Value.1=aws%3Aautoscaling%3AgroupName"
    );
    let signed = questions[0].header("authorization").to_owned();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDCOGNITO/"), "{signed}");
    assert!(signed.contains("/eu-central-1/ec2/aws4_request, "), "{signed}");
    for header in ["content-type", "host", "x-amz-date", "x-amz-security-token"] {
        assert!(signed.contains(header), "{header}: {signed}");
    }
}

/// Of the bytes as they arrive: the host with its port, the path, the body.
#[tokio::test]
async fn what_is_sent_is_what_was_signed() {
    let world = World::with(|_| tags(&[], "")).await;
    world.tag().await.expect("an answer");
    let seen = world.questions().remove(0);
    let at = chrono::NaiveDateTime::parse_from_str(seen.header("x-amz-date"), "%Y%m%dT%H%M%SZ").expect("a date");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.and_utc().timestamp().unsigned_abs());
    let keys = Credentials::new("AKIDCOGNITO", SECRET, Some(TOKEN.to_owned()), None, "test");
    let url = format!("http://{}{}", seen.header("host"), seen.path);
    let question = Question {
        action: DESCRIBE_TAGS,
        method: "POST",
        path: "/".to_owned(),
        headers: vec![("content-type", CONTENT_TYPE.to_owned())],
        body: body(&seen).into(),
    };
    let again = signed::request(&EC2, "eu-central-1", &url, &question, keys, at).expect("a request");
    assert_eq!(again.headers().get("authorization"), Some(seen.header("authorization")));
}

#[tokio::test]
async fn an_instance_without_the_tag_has_none() {
    let world = World::with(|_| tags(&[("Name", "x")], "")).await;
    assert_eq!(world.tag().await.expect("an answer"), None);
}

#[tokio::test]
async fn an_answer_is_read_to_its_last_page() {
    let world = World::with(|seen| match body(seen).contains("&NextToken=a%2Fb%3D") {
        false => tags(&[], "<nextToken>a/b=</nextToken>"),
        true => tags(&[(KEY, "web")], "<nextToken/>"),
    })
    .await;
    assert_eq!(world.tag().await.expect("an answer").as_deref(), Some("web"));
    assert_eq!(world.questions().len(), 2);
}

#[tokio::test]
async fn an_answer_without_an_end_is_none() {
    let world = World::with(|_| tags(&[], "<nextToken>again</nextToken>")).await;
    let text = printed(&world.tag().await.expect_err("endless"));
    assert!(text.contains("does not end"), "{text}");
    assert_eq!(world.questions().len(), MOST_PAGES);
}

#[tokio::test]
async fn a_missing_permission_is_named_by_its_action() {
    let world = World::with(|_| refusal(403, "UnauthorizedOperation", "You are not authorized.")).await;
    let error = world.tag().await.expect_err("denied");
    assert!(matches!(error, InquiryError::Denied { action: "ec2:DescribeTags", .. }), "{error:?}");
    assert_eq!(error.to_string(), "the login of this machine lacks the permission ec2:DescribeTags");
    assert!(printed(&error).contains("UnauthorizedOperation: You are not authorized."));
    let error = world.ec2.volumes("eu-central-1", INSTANCE).await.expect_err("denied");
    assert!(matches!(error, InquiryError::Denied { action: "ec2:DescribeVolumes", .. }), "{error:?}");
}

#[tokio::test]
async fn other_refusals_and_strangers_are_no_matter_of_permissions_and_show_no_secret() {
    let endless = || xml(&format!("<DescribeTagsResponse>{}</DescribeTagsResponse>", "<a/>".repeat(60_000)));
    for (reply, words) in [
        ((|| refusal(503, "RequestLimitExceeded", "Slow down")) as fn() -> Reply, "RequestLimitExceeded: Slow down"),
        (|| refusal(400, "InvalidParameterValue", "x"), "InvalidParameterValue"),
        (|| reply(200, "text/html", "<html><body>Welcome</body></html>"), "none of EC2"),
        (|| reply(200, "text/html", "<!DOCTYPE html><p>Welcome"), "none of EC2"),
        (|| reply(200, "text/xml", "<DescribeVolumesResponse/>"), "none of EC2"),
        (|| json(503, "{}"), "503"),
    ] {
        let world = World::with(move |_| reply()).await;
        let error = world.tag().await.expect_err(words);
        assert!(matches!(error, InquiryError::Ec2 { action: "ec2:DescribeTags", .. }), "{error:?}");
        let text = printed(&error);
        assert!(text.contains(words) || words == "none of EC2", "{words}: {text}");
        assert_no_secret(&text);
    }
    let world = World::with(move |_| endless()).await;
    world.tag().await.expect_err("more than any answer has");
}

#[tokio::test]
async fn keys_that_do_not_hold_are_renewed_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let world = World::with(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => refusal(400, "AuthFailure", "not able to validate"),
        _ => tags(&[(KEY, "web")], ""),
    })
    .await;
    assert_eq!(world.tag().await.expect("at the second attempt").as_deref(), Some("web"));
    let world = World::with(|_| refusal(400, "RequestExpired", "Request has expired.")).await;
    let error = world.tag().await.expect_err("never");
    assert!(matches!(error, InquiryError::Ec2 { .. }), "{error:?}");
    assert_eq!(world.questions().len(), 2);
}

#[tokio::test]
async fn volumes_are_those_that_are_attached_to_this_instance() {
    let attachment = |instance: &str, device: &str, id: &str| {
        format!(
            "<item><volumeId>{id}</volumeId><instanceId>{instance}</instanceId><device>{device}</device><status>attached</status></item>"
        )
    };
    let both = attachment("i-other", "/dev/sdz", "vol-1") + &attachment(INSTANCE, "/dev/sdf", "vol-1");
    let root = attachment(INSTANCE, "/dev/xvda", "vol-0") + &attachment(INSTANCE, "/dev/x", "<b/>");
    let volume = |attachments: &str| {
        format!(
            "<item><volumeId>v</volumeId><attachmentSet>{attachments}</attachmentSet><tagSet><item><key>k</key></item></tagSet></item>"
        )
    };
    let answer = format!(
        "<DescribeVolumesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><volumeSet>{}{}</volumeSet>\
         </DescribeVolumesResponse>",
        volume(&both),
        volume(&root)
    );
    let world = World::with(move |_| xml(&answer)).await;
    let volumes = world.ec2.volumes("eu-central-1", INSTANCE).await.expect("an answer");
    let volumes: Vec<_> = volumes.iter().map(|volume| (volume.device.as_str(), volume.id.as_str())).collect();
    assert_eq!(volumes, [("/dev/sdf", "vol-1"), ("/dev/xvda", "vol-0")]);
    let query = body(&world.questions()[0]);
    assert!(query.ends_with("&Filter.1.Name=attachment.instance-id&Filter.1.Value.1=i-0123456789abcdef0"), "{query}");
}

#[tokio::test]
async fn what_cannot_be_a_region_becomes_no_host_name() {
    let world = World::with(|_| tags(&[], "")).await;
    for region in ["", "evil.example/", "EU-WEST-1"] {
        let error = world.ec2.tag(region, INSTANCE, KEY).await.expect_err("no region");
        assert!(printed(&error).contains("is no region"), "{error:?}");
    }
    assert_eq!(world.questions().len(), 0);
}

#[tokio::test]
async fn without_a_login_it_is_said_in_short() {
    let settings = settings("http://localhost:1", Authentication::Chain);
    let base = Arc::new(Base::new(
        &settings,
        aws_types::os_shim_internal::Env::from_slice(&[]),
        http::client(Trust::System, Default::default()),
    ));
    let clock: Clock = Arc::new(SystemTime::now);
    let failing = Renewing::new(Failing, clock.clone(), None);
    let ec2 = Ec2::new(base, failing, Arc::new(Skews::new(clock)));
    let error = ec2.tag("eu-central-1", INSTANCE, KEY).await.expect_err("nobody is signed in");
    assert!(printed(&error).contains("no AWS credentials were found"), "{error:?}");
}

/// As the SDK's own client resolves them.
#[test]
fn each_partition_and_variant_has_its_host() {
    for (region, plain, fips, dual, both) in [
        (
            "eu-west-1",
            "ec2.eu-west-1.amazonaws.com",
            "ec2-fips.eu-west-1.amazonaws.com",
            "ec2.eu-west-1.api.aws",
            "ec2-fips.eu-west-1.api.aws",
        ),
        (
            "us-gov-west-1",
            "ec2.us-gov-west-1.amazonaws.com",
            "ec2.us-gov-west-1.amazonaws.com",
            "ec2.us-gov-west-1.api.aws",
            "ec2-fips.us-gov-west-1.api.aws",
        ),
        (
            "cn-north-1",
            "ec2.cn-north-1.amazonaws.com.cn",
            "ec2-fips.cn-north-1.amazonaws.com.cn",
            "ec2.cn-north-1.api.amazonwebservices.com.cn",
            "ec2-fips.cn-north-1.api.amazonwebservices.com.cn",
        ),
    ] {
        let urls = [
            rule(region, false, false),
            rule(region, true, false),
            rule(region, false, true),
            rule(region, true, true),
        ];
        assert_eq!(urls, [plain, fips, dual, both].map(|host| format!("https://{host}")));
    }
}

/// Nobody can sign in.
struct Failing;

impl Source for Failing {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(async { Err(SignInError::NoCredentials) })
    }

    fn name(&self) -> &'static str {
        "nobody"
    }
}
