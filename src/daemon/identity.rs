//! Who this machine is: the names that dimensions, log groups, log streams and the login carry.
use crate::{
    config::{
        placeholder,
        settings::{Instance, Serial, ZEROS},
    },
    platform::{
        self,
        group::{Said, shell},
    },
};
use std::{collections::BTreeMap, io, time::Duration};

/// How long `agent.instance.command` may run. `system_profiler`, the slowest of the usual ones, takes a few seconds.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of what the command says that are read, a whole page of errors. Then its pipe is closed.
const LONGEST_OUTPUT: u64 = 64 * 1024;

/// Where the embedded CloudWatch is, for names that need a region and an account.
const LOCAL_REGION: &str = "local";
const LOCAL_ACCOUNT: &str = "000000000000";

/// What the agent calls a host without a name.
const UNKNOWN_HOST: &str = "UNKNOWN-HOST";

/// The names of this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// `PREFIX-SERIAL`.
    pub instance_id: String,
    pub hostname: String,
    /// EC2's instance metadata knows names that this host does not.
    pub on_ec2: bool,
    /// What the placeholders of names have for values. `{date}` is the local date at the start, `2026-01-31`, and stays.
    values: BTreeMap<&'static str, String>,
}

/// Why this machine has no name.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("agent.instance.command could not be run: `{command}`")]
    Spawn { command: String, source: io::Error },
    #[error("agent.instance.command did not end within {} seconds: `{command}`", COMMAND_LIMIT.as_secs())]
    TooSlow { command: String },
    #[error("agent.instance.command failed ({status}): `{command}` {said}")]
    Failed { command: String, status: std::process::ExitStatus, said: String },
    #[error(
        "agent.instance.command printed nothing: `{command}`; it must print this system's serial number, or agent.instance.serial must name one"
    )]
    Empty { command: String },
    #[error(
        "agent.instance.command must print one word of ASCII characters, at most 200, to be part of a name: `{command}` printed `{said}`"
    )]
    NotAName { command: String, said: String },
}

impl Identity {
    /// Find out. Runs the configured command, if there is one; asks nothing of the network. `on_ec2`: the instance metadata will be asked
    /// for what it knows better.
    ///
    /// # Errors
    /// When the configured command does not give a usable serial number.
    pub async fn find(instance: &Instance, on_ec2: bool) -> Result<Self, IdentityError> {
        let serial = match &instance.serial {
            Serial::Command(command) => serial_from(command, COMMAND_LIMIT).await?,
            Serial::Fixed(_) | Serial::Zeros | Serial::Machine => String::new(),
        };
        Ok(Self::with(instance, &serial, on_ec2))
    }

    /// What is known without running a command. The serial that one would print is taken to be one character.
    pub fn before_its_command(instance: &Instance) -> Self {
        Self::with(instance, "0", on_ec2())
    }

    /// `printed`: the serial where a command is to print it.
    fn with(instance: &Instance, printed: &str, on_ec2: bool) -> Self {
        let hostname = platform::host::host_name().unwrap_or_else(|| UNKNOWN_HOST.to_owned());
        let firmware = platform::host::ec2_instance_id();
        // What this host calls itself when it does not know its instance id is not what a log is to be called.
        let is_known = instance.serial != Serial::Machine || firmware.is_some() || !on_ec2;
        let instance_id = match &instance.serial {
            Serial::Fixed(serial) => format!("{}-{serial}", instance.prefix),
            Serial::Zeros => format!("{}-{ZEROS}", instance.prefix),
            Serial::Command(_) => format!("{}-{printed}", instance.prefix),
            Serial::Machine => firmware.unwrap_or_else(|| hostname.clone()),
        };
        let date = platform::zones::local(chrono::Utc::now()).format("%Y-%m-%d").to_string();
        let mut values = BTreeMap::from([("local_hostname", hostname.clone()), ("date", date)]);
        if is_known {
            values.insert("instance_id", instance_id.clone());
        }
        if !on_ec2 {
            values.insert("hostname", hostname.clone());
            values.extend(platform::host::ipv4_address().map(|address| ("ip_address", address.to_string())));
        }
        Self { instance_id, hostname, on_ec2, values }
    }

