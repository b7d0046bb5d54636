use super::*;
use crate::aws::{
    auth::cognito::Cognito,
    testing::{
        Fake, PASSWORD, Reply, Seen, assert_no_secret, by_password, cognito_answer, error, json, printed, reply,
        settings,
    },
};
use crate::config::settings::Authentication;

/// An administrator who is signed in, and a service.
struct World {
    fake: Fake,
    admin: Admin,
}

impl World {
    async fn with(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let of_the_login = ["InitiateAuth", "GetId", "GetCredentialsForIdentity"];
        let fake = Fake::plain(
            move |seen| {
                if of_the_login.contains(&seen.action()) { cognito_answer(seen) } else { answer(seen) }
            },
        )
        .await;
        let settings = settings(&fake.url, by_password());
        let Authentication::Cognito(cognito) = &settings.agent.authentication else { unreachable!("by password") };
        let env = Env::from_slice(&[]);
        let base = Arc::new(Base::new(&settings, env.clone(), http::client(Trust::System, Ways::default())));
        let clock: Clock = Arc::new(SystemTime::now);
        let login = Renewing::new(Cognito::new(cognito, "i", env, Arc::clone(&base)), Arc::clone(&clock), None);
        let caller = Caller::new(base, login, Arc::new(Skews::new(clock)));
        Self { admin: Admin { caller, region: "eu-west-1".to_owned() }, fake }
    }

    /// What was asked beside the login.
    fn asked(&self) -> Vec<Seen> {
        self.fake.seen().split_off(3)
    }
}

fn xml(status: u16, body: &str) -> Reply {
    reply(status, "text/xml", body.to_owned())
}

