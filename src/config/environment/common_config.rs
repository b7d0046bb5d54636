//! The agent's `common-config.toml`: how AWS is reached, for all of the agent's programs. Its keys become the variables that say the same, and beat
//! those of the process, as they do for the agent.
use super::toml::{self, Pair, Place, Value};
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

/// Reads the file. `has_a_home`: whether the user that this process runs as has one.
pub fn read(path: &Path, has_a_home: bool, findings: &mut Vec<Finding>) -> CommonConfig {
    let mut said = CommonConfig::default();
    match pairs(path) {
        Ok(pairs) => {
            for pair in pairs {
                said.take(pair, path, findings);
            }
        }
        Err(finding) => findings.push(*finding),
    }
    said.complete(has_a_home);
    said
}

fn pairs(path: &Path) -> Result<Vec<Pair>, Box<Finding>> {
    let wrong = |why: String| Box::new(Finding::of_file(path, why));
    let bytes = files::read_small(path, LONGEST).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8; save it as UTF-8".to_owned()))?;
    let pairs = toml::parse(text.trim_start_matches('\u{feff}'));
    pairs.map_err(|fault| Box::new(at(path, fault.place, "", Severity::Error, fault.why.to_owned())))
}

impl CommonConfig {
    fn take(&mut self, pair: Pair, path: &Path, findings: &mut Vec<Finding>) {
        let Pair { table, key, value, place } = pair;
        let name = if table.is_empty() { key.clone() } else { format!("{table}.{key}") };
        let known = KEYS.iter().find(|(of, known, _)| (*of, *known) == (table.as_str(), key.as_str()));
        let Some((.., variable)) = known else {
            let known: Vec<_> = KEYS.iter().map(|(table, key, _)| format!("{table}.{key}")).collect();
            let suggestion = nearest(&name, known.iter().map(String::as_str));
            let unknown = at(path, place, &name, Severity::Warning, "unknown key; ignored".to_owned());
            return findings.push(Finding { suggestion, ..unknown });
        };
        let mut error = |why: String| findings.push(at(path, place, &name, Severity::Error, why));
        match (variable, value) {
            (Some(_), Value::Text(text)) if text.is_empty() => {}
            (Some(variable), Value::Text(text)) => {
                let is_keys = *variable == "AWS_SHARED_CREDENTIALS_FILE";
                if (is_keys || *variable == "AWS_CA_BUNDLE") && !Path::new(&text).is_absolute() {
                    error("must be an absolute path".to_owned());
                } else if is_keys && !Path::new(&text).exists() {
                    let why = "there is no such file, so nothing can sign in: write it, or correct the path";
                    findings.push(at(path, place, &name, Severity::Warning, why.to_owned()));
                }
                self.variables.insert(variable, text);
            }
            (None, Value::Number(retries)) if (0..=MOST_RETRIES).contains(&retries) => {
                self.imds_retries = u32::try_from(retries).ok();
            }
            (None, Value::Number(retries)) => error(format!("must be from 0 to {MOST_RETRIES}, found {retries}")),
            (Some(_), other) => error(format!("expected text, found {}", other.kind())),
            (None, other) => error(format!("expected a whole number, found {}", other.kind())),
        }
    }

    /// Beside a file with keys lies the one with settings. A daemon without a home has an administrator's files.
    fn complete(&mut self, has_a_home: bool) {
        let file = self.variables.get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let of_nobody = || host::administrators_home().join(".aws").join("credentials");
        let named = self.variables.contains_key("AWS_PROFILE");
        let Some(file) = file.or_else(|| (named && !has_a_home).then(of_nobody)) else { return };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        self.variables.insert("AWS_CONFIG_FILE", text(&file.with_file_name("config")));
        self.variables.insert("AWS_SHARED_CREDENTIALS_FILE", text(&file));
    }
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
