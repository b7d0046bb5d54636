//! The default AWS chain: environment, profiles (also `credential_process`), web identity, container, instance metadata.
//!
//! The chain is built anew for each fetch, so that files which somebody replaced are read again.
use super::{SignInError, Source};
use crate::aws::{base::Base, errors::Cause};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

const WHO: &str = "the source of AWS credentials";

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
            let chain = config
                .credentials_provider()
                .ok_or_else(|| SignInError::NoCredentials { source: Cause::new("the chain is empty") })?;
            chain.provide_credentials().await.map_err(|e| explain(&e))
        })
    }
}

fn explain(error: &CredentialsError) -> SignInError {
    let source = Cause::of(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => SignInError::NoCredentials { source },
        CredentialsError::ProviderTimedOut(_) => SignInError::Unreachable { who: WHO, source },
        CredentialsError::InvalidConfiguration(_) => SignInError::Refused {
            advice: "the AWS profile or environment cannot be used to sign in: correct it".to_owned(),
            source,
        },
        CredentialsError::ProviderError(_) => SignInError::Failed { who: WHO, source },
        // The enum is open: a cause that we do not know is nobody's fault yet.
        _ => SignInError::Failed { who: WHO, source },
    }
}
