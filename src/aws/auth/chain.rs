//! The default AWS chain: environment, profiles (also `credential_process`), web identity, container, instance metadata.
//!
//! The chain is built anew for each fetch, so that files which somebody replaced are read again.
//!
//! A command of the profile (`credential_process`) is started by the SDK, which neither ends it nor hands it to us. One that hangs
//! is therefore waited for by the next fetches, too: no second one is started beside it. It outlives us where it never ends.
use super::{SignInError, Source, keys::Unfit};
use crate::aws::{
    base::Base,
    errors::{Cause, find},
    profile,
    way::Blocked,
};
use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_types::os_shim_internal::Env;
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

const WHO: &str = "the source of AWS credentials";
/// Instance metadata is turned off, or not for this process.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
const FORBIDDEN: u16 = 403;

/// How long one fetch waits: less than a login may take, so that it can say what it waits for.
const PATIENCE: Duration = Duration::from_secs(40);

pub(in crate::aws) struct Chain {
    base: Arc<Base>,
    /// Whose command has not ended yet.
    unfinished: Mutex<Option<Fetch>>,
}

type Fetch = BoxFuture<'static, Result<Credentials, SignInError>>;

impl Chain {
    pub(in crate::aws) fn new(base: Arc<Base>) -> Self {
        Self { base, unfinished: Mutex::default() }
    }
}

impl Source for Chain {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(one_at_a_time(
            &self.unfinished,
            || Box::pin(fetch(Arc::clone(&self.base))),
            || profile::names_a_command(&Env::real()),
        ))
    }

    fn name(&self) -> &'static str {
        WHO
    }
}

async fn fetch(base: Arc<Base>) -> Result<Credentials, SignInError> {
    let config = base.with_chain().await?;
    let chain = config.credentials_provider().ok_or(SignInError::NoCredentials)?;
    chain.provide_credentials().await.map_err(|e| explain(&e))
}

/// The outcome of the fetch that is not finished, or of a new one. What may have started a command is not forgotten before it ends,
/// even where whoever asked stops waiting.
async fn one_at_a_time(
    unfinished: &Mutex<Option<Fetch>>,
    begin: impl FnOnce() -> Fetch + Send,
    runs_a_command: impl FnOnce() -> bool + Send,
) -> Result<Credentials, SignInError> {
    let mut place = unfinished.lock().await;
    let fetch = place.get_or_insert_with(begin);
    if let Ok(outcome) = timeout(PATIENCE, fetch).await {
        *place = None;
        return outcome;
    }
    if runs_a_command() {
        return Err(SignInError::Unusable {
            advice: format!(
                "the credential_process of the AWS profile did not end within {} seconds, and no other is started beside it: \
                 end it, and correct the command",
                PATIENCE.as_secs()
            ),
        });
    }
    *place = None;
    Err(SignInError::TooSlow { limit: PATIENCE })
}

fn explain(error: &CredentialsError) -> SignInError {
    if let Some(unfit) = find::<Unfit>(error) {
        return unfit.clone().into();
    }
    let source = Cause::of(error);
    match error {
        // What each link of the chain says about not being set up helps nobody.
        CredentialsError::CredentialsNotLoaded(_) => SignInError::NoCredentials,
        CredentialsError::ProviderTimedOut(_) => SignInError::Unreachable { who: WHO, source },
        CredentialsError::InvalidConfiguration(_) => SignInError::Refused {
            advice: "the AWS profile or environment cannot be used to sign in: correct it".to_owned(),
            source,
        },
        _ if is_closed(error) => SignInError::NoCredentials,
        _ if find::<Blocked>(error).is_some() => SignInError::Unreachable { who: WHO, source },
        CredentialsError::ProviderError(_) => SignInError::Failed { who: WHO, source },
        // The enum is open: a cause that we do not know is nobody's fault yet.
        _ => SignInError::Failed { who: WHO, source },
    }
}

/// Whether instance metadata, the last link of the chain, is not for us: it refuses, or nobody answers there. Then nothing is
/// broken, there are only no credentials.
fn is_closed(error: &CredentialsError) -> bool {
    let token = find::<SdkError<TokenError, HttpResponse>>(error);
    match find(error) {
        Some(ImdsError::ErrorResponse(answer)) => answer.response().status().as_u16() == FORBIDDEN,
        Some(ImdsError::FailedToLoadToken(_)) => match token {
            Some(SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) => true,
            Some(other) => other.raw_response().is_some_and(|answer| answer.status().as_u16() == FORBIDDEN),
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{
            http,
            testing::{CHILD, Fake, MARK, assert_no_secret, closed, in_child, printed, reply, settings},
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
            assert!(
                error.to_string().contains("credential_process of the AWS profile did not end within 40"),
                "{error}"
            );
        }
        // Whoever asks may stop waiting.
        timeout(Duration::from_secs(1), one_at_a_time(&unfinished, begin, || true)).await.expect_err("given up");
        one_at_a_time(&unfinished, begin, || true).await.expect("it ended");
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        one_at_a_time(&unfinished, begin, || false).await.expect_err("too slow");
        one_at_a_time(&unfinished, begin, || false).await.expect_err("too slow");
        assert_eq!(begun.load(Ordering::Relaxed), 3, "what is no command begins anew");
    }

    /// In a child: what the chain finds, before and after its file was replaced.
    async fn found() -> String {
        let mut settings = settings("http://localhost:1", Authentication::Chain);
        settings.agent.region = None;
        let base = Base::new(&settings, http::client(Trust::System, Ways::default()));
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
        assert!(
            in_child(name, &[quiet]).starts_with("no AWS region is set, so AWS was not contacted: set agent.region")
        );
        let region = ("AWS_REGION", "eu-west-1");
        let nothing = in_child(name, &[quiet, region]);
        assert!(nothing.starts_with("no AWS credentials were found") && !nothing.contains("provider"), "{nothing}");
        let keys = [quiet, region, ("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert_eq!(in_child(name, &keys), "AKIDENV,AKIDENV");
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
        let endless = in_child(name, &[keys[0], keys[1], keys[2], ("AWS_CONFIG_FILE", "/dev/zero")]);
        assert_eq!(endless, "cannot read /dev/zero,cannot read /dev/zero");
        let role = "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n[base]\n\
                    aws_access_key_id = AK\u{1}ID\naws_secret_access_key = secret\n";
        std::fs::write(file.path(), role).expect("writable");
        let profile = ("AWS_SHARED_CREDENTIALS_FILE", file.path().to_str().expect("UTF-8"));
        let unfit = in_child(name, &[keys[2], profile]);
        assert!(unfit.starts_with("the access key id that the AWS profile gives holds a character"), "{unfit}");
    }
}
