//! The command line of `config`.
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Write a finished configuration out of a template; asks for what is not given
    Create(Create),
}

/// Arguments of `config create`. The password is never one of them: everybody on the machine sees arguments.
#[derive(Args, Debug)]
#[command(
    after_help = "Each value may also be in the environment: CWPUBLISHER_REGION, CWPUBLISHER_ACCOUNT_ID, CWPUBLISHER_USER_POOL_ID, CWPUBLISHER_IDENTITY_POOL_ID, CWPUBLISHER_APP_CLIENT_ID. The password is in CWPUBLISHER_PASSWORD, in a file, or typed."
)]
pub struct Create {
    /// Where it is to stand [default: /opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json]
    pub path: Option<PathBuf>,
    /// What to start from: one of the samples, or your own
    #[arg(long, value_name = "FILE")]
    pub template: PathBuf,
    /// The region that everything goes to, like eu-west-1
    #[arg(long)]
    pub region: Option<String>,
    /// The 12 digits of the AWS account
    #[arg(long, value_name = "ID")]
    pub account_id: Option<String>,
    /// The user pool of Amazon Cognito, like eu-west-1_AbCdEf123
    #[arg(long, value_name = "ID")]
    pub user_pool_id: Option<String>,
    /// The identity pool, like eu-west-1:11111111-2222-3333-4444-555555555555
    #[arg(long, value_name = "ID")]
    pub identity_pool_id: Option<String>,
    /// The app client of the user pool
    #[arg(long, value_name = "ID")]
    pub app_client_id: Option<String>,
    /// The first line of this file is the password; it becomes part of the configuration
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The machine has AWS credentials of its own: no login, only a region
    #[arg(long, conflicts_with_all = ["account_id", "user_pool_id", "identity_pool_id", "app_client_id", "password_file"])]
    pub no_login: bool,
    /// The second half of the instance id, in place of the command of the template
    #[arg(long)]
    pub serial: Option<String>,
    /// Let this group read it [default: that of the service, for the configuration of the service]
    #[arg(long)]
    pub group: Option<String>,
    /// Replace a configuration that is there
    #[arg(long)]
    pub force: bool,
}
