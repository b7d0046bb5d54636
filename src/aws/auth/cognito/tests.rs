use super::*;
use crate::{
    aws::{
        auth::Source,
        base::Base,
        http,
        testing::{
            Fake, ID_TOKEN, PASSWORD, REFRESH, Reply, SECRET, Seen, TOKEN, assert_no_secret, cognito_answer, error,
            json, pools, printed, settings,
        },
        trust::Trust,
        way::Ways,
    },
    config::settings::Authentication,
};
use serde_json::json as value;
use std::sync::atomic::{AtomicBool, Ordering};

fn cognito_with(url: &str, password: Password, env: &[(&str, &str)]) -> Cognito {
    let pools = pools(password);
    let settings = settings(url, Authentication::Cognito(pools.clone()));
    let base = Base::new(&settings, Env::from_slice(&[]), http::client(Trust::System, Ways::default()));
    Cognito::new(&pools, "sys-0001", Env::from_slice(env), Arc::new(base))
}

fn cognito(url: &str) -> Cognito {
    cognito_with(url, Password::Inline(PASSWORD.into()), &[])
}

async fn refused(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> String {
    let fake = Fake::plain(answer).await;
    let error = cognito(&fake.url).fetch().await.expect_err("refused");
    assert!(!error.passes(), "{error}");
    let text = printed(&error);
    assert_no_secret(&text);
    text
}

#[tokio::test]
async fn the_password_leads_to_credentials_and_the_next_login_takes_the_refresh_token() {
    let fake = Fake::plain(cognito_answer).await;
    let cognito = cognito(&fake.url);
    let credentials = cognito.fetch().await.expect("signed in");
    assert_eq!(credentials.access_key_id(), "AKIDCOGNITO");
    assert_eq!(credentials.secret_access_key(), SECRET);
    assert_eq!(credentials.session_token(), Some(TOKEN));
    assert_eq!(credentials.expiry(), Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000)));
    cognito.fetch().await.expect("signed in again");

    let seen = fake.seen();
    let steps = ["InitiateAuth", "GetId", "GetCredentialsForIdentity", "InitiateAuth", "GetCredentialsForIdentity"];
    assert_eq!(fake.actions(), steps);
    let login = value!({ "USERNAME": "sys-0001", "PASSWORD": PASSWORD });
    assert_eq!(seen[0].json()["AuthFlow"], "USER_PASSWORD_AUTH");
    assert_eq!(seen[0].json()["AuthParameters"], login);
    assert_eq!(seen[0].json()["ClientId"], "client");
    let logins = value!({ "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool": ID_TOKEN });
    assert_eq!(
        seen[1].json(),
        value!({ "AccountId": "123456789012", "IdentityPoolId": "eu-west-1:pool", "Logins": logins })
    );
    assert_eq!(seen[2].json(), value!({ "IdentityId": "eu-west-1:me", "Logins": logins }));
    assert_eq!(seen[3].json()["AuthFlow"], "REFRESH_TOKEN_AUTH");
    assert_eq!(seen[3].json()["AuthParameters"], value!({ "REFRESH_TOKEN": REFRESH }));
    assert!(seen.iter().all(|request| request.header("authorization").is_empty()), "nothing is signed");
}

