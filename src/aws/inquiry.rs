//! What the network knows of where we are: EC2's instance metadata, the region that is published to, the account of the login.
//!
//! Each question is one attempt; whoever asks tries again. What the identity document said does not change while this machine runs, and is
//! not asked for again. Answers are checked for their form, so that nothing which a captive portal says becomes a name.
use super::{
    auth::{SignInError, renewing::Renewing},
    base::Base,
    ec2::Ec2,
    errors::Cause,
};
use crate::{model::facts::Volume, platform};
use aws_config::imds::{self, client::error::ImdsError};
use aws_sdk_sts as sts;
use aws_smithy_types::retry::RetryConfig;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::OnceCell, time::timeout};

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";
/// The private DNS name. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>
const HOSTNAME: &str = "/latest/meta-data/hostname";
/// The keys of the instance's tags, a line each, where its owner lets the metadata show them.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html>
const TAGS: &str = "/latest/meta-data/tags/instance";
/// What Amazon EC2 Auto Scaling calls its tag. <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html>
const GROUP: &str = "aws:autoscaling:groupName";
/// Characters of a group's name. <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
const LONGEST_GROUP: usize = 255;
/// For one question: the service is on the same host, or not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const STS_PATIENCE: Duration = Duration::from_secs(30);

/// What EC2's metadata say of an instance. What they do not say, or not in its form, is not there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Metadata {
    pub instance_id: Option<String>,
    pub hostname: Option<String>,
    pub ip_address: Option<String>,
    pub account_id: Option<String>,
    pub image_id: Option<String>,
    pub instance_type: Option<String>,
    /// Where the instance is, whatever region is published to.
    pub region: Option<String>,
}

