//! `credentials.role_arn`: another role, assumed with the credentials of the base login.
use super::{SignInError, Source, renewing::Renewing};
use crate::aws::base::Base;
use aws_credential_types::Credentials;
use aws_sdk_sts as sts;
use aws_smithy_types::retry::RetryConfig;
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::SystemTime};
use tokio::sync::OnceCell;

const WHO: &str = "AWS STS";
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>: 2 to 64 of `[\w+=,.@-]`.
const SESSION_NAME: std::ops::RangeInclusive<usize> = 2..=64;

pub(in crate::aws) struct Role {
    arn: String,
    session: String,
    base: Arc<Base>,
    /// Who may assume the role.
    login: Arc<Renewing>,
    client: OnceCell<sts::Client>,
}

impl Role {
    pub(in crate::aws) fn new(arn: &str, instance_id: &str, base: Arc<Base>, login: Arc<Renewing>) -> Self {
        Self { arn: arn.to_owned(), session: session_name(instance_id), base, login, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&sts::Client, SignInError> {
        self.client
            .get_or_try_init(|| async {
                let config = sts::config::Builder::from(self.base.config().await?)
                    .credentials_provider(Arc::clone(&self.login).provider())
                    .retry_config(RetryConfig::disabled())
                    .build();
                Ok(sts::Client::from_conf(config))
            })
            .await
    }

    async fn assume(&self) -> Result<Credentials, SignInError> {
        self.login.ready().await?;
        let call = self.client().await?.assume_role().role_arn(&self.arn).role_session_name(&self.session);
        let answer = call.send().await.map_err(|e| {
            SignInError::of_call(WHO, &e, |_| {
                format!(
                    "the role {} may not be assumed: the login needs sts:AssumeRole for it, and the role's trust policy \
                     must name the login",
                    self.arn
                )
            })
        })?;
        let unusable = || SignInError::Unusable { advice: "AWS STS answered without usable credentials".to_owned() };
        let given = answer.credentials.ok_or_else(unusable)?;
        let expiry = SystemTime::try_from(given.expiration).map_err(|_| unusable())?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "AssumeRole",
        ))
    }
}

impl Source for Role {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(async move {
            match self.assume().await {
                Err(SignInError::Stale { .. }) if self.login.renew().await.is_ok() => self.assume().await,
                other => other,
            }
        })
    }

    fn name(&self) -> &'static str {
        WHO
    }
}

/// The instance id as STS takes it.
fn session_name(instance_id: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' };
    let mut name: String = instance_id.chars().map(allowed).take(*SESSION_NAME.end()).collect();
    while name.len() < *SESSION_NAME.start() {
        name.push('-');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::session_name;

    #[test]
    fn a_session_name_is_made_of_what_sts_takes() {
        assert_eq!(session_name("rpi-0000/ä b"), "rpi-0000---b");
        assert_eq!(session_name(""), "--");
        assert_eq!(session_name(&"x".repeat(100)).len(), 64);
    }
}
