//! What the network knows of where we are: EC2's instance metadata, the region that is published to, the account of the login.
//!
//! Each question is one attempt; whoever asks tries again. Answers are checked for their form, so that nothing which a captive portal says becomes a name.
use super::{
    auth::{SignInError, renewing::Renewing},
    base::Base,
    errors::Cause,
};
use aws_config::imds;
use aws_sdk_sts as sts;
use aws_smithy_types::retry::RetryConfig;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::OnceCell, time::timeout};

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";
/// The private DNS name. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>
const HOSTNAME: &str = "/latest/meta-data/hostname";
/// For one question: the service is on the same host, or not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const STS_PATIENCE: Duration = Duration::from_secs(30);

/// What EC2 says of an instance. What it does not say, or not in its form, is not there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    pub instance_id: Option<String>,
    pub hostname: Option<String>,
    pub ip_address: Option<String>,
    pub account_id: Option<String>,
}

/// Asks.
pub struct Inquiry {
    base: Arc<Base>,
    keys: Arc<Renewing>,
    metadata: OnceCell<imds::Client>,
    sts: OnceCell<sts::Client>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    #[error("the EC2 instance metadata service does not answer; in a container its hop limit must be 2 or more")]
    Metadata(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("what answers for the EC2 instance metadata service is none")]
    Stranger,
    #[error("the region is not known")]
    Region(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("AWS STS does not say which account this is (GetCallerIdentity)")]
    Account(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Inquiry {
    pub(super) fn new(base: Arc<Base>, keys: Arc<Renewing>) -> Self {
        Self { base, keys, metadata: OnceCell::new(), sts: OnceCell::new() }
    }

    /// What the instance metadata says.
    ///
    /// # Errors
    /// When there is no such service, or something else answers for it.
    pub async fn metadata(&self) -> Result<Facts, InquiryError> {
        let client = self.metadata.get_or_init(|| async { self.base.metadata() }).await;
        let ask = |path: &'static str| async move {
            match timeout(PATIENCE, client.get(path)).await {
                Ok(answer) => answer.map_err(|error| InquiryError::Metadata(Cause::of(&error).into())),
                Err(elapsed) => Err(InquiryError::Metadata(elapsed.into())),
            }
        };
        let document = ask(DOCUMENT).await?;
        let hostname = ask(HOSTNAME).await?;
        facts(document.as_ref(), hostname.as_ref()).ok_or(InquiryError::Stranger)
    }

    /// The region that is published to: the configuration's, else that of environment, profile or instance metadata.
    ///
    /// # Errors
    /// When none of them names one.
    pub async fn region(&self) -> Result<String, InquiryError> {
        let of = |error: SignInError| InquiryError::Region(Cause::of(&error).into());
        let region = self.base.config().await.map_err(of)?.region().map(ToString::to_string);
        region.ok_or_else(|| InquiryError::Region("none is set".into()))
    }

    /// The account that logs are published to.
    ///
    /// # Errors
    /// When nobody is signed in, or STS cannot be reached.
    pub async fn account(&self) -> Result<String, InquiryError> {
        let of = |error: &(dyn std::error::Error + 'static)| InquiryError::Account(Cause::of(error).into());
        self.keys.ready().await.map_err(|error| InquiryError::Account(error.brief().into()))?;
        let make = || async {
            let config = sts::config::Builder::from(self.base.config().await?)
                .credentials_provider(Arc::clone(&self.keys).provider())
                .retry_config(RetryConfig::disabled())
                .build();
            Ok(sts::Client::from_conf(config))
        };
        let client = self.sts.get_or_try_init(make).await.map_err(|error: SignInError| of(&error))?;
        let answer = timeout(STS_PATIENCE, client.get_caller_identity().send()).await.map_err(|e| of(&e))?;
        let account = answer.map_err(|error| of(&error))?.account;
        account.filter(|id| is_account(id)).ok_or_else(|| InquiryError::Account("its answer names none".into()))
    }
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry").field("base", &self.base).finish_non_exhaustive()
    }
}

/// `None`: this is no identity document.
fn facts(document: &str, hostname: &str) -> Option<Facts> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        instance_id: String,
        #[serde(default)]
        account_id: Option<String>,
        #[serde(default)]
        private_ip: Option<String>,
    }
    let document: Document = serde_json::from_str(document).ok()?;
    let is_instance = document.instance_id.starts_with("i-") || document.instance_id.starts_with("mi-");
    // One name, as DNS has them.
    let hostname = hostname.split_whitespace().next().filter(|name| {
        name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    });
    (is_instance && document.instance_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')).then(|| {
        Facts {
            hostname: hostname.map(str::to_owned),
            ip_address: document.private_ip.filter(|ip| ip.parse::<IpAddr>().is_ok()),
            account_id: document.account_id.filter(|id| is_account(id)),
            instance_id: Some(document.instance_id),
        }
    })
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
