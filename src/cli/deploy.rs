//! `deploy` and `destroy`: what is accepted.
use clap::Args;
use std::path::PathBuf;

/// Which stack, and where.
#[derive(Args, Debug)]
pub struct Place {
    /// The login by certificates of AWS IoT instead of passwords
    #[arg(long)]
    pub iot: bool,
    /// The CloudFormation stack [default: amazon-cloudwatch-publisher, with --iot amazon-cloudwatch-publisher-iot]
    #[arg(long, value_name = "NAME", value_parser = parse_stack)]
    pub stack: Option<String>,
    /// The AWS region [default: that of the environment or the AWS profile]
    #[arg(long)]
    pub region: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `deploy`.
#[derive(Args, Debug)]
pub struct Deploy {
    #[command(flatten)]
    pub place: Place,
    /// The list of machines, an instance id (PREFIX-SERIAL) on each line [default: systems.txt, where there is one]
    #[arg(long, value_name = "FILE")]
    pub systems: Option<PathBuf>,
    /// The log groups that machines may write to, with commas between and * for any text [default: /system/*, or as it was]
    #[arg(long, value_name = "NAMES", value_parser = parse_groups)]
    pub log_groups: Option<String>,
    /// The namespaces that machines may publish to, with commas between and * for any text [default: System/*, or as it was]
    #[arg(long, value_name = "NAMES", value_parser = parse_namespaces)]
    pub namespaces: Option<String>,
    /// Write a finished configuration for each new machine into this folder, instead of printing its password; --iot needs it
    #[arg(long, value_name = "DIR")]
    pub configs: Option<PathBuf>,
    /// What the finished configurations are made of [default: the sample that fits the machine's prefix]
    #[arg(long, value_name = "CONFIG", requires = "configs")]
    pub template: Option<PathBuf>,
    /// Give this machine of the list a new password, though it has one; may be given several times
    #[arg(long, value_name = "SYSTEM", conflicts_with = "iot")]
    pub renew: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    pub plan: bool,
}

/// Arguments of `destroy`.
#[derive(Args, Debug)]
pub struct Destroy {
    #[command(flatten)]
    pub place: Place,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Names of log groups, as the templates take them: with `*`, and with variables of IAM.
fn parse_groups(text: &str) -> Result<String, String> {
    let fits =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._/#*?${}:".contains(c));
    let why = "names of log groups have letters, digits and - _ . / #, with * for any text and commas between: /system/*,/app";
    if text.split(',').all(fits) { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

/// Namespaces, likewise. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
fn parse_namespaces(text: &str) -> Result<String, String> {
    let fits = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_graphic()) && !name.contains(|c: char| c == ':' || c.is_control())
    };
    let why =
        "namespaces do not begin with a blank and have no colon, with * for any text and commas between: System/*,App";
    if text.split(',').all(fits) { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

/// The name of a stack: <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>
fn parse_stack(text: &str) -> Result<String, String> {
    let fits = text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let why = "a stack's name begins with a letter and is made of letters, digits and hyphens, at most 128";
    if fits { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_machines_may_write_to_is_looked_at_before_aws_is_asked() {
        for good in ["/system/*", "/a,/b/*", "/system/*/${credentials-iot:ThingName}"] {
            assert_eq!(parse_groups(good).as_deref(), Ok(good));
        }
        for bad in ["", " ", "/a,", "/x/\"*", "$(id)", "a b"] {
            assert!(parse_groups(bad).is_err(), "{bad}");
        }
        assert!(parse_namespaces("System/*,My App").is_ok());
        for bad in ["", " A", "A,,B", "A:B", "A\n"] {
            assert!(parse_namespaces(bad).is_err(), "{bad}");
        }
        assert!(parse_stack("a-1").is_ok() && parse_stack("1a").is_err() && parse_stack("a_b").is_err());
    }
}
