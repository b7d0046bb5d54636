//! What only EC2's own API knows of an instance: its tags and its volumes. Two calls, of a service with seven hundred: they are made by
//! hand, in the protocol of its queries, and signed by the login itself, never by a role that is assumed for what is published.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>
//!
//! Each question is one attempt, with a second one only where the keys of the first did not hold. Whoever asks tries again.
use super::{
    auth::renewing::Renewing,
    base::Base,
    by_hand::{
        self,
        query::{self, items, parse, text},
        signed::{Caller, Kind, Question, Unanswered},
    },
    errors::{Cause, Outcome, is_denial, with_clock},
    inquiry::InquiryError,
    skew::Skews,
};
use crate::{
    config::{Severity, region},
    model::facts::Volume,
};
use roxmltree::Node;
use std::sync::Arc;

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html>
const VERSION: &str = "2016-11-15";
static EC2: Kind = Kind { id: "EC2", signing: "ec2", rule };

/// The calls, by their names in IAM. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html>
pub(super) const DESCRIBE_TAGS: &str = "ec2:DescribeTags";
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html>
pub(super) const DESCRIBE_VOLUMES: &str = "ec2:DescribeVolumes";
/// Pages of one answer. An instance has at most a hundred volumes or so, and one tag of a name: all that fits on the first.
const MOST_PAGES: usize = 10;

/// Asks EC2.
pub(super) struct Ec2 {
    caller: Caller,
}

impl Ec2 {
    pub(super) fn new(base: Arc<Base>, login: Arc<Renewing>, skews: Arc<Skews>) -> Self {
        Self { caller: Caller::new(base, login, skews) }
    }

    /// The value of this tag of an instance; `None`: it has no such tag.
    pub(super) async fn tag(&self, region: &str, instance: &str, key: &str) -> Result<Option<String>, InquiryError> {
        let filters = [("resource-type", "instance"), ("resource-id", instance), ("key", key)];
        let mut value = None;
        self.pages(DESCRIBE_TAGS, region, &filters, &mut |page| {
            let tag = items(page, "tagSet").find(|tag| text(*tag, "key") == Some(key));
            if let Some(found) = tag.and_then(|tag| text(tag, "value")) {
                value = Some(found.to_owned());
            }
        })
        .await?;
        Ok(value)
    }

    /// The volumes that are attached to an instance, by the names that they were attached by.
    pub(super) async fn volumes(&self, region: &str, instance: &str) -> Result<Vec<Volume>, InquiryError> {
        let mut volumes = vec![];
        self.pages(DESCRIBE_VOLUMES, region, &[("attachment.instance-id", instance)], &mut |page| {
            for attachment in items(page, "volumeSet").flat_map(|volume| items(volume, "attachmentSet")) {
                // A volume may be attached to more instances than this one.
                if text(attachment, "instanceId") == Some(instance)
                    && let (Some(device), Some(id)) = (text(attachment, "device"), text(attachment, "volumeId"))
                    && id.starts_with("vol-")
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                {
                    volumes.push(Volume { device: device.to_owned(), id: id.to_owned() });
                }
            }
        })
        .await?;
        Ok(volumes)
    }

    /// Ask with these filters, and hand each page of the answer on.
    async fn pages(
        &self,
        action: &'static str,
        region: &str,
        filters: &[(&str, &str)],
        take: &mut (dyn FnMut(Node<'_, '_>) + Send),
    ) -> Result<(), InquiryError> {
        let failed = |source: Cause| InquiryError::Ec2 { action, source: source.into() };
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let question = query::question(action, VERSION, members(filters, token.as_deref()));
            let answer = self.ask(region, &question).await?;
            let page = parse(&answer).map_err(|error| failed(Cause::of(&error)))?;
            take(page.root_element());
            token = text(page.root_element(), "nextToken").map(str::to_owned);
            if token.is_none() {
                return Ok(());
            }
        }
        Err(failed(Cause::new(format!("the answer does not end after {MOST_PAGES} pages"))))
    }

    async fn ask(&self, region: &str, question: &Question) -> Result<String, InquiryError> {
        let action = question.action;
        let failed = |source: Cause| InquiryError::Ec2 { action, source: source.into() };
        // It becomes a part of a host name.
        if region.is_empty() || matches!(region::fault(region), Some((Severity::Error, ..))) {
            return Err(failed(Cause::new(format!("{region:?}, which the EC2 instance metadata names, is no region"))));
        }
        self.caller.ask(&EC2, region, question, query::answer).await.map_err(|unanswered| match unanswered {
            Unanswered::Login(error) => failed(error.brief()),
            Unanswered::Nowhere(error) => failed(Cause::of(&error)),
            Unanswered::Unfit(cause) | Unanswered::Outcome(Outcome::Unreachable(cause)) => failed(cause),
            Unanswered::Outcome(Outcome::Answer(answer)) if is_denial(answer.code()) => {
                InquiryError::Denied { action, source: answer.cause().into() }
            }
            Unanswered::Outcome(Outcome::Answer(answer)) => InquiryError::Ec2 { action, source: with_clock(&answer) },
        })
    }
}

/// The rules of EC2's endpoints: as of most services, but for FIPS in GovCloud.
fn rule(region: &str, fips: bool, dualstack: bool) -> String {
    let (plain, dual) = by_hand::suffixes(region);
    let always_fips = region.starts_with("us-gov-") && !dualstack;
    let variant = if fips && !always_fips { "-fips" } else { "" };
    format!("https://ec2{variant}.{region}.{}", if dualstack { dual } else { plain })
}

/// The members of a question.
fn members(filters: &[(&str, &str)], token: Option<&str>) -> Vec<(String, String)> {
    let filters = (1..).zip(filters).flat_map(|(number, (name, value))| {
        [
            (format!("Filter.{number}.Name"), (*name).to_owned()),
            (format!("Filter.{number}.Value.1"), (*value).to_owned()),
        ]
    });
    filters.chain(token.map(|token| ("NextToken".to_owned(), token.to_owned()))).collect()
}

#[cfg(test)]
mod tests;
