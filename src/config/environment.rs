//! The environment that a configuration is read in and runs in: what the agent's `common-config.toml` says, else the variables of this process, else
//! those of the agent's `env-config.json`.
//!
//! The process's own environment is never changed: libraries read it at any time. To honour another key, add it to `common_config` or `env_config`.
mod common_config;
mod env_config;
mod toml;

use super::{
    file::File,
    finding::{Finding, Severity},
    section::{Findings, Section},
    variables::{self, Form},
};
use crate::platform::{
    host,
    permissions::{self, Owner},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::{Path, PathBuf},
};

const COMMON_CONFIG: &str = "common-config.toml";
const ENV_CONFIG: &str = "env-config.json";

/// Variables and who says them. Values may be secrets: `Debug` shows none.
#[derive(Clone, Default)]
pub struct Environment {
    process: Process,
    /// Of `common-config.toml`.
    above: BTreeMap<&'static str, String>,
    /// Of `env-config.json`.
    below: BTreeMap<String, String>,
    imds_retries: Option<u32>,
}

#[derive(Clone, Default)]
enum Process {
    #[default]
    This,
    #[cfg(test)]
    Only(BTreeMap<String, String>),
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (above, below) = (self.above.keys(), self.below.keys());
        f.debug_struct("Environment").field("above", &above).field("below", &below).finish_non_exhaustive()
    }
}

impl Process {
    fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::This => std::env::var(name).ok(),
            #[cfg(test)]
            Self::Only(variables) => variables.get(name).cloned(),
        }
    }

    fn all(&self) -> HashMap<String, String> {
        match self {
            Self::This => {
                let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                };
                std::env::vars_os().filter_map(text).collect()
            }
            #[cfg(test)]
            Self::Only(variables) => variables.clone().into_iter().collect(),
        }
    }
}

impl Environment {
    /// Of a process with these variables alone.
    #[cfg(test)]
    pub fn only(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { process: Process::Only(variables.iter().map(owned).collect()), ..Self::default() }
    }

    /// With what stands beside the configuration, or what it names; what is wrong with that is said.
    pub(super) fn beside(mut self, file: &File, findings: &Findings) -> Self {
        let folders = folders(&file.path);
        let found = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let mut said = Vec::new();
        let key = Section::root(file, findings).path(&["agent", "common_config"]);
        let named = key.verbatim().filter(|path| !path.is_empty());
        let named = named.map(|path| variables::fill(path, Form::Braces, |name| self.process.get(name)).text.into());
        if let Some(path) = named.as_ref().filter(|path: &&PathBuf| !path.is_file()) {
            key.error(format!("there is no file {}: correct the path, or leave the key out", path.display()));
        } else if let Some(path) = named.or_else(|| found(COMMON_CONFIG)) {
            match unsafe_because(&path) {
                Some(why) => said.push(Finding::of_file(&path, format!("refused: {why}"))),
                None => {
                    let has_a_home = ["HOME", "USERPROFILE"].iter().any(|name| self.process.get(name).is_some());
                    let read = common_config::read(&path, has_a_home, &mut said);
                    (self.above, self.imds_retries) = (read.variables, read.imds_retries);
                }
            }
        }
        if let Some(path) = found(ENV_CONFIG) {
            match unsafe_because(&path) {
                Some(why) => said.push(Finding {
                    severity: Severity::Warning,
                    ..Finding::of_file(&path, format!("ignored: {why}"))
                }),
                None => self.below = env_config::read(&path, &mut said),
            }
        }
        said.into_iter().for_each(|finding| findings.push(finding));
        self
    }

    /// A variable that has its meaning for the way to AWS, or for us.
    pub fn get(&self, name: &str) -> Option<String> {
        let above = self.above.get(name).cloned();
        above.or_else(|| self.process.get(name)).or_else(|| self.of_env_config(name))
    }

    /// A variable that only `env-config.json` says, where that is honoured: the libraries know it of the process themselves.
    pub fn of_env_config(&self, name: &str) -> Option<String> {
        self.below.get(name).filter(|_| self.process.get(name).is_none() && self.is_honoured_below(name)).cloned()
    }

    /// A variable that the configuration names.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.get(name).or_else(|| self.below.get(name).cloned())
    }

    /// All that [`Environment::get`] knows; `None`: it is that of the process.
    pub fn all(&self) -> Option<HashMap<String, String>> {
        if matches!(self.process, Process::This) && self.above.is_empty() && self.below.is_empty() {
            return None;
        }
        let mut all = self.process.all();
        for (name, value) in self.below.iter().filter(|(name, _)| self.is_honoured_below(name)) {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
        all.extend(self.above.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Some(all)
    }

    /// Who says this variable: a key of `common-config.toml`, or the variable itself.
    pub fn origin(&self, variable: &'static str) -> &'static str {
        self.above.get(variable).and_then(|_| common_config::origin(variable)).unwrap_or(variable)
    }

    /// Whether `common-config.toml` says which keys sign in; profile, file with keys, file with settings: each where it is said.
    pub fn chosen_profile(&self) -> Option<ChosenProfile> {
        let path = |variable: &str| self.above.get(variable).map(PathBuf::from);
        let chosen = ChosenProfile {
            name: self.above.get("AWS_PROFILE").cloned(),
            credentials: path("AWS_SHARED_CREDENTIALS_FILE"),
            config: path("AWS_CONFIG_FILE"),
        };
        (chosen.name.is_some() || chosen.credentials.is_some()).then_some(chosen)
    }

    /// How often the instance metadata is asked again where it does not answer, if that is said.
    pub fn imds_retries(&self) -> Option<u32> {
        self.imds_retries
    }

    /// Each proxy has two spellings, and one for all; who says any of them has said it.
    fn is_honoured_below(&self, name: &str) -> bool {
        let is_said = |name: &str| self.process.get(name).is_some();
        let is_proxy = matches!(name, "HTTP_PROXY" | "HTTPS_PROXY");
        env_config::HONOURED.contains(&name)
            && !(name.ends_with("_PROXY") && is_said(&name.to_ascii_lowercase()))
            && !(is_proxy && (is_said("ALL_PROXY") || is_said("all_proxy")))
    }
}

/// What `common-config.toml` says of the keys that sign in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChosenProfile {
    pub name: Option<String>,
    pub credentials: Option<PathBuf>,
    pub config: Option<PathBuf>,
}

/// Where the agent's two files may lie: beside the configuration, or, where it is part of the agent's own, in the agent's folder.
fn folders(path: &Path) -> Vec<PathBuf> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(path.is_dir().then(|| path.clone()));
    folders.extend(path.parent().map(Path::to_owned));
    let agents = host::agent_settings_folder();
    folders.extend(path.starts_with(&agents).then_some(agents));
    folders
}

/// It says where the keys come from, and a profile may name a command that brings them.
fn unsafe_because(path: &Path) -> Option<String> {
    let rights = std::fs::metadata(path).ok().and_then(|metadata| permissions::of(&metadata))?;
    match rights.owner {
        _ if rights.others_may_write => {
            Some("others than its owner may write this file; take the right away (chmod go-w)".into())
        }
        Owner::Other(uid) => Some(format!(
            "this file belongs to user {uid}, neither to the user of the daemon nor to root; change its owner"
        )),
        Owner::Us | Owner::Root => None,
    }
}

#[cfg(test)]
mod tests;
