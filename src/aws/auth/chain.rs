//! The default AWS chain: environment, profiles (also `credential_process`), web identity, container, instance metadata.
//!
//! The chain is built anew for each fetch, so that files which somebody replaced are read again.
use super::{SignInError, Source};
use crate::aws::{
    base::Base,
    errors::{Cause, find},
    way::Blocked,
};
use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use futures_util::future::BoxFuture;
use std::sync::Arc;

const WHO: &str = "the source of AWS credentials";
/// Instance metadata is turned off, or not for this process.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
const FORBIDDEN: u16 = 403;

pub(in crate::aws) struct Chain {
    base: Arc<Base>,
}

impl Chain {
    pub(in crate::aws) fn new(base: Arc<Base>) -> Self {
        Self { base }
    }
}

impl Source for Chain {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(async move {
            let config = self.base.with_chain().await?;
            let chain = config.credentials_provider().ok_or(SignInError::NoCredentials)?;
            chain.provide_credentials().await.map_err(|e| explain(&e))
        })
    }
}

fn explain(error: &CredentialsError) -> SignInError {
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
}