#[tokio::test]
async fn a_refused_refresh_token_falls_back_to_the_password() {
    let fake = Fake::plain(|seen| {
        let refresh = seen.action() == "InitiateAuth" && seen.json()["AuthFlow"] == "REFRESH_TOKEN_AUTH";
        if refresh { error(400, "NotAuthorizedException", "Refresh Token has expired") } else { cognito_answer(seen) }
    })
    .await;
    let cognito = cognito(&fake.url);
    cognito.fetch().await.expect("signed in");
    cognito.fetch().await.expect("signed in again");
    let flows: Vec<_> =
        fake.seen().iter().filter(|s| s.action() == "InitiateAuth").map(|s| s.json()["AuthFlow"].clone()).collect();
    assert_eq!(flows, ["USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH", "USER_PASSWORD_AUTH"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_name_the_user_to_make() {
    for (code, message) in [
        ("NotAuthorizedException", "Incorrect username or password."),
        ("UserNotFoundException", "User does not exist."),
    ] {
        let text = refused(move |_| error(400, code, message)).await;
        assert!(text.contains("make this user in the user pool eu-west-1_Pool") && text.contains(message), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_password_is_told_without_it() {
    let message = format!("Incorrect password {PASSWORD} for sys-0001.");
    let text = refused(move |_| error(400, "NotAuthorizedException", &message)).await;
    assert!(text.contains("Incorrect password *** for sys-0001."), "{text}");
}

#[tokio::test]
async fn an_answer_that_repeats_the_id_token_is_told_without_it() {
    for step in ["GetId", "GetCredentialsForIdentity"] {
        let echo = move |code: &'static str, status| {
            move |seen: &Seen| match seen.action() {
                action if action == step => {
                    let sent = &seen.json()["Logins"]["cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"];
                    assert_eq!(sent, ID_TOKEN);
                    error(status, code, &format!("Invalid login token {ID_TOKEN} for eu-west-1:pool."))
                }
                _ => cognito_answer(seen),
            }
        };
        let text = refused(echo("NotAuthorizedException", 400)).await;
        assert!(text.contains("Invalid login token *** for eu-west-1:pool."), "{step}: {text}");
        let fake = Fake::plain(echo("InternalErrorException", 500)).await;
        let text = printed(&cognito(&fake.url).fetch().await.expect_err("failing"));
        assert_no_secret(&text);
        assert!(text.contains("Invalid login token *** for"), "{step}: {text}");
    }
}

#[tokio::test]
async fn a_temporary_password_and_other_challenges_are_explained() {
    let temporary = refused(|_| json(200, r#"{"ChallengeName":"NEW_PASSWORD_REQUIRED","Session":"s"}"#)).await;
    assert!(temporary.contains("the password of sys-0001 is only a temporary one"), "{temporary}");
    let other = refused(|_| json(200, r#"{"ChallengeName":"SMS_MFA","Session":"s"}"#)).await;
    assert!(other.contains("SMS_MFA"), "{other}");
}

#[tokio::test]
async fn missing_pools_and_wrong_wiring_name_the_key_to_correct() {
    let pool = refused(|_| error(400, "ResourceNotFoundException", "User pool client client does not exist.")).await;
    assert!(pool.contains("appClientId") && pool.contains("eu-west-1_Pool"), "{pool}");
    let identity = refused(|seen| match seen.action() {
        "GetId" => error(400, "ResourceNotFoundException", "IdentityPool not found"),
        _ => cognito_answer(seen),
    })
    .await;
    assert!(identity.contains("identityPoolId"), "{identity}");
    let wiring = refused(|seen| match seen.action() {
        "GetId" => error(400, "NotAuthorizedException", "Token is not from a supported provider"),
        _ => cognito_answer(seen),
    })
    .await;
    assert!(wiring.contains("authentication provider"), "{wiring}");
}

#[tokio::test]
async fn a_deleted_identity_is_asked_for_again() {
    let deleted = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&deleted);
    let fake = Fake::plain(move |seen| match seen.action() {
        "GetCredentialsForIdentity" if gone.swap(false, Ordering::Relaxed) => {
            error(400, "ResourceNotFoundException", "Identity not found")
        }
        _ => cognito_answer(seen),
    })
    .await;
    let cognito = cognito(&fake.url);
    cognito.fetch().await.expect("signed in");
    deleted.store(true, Ordering::Relaxed);
    cognito.fetch().await.expect_err("the identity is gone");
    cognito.fetch().await.expect("with a new identity");
    assert_eq!(fake.actions().iter().filter(|action| *action == "GetId").count(), 2);
}

#[tokio::test]
async fn trouble_on_the_other_side_is_not_blamed_on_the_password() {
    for reply in [|| error(500, "InternalErrorException", "oops"), || error(400, "TooManyRequestsException", "slow")] {
        let fake = Fake::plain(move |_| reply()).await;
        let error = cognito(&fake.url).fetch().await.expect_err("failing");
        assert!(error.passes(), "{error}");
    }
    let error = cognito("http://127.0.0.1:1").fetch().await.expect_err("nobody there");
    assert_eq!(error.to_string(), "the Cognito user pool could not be reached");
}

#[tokio::test]
async fn the_password_file_is_read_at_each_login_and_the_variable_serves_without_one() {
    let fake = Fake::plain(|seen| match seen.action() {
        "InitiateAuth" => json(200, &value!({ "AuthenticationResult": { "IdToken": ID_TOKEN } }).to_string()),
        _ => cognito_answer(seen),
    })
    .await;
    let file = tempfile::NamedTempFile::new().expect("temporary");
    let cognito = cognito_with(&fake.url, Password::File(file.path().to_path_buf()), &[]);
    let empty = cognito.fetch().await.expect_err("empty");
    let why = std::error::Error::source(&empty).expect("a reason").to_string();
    assert!(why.contains("first line is empty"), "{why}");
    for password in ["first", "second"] {
        std::fs::write(file.path(), format!("{password}\n# a note\n")).expect("writable");
        cognito.fetch().await.expect("signed in");
    }
    let gone = cognito_with(&fake.url, Password::File("/nowhere/password".into()), &[]);
    assert_eq!(gone.fetch().await.expect_err("missing").to_string(), "cannot read /nowhere/password");
    let variable = cognito_with(&fake.url, Password::Environment, &[(PASSWORD_VARIABLE, "third")]);
    variable.fetch().await.expect("signed in");
    let none = cognito_with(&fake.url, Password::Environment, &[]).fetch().await.expect_err("no password");
    assert!(none.to_string().contains(PASSWORD_VARIABLE), "{none}");
    let used: Vec<_> = fake
        .seen()
        .iter()
        .filter(|seen| seen.action() == "InitiateAuth")
        .map(|seen| seen.json()["AuthParameters"]["PASSWORD"].clone())
        .collect();
    assert_eq!(used, ["first", "second", "third"]);
}

#[test]
fn each_partition_has_its_own_issuer_and_pools_say_where_they_are() {
    assert_eq!(issuer("eu-west-1", "p"), "cognito-idp.eu-west-1.amazonaws.com/p");
    assert_eq!(issuer("cn-north-1", "p"), "cognito-idp.cn-north-1.amazonaws.com.cn/p");
    assert_eq!(issuer("us-gov-west-1", "p"), "cognito-idp.us-gov-west-1.amazonaws.com/p");
    assert_eq!(issuer("us-isob-east-1", "p"), "cognito-idp.us-isob-east-1.sc2s.sgov.gov/p");
    assert_eq!(region_of("eu-west-1_AbC", '_'), Some(Region::new("eu-west-1")));
    assert_eq!(region_of("pool", '_'), None);
    assert_eq!(region_of("My Pool_1", '_'), None);
}
