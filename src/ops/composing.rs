//! A finished configuration out of a template: one of `configs/`, or somebody's own.
//!
//! A pure function: it reads and writes no file and looks at nothing of this host. What it puts in is refused where it cannot be right, so
//! that nobody installs a configuration that can never sign in; whether the rest of the template is sound says [`crate::config::load`]. All
//! that is not put in stays as it was written: keys in their order, numbers digit by digit. Only the layout is made anew.
//!
//! To put in another value: a field of its struct, a check in `values`, and a line in [`written`].
mod layout;
pub mod values;

use crate::config;
use layout::{Faulty, Members, members};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::{RawValue, to_raw_value};

/// What a machine signs in with through Amazon Cognito. The user name is its instance id.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where everything is sent: `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// `eu-west-1_AbCdEf123`.
    pub user_pool_id: String,
    /// `eu-west-1:11111111-2222-3333-4444-555555555555`.
    pub identity_pool_id: String,
    pub app_client_id: String,
    pub password: SecretString,
}

/// What a machine signs in with through AWS IoT.
#[derive(Clone, Debug)]
pub struct Device {
    /// Where everything is sent.
    pub region: String,
    /// The host name of the account's credentials provider.
    pub iot_url: String,
    pub role_alias: String,
    pub thing_name: String,
    /// On the machine: a file with both the certificate and its key.
    pub certificate: String,
}

/// How a machine comes to its credentials.
#[derive(Clone, Copy)]
enum Way<'a> {
    Password(&'a Login),
    Certificate(&'a Device),
    /// It has its own.
    Own,
}

/// What a machine is called: `PREFIX-SERIAL`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    pub prefix: String,
    pub serial: String,
}

/// Why there is no configuration. No message repeats a password.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("the template is no JSON: line {line}, column {column}: {why}")]
    NotJson { line: usize, column: usize, why: &'static str },
    #[error("{part} of the template must be an object, {{ ... }}; it is {found}")]
    NotAnObject { part: &'static str, found: &'static str },
    #[error("the key `{key}` stands twice in {part} of the template; remove one of the two")]
    Twice { part: &'static str, key: String },
    #[error("the template has more than {} levels, which no configuration has", layout::DEEPEST)]
    TooDeep,
    #[error(
        "the template is written in the CloudWatch Agent's way, and with a login or a name of its own it would be read in the publisher's: other metrics, \
         other defaults; take a template in the publisher's way, or say in `metrics.metrics_collected` what to measure"
    )]
    OtherDialect,
    #[error("the {what} {why}")]
    Unfit {
        /// As people call it: `region`, `user pool's id`.
        what: &'static str,
        why: String,
    },
}

/// The configuration of a machine that signs in through Cognito: the template with `agent.region`, `agent.authentication` and, where it is
/// given, `agent.instance`. Another way to sign in that the template has gives place. Pretty JSON with a line end; it holds the password.
///
/// # Errors
/// When the template is no object, or a value cannot be right.
pub fn compose(template: &str, login: &Login, instance: Option<&Instance>) -> Result<String, ComposeError> {
    values::check(login)?;
    written(template, &login.region, Way::Password(login), instance)
}

/// The configuration of a machine that signs in through AWS IoT: likewise. The key of the certificate is not in it.
///
/// # Errors
/// As for [`compose`].
pub fn compose_device(template: &str, device: &Device, instance: Option<&Instance>) -> Result<String, ComposeError> {
    values::check_region(&device.region)?;
    written(template, &device.region, Way::Certificate(device), instance)
}

/// The configuration of a machine that has credentials of its own, as EC2 gives them: the template without `agent.authentication`.
///
/// # Errors
/// As for [`compose`].
pub fn compose_without_login(
    template: &str,
    region: &str,
    instance: Option<&Instance>,
) -> Result<String, ComposeError> {
    values::check_region(region)?;
    written(template, region, Way::Own, instance)
}

