//! The agent's `common-config.toml`: how AWS is reached, for all of the agent's programs. Its keys become the variables that say the same, and beat
//! those of the process, as they do for the agent.
use super::toml::{self, Place, Value};
use crate::{
    config::{
        Severity,
        finding::{Finding, nearest},
    },
    platform::{files, host},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Bytes; the one that the agent ships has two thousand, most of them comments.
const LONGEST: u64 = 64 * 1024;
/// More would keep each start waiting for minutes where nobody answers.
const MOST_RETRIES: i64 = 100;

/// Every key, with the variable that it stands for.
const KEYS: [(&str, &str, Option<&str>); 7] = [
    ("credentials", "shared_credential_profile", Some("AWS_PROFILE")),
    ("credentials", "shared_credential_file", Some("AWS_SHARED_CREDENTIALS_FILE")),
    ("proxy", "http_proxy", Some("HTTP_PROXY")),
    ("proxy", "https_proxy", Some("HTTPS_PROXY")),
    ("proxy", "no_proxy", Some("NO_PROXY")),
    ("ssl", "ca_bundle_path", Some("AWS_CA_BUNDLE")),
    ("imds", "imds_retries", None),
];

/// What the file says.
#[derive(Default)]
pub struct CommonConfig {
    /// By the variable that would say the same.
    pub variables: BTreeMap<&'static str, String>,
    pub imds_retries: Option<u32>,
}

/// Who says what this variable does, where this file does.
pub fn origin(variable: &str) -> Option<&'static str> {
    Some(match variable {
        "AWS_PROFILE" => "shared_credential_profile of common-config.toml",
        "AWS_SHARED_CREDENTIALS_FILE" | "AWS_CONFIG_FILE" => "shared_credential_file of common-config.toml",
        "HTTP_PROXY" => "http_proxy of common-config.toml",
        "HTTPS_PROXY" => "https_proxy of common-config.toml",
        "NO_PROXY" => "no_proxy of common-config.toml",
        "AWS_CA_BUNDLE" => "ca_bundle_path of common-config.toml",
        _ => return None,
    })
}

/// Reads the file. `home`: of the user that this process runs as.
pub fn read(path: &Path, home: Option<&str>, findings: &mut Vec<Finding>) -> CommonConfig {
    let text = files::read_small(path, LONGEST).map_err(|error| format!("cannot be read: {error}"));
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8; save it as UTF-8".to_owned()));
    let pairs = match text.map(|text| toml::parse(text.trim_start_matches('\u{feff}'))) {
        Ok(Ok(pairs)) => pairs,
        Ok(Err(fault)) => {
            findings.push(at(path, fault.place, "", Severity::Error, fault.why.to_owned()));
            return CommonConfig::default();
        }
        Err(why) => {
            findings.push(Finding::of_file(path, why));
            return CommonConfig::default();
        }
    };
    let mut said = CommonConfig::default();
    for toml::Pair { table, key, value, place } in pairs {
        let name = if table.is_empty() { key.clone() } else { format!("{table}.{key}") };
        let mut say = |severity, why: String| findings.push(at(path, place, &name, severity, why));
        let Some((.., variable)) = KEYS.iter().find(|(of, known, _)| (*of, *known) == (table.as_str(), key.as_str()))
        else {
            let known = KEYS.iter().map(|(table, key, _)| format!("{table}.{key}")).collect::<Vec<_>>();
            let suggestion = nearest(&name, known.iter().map(String::as_str));
            say(Severity::Warning, "unknown key; ignored".into());
            if let Some(last) = findings.last_mut() {
                last.suggestion = suggestion;
            }
            continue;
        };
        match (variable, value) {
            (Some(_), Value::Text(text)) if text.is_empty() => {}
            (Some(variable), Value::Text(text)) => {
                if matches!(*variable, "AWS_SHARED_CREDENTIALS_FILE" | "AWS_CA_BUNDLE")
                    && !Path::new(&text).is_absolute()
                {
                    say(Severity::Error, "must be an absolute path".into());
                } else if *variable == "AWS_SHARED_CREDENTIALS_FILE" && !Path::new(&text).exists() {
                    say(
                        Severity::Warning,
                        "there is no such file, so nothing can sign in: write it, or correct the path".into(),
                    );
                }
                said.variables.insert(variable, text);
            }
            (None, Value::Number(retries)) if (0..=MOST_RETRIES).contains(&retries) => {
                said.imds_retries = u32::try_from(retries).ok();
            }
            (None, Value::Number(retries)) => {
                say(Severity::Error, format!("must be from 0 to {MOST_RETRIES}, found {retries}"));
            }
            (Some(_), other) => say(Severity::Error, format!("expected text, found {}", other.kind())),
            (None, other) => say(Severity::Error, format!("expected a whole number, found {}", other.kind())),
        }
    }
    complete(&mut said, home);
    said
}

/// Beside a file with keys lies the one with settings. A daemon without a home has an administrator's files.
fn complete(said: &mut CommonConfig, home: Option<&str>) {
    let file = said.variables.get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let of_nobody = || host::administrators_home().join(".aws").join("credentials");
    let named = said.variables.contains_key("AWS_PROFILE");
    let Some(file) = file.or_else(|| (named && home.is_none()).then(of_nobody)) else { return };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    said.variables.insert("AWS_CONFIG_FILE", text(&file.with_file_name("config")));
    said.variables.insert("AWS_SHARED_CREDENTIALS_FILE", text(&file));
}

fn at(path: &Path, place: Place, name: &str, severity: Severity, why: String) -> Finding {
    Finding {
        at: name.to_owned(),
        line: Some(place.line),
        column: Some(place.column),
        severity,
        ..Finding::of_file(path, why)
    }
}
