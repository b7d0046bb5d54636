//! Arguments of `iam-policy`.
use crate::config::{Severity, region};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `iam-policy`.
#[derive(Args, Debug)]
pub struct IamPolicy {
    /// The configurations, files or folders of files; several come to one policy that is enough for each [default: /opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json]
    pub configs: Vec<PathBuf>,
    /// The region that is published to [default: the configuration's, else any]
    #[arg(long, value_parser = parse_region)]
    pub region: Option<String>,
    /// The account of the login [default: the configuration's, else any]
    #[arg(long, value_name = "ID", value_parser = parse_account)]
    pub account_id: Option<String>,
    /// Whose policy, where roles are assumed: that of the login, or of the role with this ARN [default: all, in one object]
    #[arg(long, value_name = "login|ARN")]
    pub role: Option<String>,
}

/// The name of a region, known or not.
fn parse_region(text: &str) -> Result<String, String> {
    match region::fault(text) {
        Some((Severity::Error, why, _)) => Err(why.to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// The number of an account.
fn parse_account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err("the id of an account has 12 digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_accounts_are_looked_at_before_they_stand_in_a_policy() {
        assert_eq!(parse_region("eu-west-1").as_deref(), Ok("eu-west-1"));
        assert_eq!(parse_region("xx-nowhere-1").as_deref(), Ok("xx-nowhere-1"), "a new one");
        assert!(parse_region("*").is_err() && parse_region("EU").is_err());
        assert_eq!(parse_account("111122223333").as_deref(), Ok("111122223333"));
        assert!(["", "1", "11112222333a", "1111222233334"].iter().all(|text| parse_account(text).is_err()));
    }
}