fn refusal(code: &str, message: &str) -> Reply {
    xml(400, &format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"))
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_no_failure_and_any_other_refusal_is() {
    let world = World::with(|_| refusal("ValidationError", "Stack with id x does not exist")).await;
    assert_eq!(world.admin.stack("x").await.expect("an answer"), None);
    let world = World::with(|_| refusal("ValidationError", "1 validation error detected")).await;
    let error = world.admin.stack("x").await.expect_err("refused");
    assert!(error.is("ValidationError") && printed(&error).contains("1 validation error detected"), "{error:?}");
    let world = World::with(|_| refusal("AccessDenied", "User: arn is not authorized")).await;
    let error = world.admin.stack("x").await.expect_err("refused");
    assert!(
        printed(&error).contains("cloudformation:DescribeStacks is not allowed: give whoever runs this command"),
        "{error}"
    );
    assert_eq!(world.asked().len(), 1, "to ask again does not help");
}

#[tokio::test]
async fn each_service_is_asked_in_its_own_way_and_signed_by_its_own_name() {
    let world = World::with(|seen| if seen.path == "/" { json(200, r#"{"Users":[]}"#) } else { json(200, "{}") }).await;
    world.admin.users("eu-west-1_Pool").await.expect("an answer");
    world.admin.attach_principal("a:b", "arn:aws:iot:x").await.expect("an answer");
    world.admin.policy_targets("p").await.expect("an answer");
    let asked = world.asked();
    assert_eq!(asked[0].header("x-amz-target"), "AWSCognitoIdentityProviderService.ListUsers");
    assert!(asked[0].header("authorization").contains("/eu-west-1/cognito-idp/aws4_request"));
    assert_eq!(
        (asked[1].path.as_str(), asked[1].header("x-amzn-principal")),
        ("/things/a%3Ab/principals", "arn:aws:iot:x")
    );
    let signed = asked[1].header("authorization");
    assert!(signed.contains("/eu-west-1/iot/aws4_request") && signed.contains("x-amzn-principal"), "{signed}");
    assert_eq!(asked[2].path, "/policy-targets/p");
}

#[tokio::test]
async fn the_last_page_of_users_ends_the_list() {
    let world = World::with(|seen| match seen.json().get("PaginationToken") {
        None => json(200, r#"{"Users":[{"Username":"a","UserStatus":"CONFIRMED"}],"PaginationToken":"t/1="}"#),
        Some(token) if token == "t/1=" => {
            json(200, r#"{"Users":[{"Username":"b","UserStatus":"FORCE_CHANGE_PASSWORD"}]}"#)
        }
        Some(other) => error(400, "InvalidParameterException", &other.to_string()),
    })
    .await;
    let names: Vec<_> = world.admin.users("p").await.expect("an answer").into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["a", "b"]);
}

/// What is asked twice makes two, and nobody has the key of the first.
#[tokio::test]
async fn keys_are_not_asked_for_again_when_nobody_knows_what_became_of_the_call() {
    let world = World::with(|_| json(500, r#"{"__type":"InternalFailureException"}"#)).await;
    assert!(world.admin.create_keys().await.is_err());
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn what_refuses_a_password_does_not_repeat_it() {
    let world = World::with(|seen| {
        let password = seen.json()["Password"].as_str().unwrap_or_default().to_owned();
        error(400, "InvalidPasswordException", &format!("{password} is too short"))
    })
    .await;
    let refused = world.admin.set_password("p", "u", &PASSWORD.into()).await.expect_err("refused");
    let text = printed(&refused);
    assert!(text.contains("*** is too short"), "{text}");
    assert_no_secret(&text);
}

#[tokio::test]
async fn keys_are_never_printed() {
    let body =
        r#"{"certificateArn":"arn:c","certificatePem":"PEM","keyPair":{"PrivateKey":"seKretSessionTokenOfTheTests"}}"#;
    let world = World::with(move |_| json(200, body)).await;
    let keys = world.admin.create_keys().await.expect("keys");
    assert_eq!((keys.arn.as_str(), keys.certificate.as_str()), ("arn:c", "PEM"));
    assert_no_secret(&format!("{keys:?}"));
    let world = World::with(|_| json(200, r#"{"certificateArn":"arn:c","certificatePem":"PEM"}"#)).await;
    let error = world.admin.create_keys().await.expect_err("a part is missing");
    assert!(printed(&error).contains("lacks the certificate, its key or its ARN"), "{error:?}");
}

#[tokio::test]
async fn events_come_from_the_oldest_to_the_newest_and_end_at_the_one_that_is_known() {
    let event = |id: u32| {
        format!(
            "<member><EventId>{id}</EventId><Timestamp>t</Timestamp><LogicalResourceId>a</LogicalResourceId><ResourceType>b</ResourceType><ResourceStatus>c</ResourceStatus></member>"
        )
    };
    let page = |events: String, token: &str| {
        xml(
            200,
            &format!(
                "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>{events}</StackEvents>{token}</DescribeStackEventsResult></DescribeStackEventsResponse>"
            ),
        )
    };
    let world = World::with(move |seen| match String::from_utf8_lossy(&seen.body).contains("&NextToken=2") {
        false => page(format!("{}{}", event(4), event(3)), "<NextToken>2</NextToken>"),
        true => page(format!("{}{}", event(2), event(1)), ""),
    })
    .await;
    let ids = async |since| {
        let events = world.admin.events("s", since).await.expect("an answer");
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None).await, ["1", "2", "3", "4"]);
    assert_eq!(ids(Some("2")).await, ["3", "4"]);
    let before = world.asked().len();
    assert_eq!(ids(Some("4")).await, Vec::<String>::new());
    assert_eq!(world.asked().len(), before + 1, "what is known is not asked for again");
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_failure() {
    let world = World::with(|_| refusal("ValidationError", "No updates are to be performed.")).await;
    let request = StackRequest { name: "s", template: "t", parameters: &[], token: "k" };
    assert!(!world.admin.update_stack(&request).await.expect("an answer"));
    let body = String::from_utf8(world.asked()[0].body.to_vec()).expect("ASCII");
    assert_eq!(
        body,
        "Action=UpdateStack&Version=2010-05-15&StackName=s&TemplateBody=t&Capabilities.member.1=CAPABILITY_IAM&ClientRequestToken=k"
    );
}