/// The sample of `configs/` that fits machines of this prefix.
pub fn sample(prefix: &str) -> &'static str {
    match prefix {
        "osx" => include_str!("../../configs/amazon-cloudwatch-publisher-osx.json"),
        "rpi" => include_str!("../../configs/amazon-cloudwatch-publisher-rpi.json"),
        "win" => include_str!("../../configs/amazon-cloudwatch-publisher-windows.json"),
        _ => include_str!("../../configs/amazon-cloudwatch-publisher-linux.json"),
    }
}

/// The prefix that the template has for the instance id.
pub fn prefix(template: &str) -> Option<String> {
    let template: serde_json::Value = serde_json::from_str(without_mark(template)).ok()?;
    template["agent"]["instance"]["prefix"].as_str().map(str::to_owned)
}

fn written(template: &str, region: &str, way: Way<'_>, instance: Option<&Instance>) -> Result<String, ComposeError> {
    const AGENT: &str = "the section `agent`";
    let template = without_mark(template);
    let whole: Box<RawValue> = serde_json::from_str(template).map_err(|error| layout::not_json(&error))?;
    let mut root = object("the whole", Some(&whole))?;
    let mut agent = object(AGENT, root.get("agent"))?;
    if let Some(instance) = instance {
        values::check_instance(instance)?;
        let mut section = object("`agent.instance`", agent.get("instance"))?;
        section.remove(&["command"]);
        section.set("prefix", text(&instance.prefix));
        section.set("serial", text(&instance.serial));
        agent.set("instance", section.into_raw());
    }
    match way {
        Way::Password(login) => {
            let mut section = object("`agent.authentication`", agent.get("authentication"))?;
            section.remove(&["passwordFile", "certificate", "iotUrl", "roleAlias", "thingName"]);
            section.set("accountId", text(&login.account_id));
            section.set("userPoolId", text(&login.user_pool_id));
            section.set("identityPoolId", text(&login.identity_pool_id));
            section.set("appClientId", text(&login.app_client_id));
            section.set("password", text(login.password.expose_secret()));
            agent.set("authentication", section.into_raw());
        }
        Way::Certificate(device) => {
            let mut section = object("`agent.authentication`", agent.get("authentication"))?;
            let of_passwords = ["accountId", "userPoolId", "identityPoolId", "appClientId", "password", "passwordFile"];
            section.remove(&of_passwords);
            section.set("iotUrl", text(&device.iot_url));
            section.set("roleAlias", text(&device.role_alias));
            section.set("thingName", text(&device.thing_name));
            section.set("certificate", text(&device.certificate));
            agent.set("authentication", section.into_raw());
        }
        Way::Own => agent.remove(&["authentication"]),
    }
    agent.set("region", text(region));
    if root.get("agent").is_none() {
        root.set_first("agent", agent.into_raw());
    } else {
        root.set("agent", agent.into_raw());
    }
    let composed = layout::pretty(&root.into_raw())?;
    let is_the_agents = |text: &str| config::dialect_of(text).is_some_and(|dialect| dialect.agent);
    if is_the_agents(template) && !is_the_agents(&composed) {
        return Err(ComposeError::OtherDialect);
    }
    Ok(composed)
}

/// What some editors of Windows begin a file with is no JSON.
fn without_mark(template: &str) -> &str {
    template.strip_prefix('\u{feff}').unwrap_or(template)
}

/// A part that must be an object; one that is not there, or `null`, is an empty one.
fn object(part: &'static str, value: Option<&RawValue>) -> Result<Members, ComposeError> {
    let Some(value) = value.filter(|value| value.get() != "null" || part == "the whole") else {
        return Ok(Members::default());
    };
    members(value).map_err(|faulty| match faulty {
        Faulty::Kind(found) => ComposeError::NotAnObject { part, found },
        Faulty::Twice(key) => ComposeError::Twice { part, key },
    })
}

fn text(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("a text is JSON")
}

#[cfg(test)]
mod tests;