    /// In the embedded CloudWatch, which is a region and an account of its own.
    pub fn in_local(mut self) -> Self {
        self.values.extend([(placeholder::REGION, LOCAL_REGION.into()), (placeholder::ACCOUNT, LOCAL_ACCOUNT.into())]);
        self
    }

    /// This is the value of a placeholder.
    pub fn learn(&mut self, placeholder: &'static str, value: String) {
        self.values.insert(placeholder, value);
    }

    /// The value of a placeholder, without its braces. `None`: not known.
    pub fn value(&self, placeholder: &str) -> Option<String> {
        self.values.get(placeholder).cloned()
    }
}

/// Whether there is instance metadata to ask: the firmware says that this is EC2, or the environment where it is. As with the SDK,
/// `AWS_EC2_METADATA_DISABLED` turns it off.
pub fn on_ec2() -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let off = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    !off && (variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some() || platform::host::is_ec2())
}

/// What the shell command prints, trimmed and lower-cased.
async fn serial_from(command: &str, limit: Duration) -> Result<String, IdentityError> {
    let name = || command.to_owned();
    let mut output = Said::default();
    let status = match tokio::time::timeout(limit, output.listen(shell(command), LONGEST_OUTPUT)).await {
        Err(_) => return Err(IdentityError::TooSlow { command: name() }),
        Ok(status) => status.map_err(|source| IdentityError::Spawn { command: name(), source })?,
    };
    // One that is cut off ends by the closed pipe, mostly: that is not its fault to name.
    let cut_off = output.stdout.len() as u64 >= LONGEST_OUTPUT;
    if !status.success() && !cut_off {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = match stderr.trim() {
            "" => "said nothing about it".to_owned(),
            words => format!("said `{}`", words.chars().take(200).collect::<String>()),
        };
        return Err(IdentityError::Failed { command: name(), status, said });
    }
    let serial = String::from_utf8_lossy(&output.stdout).trim().to_lowercase();
    if serial.is_empty() {
        return Err(IdentityError::Empty { command: name() });
    }
    // A dimension's value is ASCII: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
    if !serial.bytes().all(|byte| byte.is_ascii_graphic()) || serial.len() > 200 {
        return Err(IdentityError::NotAName { command: name(), said: serial.chars().take(200).collect() });
    }
    Ok(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn id(serial: Serial) -> Result<String, IdentityError> {
        Identity::find(&Instance { prefix: "rpi".into(), serial }, false).await.map(|i| i.instance_id)
    }

    #[tokio::test]
    async fn the_id_is_prefix_and_serial() {
        assert_eq!(id(Serial::Fixed("C02X".into())).await.expect("fixed"), "rpi-C02X");
        assert_eq!(id(Serial::Zeros).await.expect("default"), "rpi-000000000000");
        let command = Serial::Command("echo ' ABC123 '".into());
        assert_eq!(id(command).await.expect("a command"), "rpi-abc123");
    }

    #[tokio::test]
    async fn a_command_that_fails_or_says_nothing_is_an_error_that_names_it() {
        for (command, part) in [
            ("echo sorry >&2; exit 3", "sorry"),
            ("true", "nothing"),
            ("exit 3", "said nothing about it"),
            ("echo a b", "a b"),
            ("echo ü", "ü"),
            ("yes", "at most 200"),
        ] {
            let error = id(Serial::Command(command.into())).await.expect_err("must fail").to_string();
            assert!(error.contains(command) && error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended() {
        let error = serial_from("sleep 600", Duration::from_millis(20)).await.expect_err("too slow");
        assert!(matches!(error, IdentityError::TooSlow { .. }));
    }

    #[tokio::test]
    async fn without_an_instance_section_the_agents_dialect_takes_the_machines_own_name() {
        assert!(!id(Serial::Machine).await.expect("always known").is_empty());
    }
}