/// Asks.
pub struct Inquiry {
    base: Arc<Base>,
    keys: Arc<Renewing>,
    ec2: Ec2,
    metadata: OnceCell<imds::Client>,
    document: OnceCell<Metadata>,
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
    #[error("the login of this machine lacks the permission {action}")]
    Denied { action: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("Amazon EC2 does not answer {action}")]
    Ec2 { action: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Inquiry {
    /// `keys` sign for what is published.
    pub(super) fn new(base: Arc<Base>, keys: Arc<Renewing>, ec2: Ec2) -> Self {
        let (metadata, document, sts) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { base, keys, ec2, metadata, document, sts }
    }

    /// What the instance metadata says.
    ///
    /// # Errors
    /// When there is no such service, or something else answers for it.
    pub async fn metadata(&self) -> Result<Metadata, InquiryError> {
        let document = self.document().await?;
        let hostname = self.ask(HOSTNAME).await.map_err(unanswered)?;
        Ok(Metadata { hostname: name_of_dns(hostname.as_ref()), ..document })
    }

    /// The same without the hostname. Once answered, nobody is asked again.
    ///
    /// # Errors
    /// When there is no such service, or something else answers for it.
    pub async fn document(&self) -> Result<Metadata, InquiryError> {
        let ask = || async {
            let document = self.ask(DOCUMENT).await.map_err(unanswered)?;
            identity(document.as_ref()).ok_or(InquiryError::Stranger)
        };
        self.document.get_or_try_init(ask).await.cloned()
    }

    /// The Auto Scaling group that this instance belongs to; `None`: to none. The instance metadata says it where they may show the
    /// instance's tags, else EC2.
    ///
    /// # Errors
    /// When neither says it.
    pub async fn auto_scaling_group(&self) -> Result<Option<String>, InquiryError> {
        let group = match self.ask(TAGS).await {
            Ok(keys) if !keys.as_ref().lines().all(is_tag_key) => return Err(InquiryError::Stranger),
            Ok(keys) if !keys.as_ref().lines().any(|key| key.trim() == GROUP) => None,
            Ok(_) => {
                let path = format!("{TAGS}/{GROUP}");
                Some(self.ask(path).await.map_err(unanswered)?.as_ref().to_owned())
            }
            // They may not show them, or there are none.
            Err(Unanswered::NotThere) => {
                let (region, instance) = self.place().await?;
                self.ec2.tag(&region, &instance, GROUP).await?
            }
            Err(other) => return Err(unanswered(other)),
        };
        match group.as_deref().map(str::trim) {
            None => Ok(None),
            Some(name) if is_group(name) => Ok(Some(name.to_owned())),
            Some(_) => Err(InquiryError::Stranger),
        }
    }

    /// The volumes of Amazon EBS that are attached: as the kernel knows them, else, where its disks do not tell, as EC2 does.
    ///
    /// # Errors
    /// When neither says it.
    pub async fn volumes(&self) -> Result<Vec<Volume>, InquiryError> {
        // What the driver once read of the controllers: no disk is asked, so nothing blocks.
        let seen = platform::ebs::volumes().unwrap_or_default();
        if !seen.is_empty() {
            return Ok(seen.into_iter().map(|(device, id)| Volume { device, id }).collect());
        }
        let (region, instance) = self.place().await?;
        self.ec2.volumes(&region, &instance).await
    }

    /// Region and id of this instance.
    async fn place(&self) -> Result<(String, String), InquiryError> {
        let document = self.document().await?;
        document.region.zip(document.instance_id).ok_or(InquiryError::Stranger)
    }

    async fn ask(&self, path: impl Into<String>) -> Result<imds::client::SensitiveString, Unanswered> {
        let client = self.metadata.get_or_init(|| async { self.base.metadata() }).await;
        match timeout(PATIENCE, client.get(path)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(ImdsError::ErrorResponse(answer))) => match answer.response().status().as_u16() {
                404 => Err(Unanswered::NotThere),
                status => Err(Unanswered::Failed(Cause::new(format!("HTTP {status}")).into())),
            },
            Ok(Err(error)) => Err(Unanswered::Failed(Cause::of(&error).into())),
            Err(elapsed) => Err(Unanswered::Failed(elapsed.into())),
        }
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

/// Why the instance metadata do not say something.
enum Unanswered {
    /// They have nothing of that name.
    NotThere,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Of what they always have.
fn unanswered(why: Unanswered) -> InquiryError {
    match why {
        Unanswered::NotThere => InquiryError::Stranger,
        Unanswered::Failed(source) => InquiryError::Metadata(source),
    }
}

/// `None`: this is no identity document.
fn identity(document: &str) -> Option<Metadata> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        instance_id: String,
        #[serde(default)]
        account_id: Option<String>,
        #[serde(default)]
        private_ip: Option<String>,
        #[serde(default)]
        image_id: Option<String>,
        #[serde(default)]
        instance_type: Option<String>,
        #[serde(default)]
        region: Option<String>,
    }
    let document: Document = serde_json::from_str(document).ok()?;
    let is_instance = document.instance_id.starts_with("i-") || document.instance_id.starts_with("mi-");
    (is_instance && is_word(&document.instance_id)).then(|| Metadata {
        hostname: None,
        ip_address: document.private_ip.filter(|ip| ip.parse::<IpAddr>().is_ok()),
        account_id: document.account_id.filter(|id| is_account(id)),
        image_id: document.image_id.filter(|id| id.starts_with("ami-") && is_word(id)),
        instance_type: document.instance_type.filter(|kind| kind.contains('.') && is_word(kind)),
        region: document.region.filter(|region| is_word(region)),
        instance_id: Some(document.instance_id),
    })
}

/// One name, as DNS has them.
fn name_of_dns(text: &str) -> Option<String> {
    let is_name = |name: &&str| {
        name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    text.split_whitespace().next().filter(is_name).map(str::to_owned)
}

/// As ids, types and regions are written.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// Only with such keys the metadata show tags at all.
fn is_tag_key(line: &str) -> bool {
    line.trim().chars().all(|c| c.is_alphanumeric() || "+-=.,_:@".contains(c))
}

/// A name that can be the value of a dimension, too.
fn is_group(name: &str) -> bool {
    (1..=LONGEST_GROUP).contains(&name.len()) && name.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
