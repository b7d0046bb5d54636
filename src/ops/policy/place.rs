//! Where the resources of a policy are: partition, region and account, as far as anybody said.
use crate::config::{
    Settings,
    placeholder::{ACCOUNT, REGION},
    settings::Authentication,
};

/// What regions begin with that are not of the partition `aws`: the SDK's table of partitions.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// What the samples have in the place of an account.
const NO_ACCOUNT: &str = "000000000000";

/// What is said beside the configuration, and beats it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Given {
    pub region: Option<String>,
    /// That of the login. A role's own account stands in its ARN.
    pub account: Option<String>,
}

/// Where logs go.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Place {
    partition: String,
    region: Option<String>,
    account: Option<String>,
}

impl Given {
    /// Where logs of these settings go, with this role if there is one.
    pub(super) fn place(&self, settings: &Settings, role: Option<&str>) -> Place {
        let region = self.region.clone().or_else(|| settings.agent.region.clone());
        let configured = match &settings.agent.authentication {
            Authentication::Cognito(cognito) => Some(cognito.account_id.as_str()),
            Authentication::Chain | Authentication::Iot(_) => None,
        };
        // arn:PARTITION:iam::ACCOUNT:role/NAME
        let of_role = |at| role.and_then(|arn| arn.split(':').nth(at)).filter(|part| !part.is_empty());
        let is_account = |id: &&str| id.len() == 12 && *id != NO_ACCOUNT && id.bytes().all(|b| b.is_ascii_digit());
        let account = of_role(4).filter(is_account).map(str::to_owned);
        let account = account.or_else(|| self.account.clone()).or_else(|| {
            // The login's account is that of no role.
            configured.filter(|_| role.is_none()).filter(is_account).map(str::to_owned)
        });
        let by_region = region.as_deref().map_or("aws", partition);
        Place { partition: of_role(1).unwrap_or(by_region).to_owned(), region, account }
    }
}

impl Place {
    /// The ARN of the log group with this name.
    pub(super) fn group(&self, name: &str) -> String {
        let [region, account] = [&self.region, &self.account].map(|part| part.as_deref().unwrap_or("*"));
        format!("arn:{}:logs:{region}:{account}:log-group:{name}", self.partition)
    }

    /// Of placeholders, those that are known.
    pub(super) fn value(&self, placeholder: &str) -> Option<&str> {
        match placeholder {
            REGION => self.region.as_deref(),
            ACCOUNT => self.account.as_deref(),
            _ => None,
        }
    }

    /// What has `*` in its place, or may be another one.
    pub(super) fn unknown(&self) -> Vec<String> {
        let mut unknown = vec![];
        if self.region.is_none() {
            let partition = &self.partition;
            unknown.push(format!(
                "the region is not in the configuration: * stands for it, and `{partition}` is taken for the partition; --region names it"
            ));
        }
        if self.account.is_none() {
            unknown.push("the account is not in the configuration: * stands for it; --account-id names it".to_owned());
        }
        unknown
    }
}

/// The partition that a region is in.
fn partition(region: &str) -> &'static str {
    PARTITIONS.iter().find(|(begins, _)| region.starts_with(begins)).map_or("aws", |(_, partition)| partition)
}
