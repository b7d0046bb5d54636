//! From what the user wrote to what runs.
//!
//! ```text
//! files -> File (tree with positions) -> check against keys -> Settings + findings -> checks of the host
//! ```
//!
//! [`load`] looks at nothing but the file; [`load_checked`] also at what the file points to on this host, and [`examine`] at the logs, too.
//! Each finds everything in one run. Nothing here keeps state, asks the network, or prints. To add a key: its line in `keys`, its field in `settings`, and its reader in the
//! file of its section.
mod address;
mod agent;
mod agreement;
mod authentication;
mod checks;
mod dialect;
mod encoding;
mod environment;
pub mod file;
mod finding;
pub mod glob;
mod keys;
mod log_files;
pub mod login_files;
mod login_names;
mod logs;
mod lookout;
pub mod measurements;
pub mod metrics;
mod multi_line;
mod naming;
mod overlaps;
mod pattern;
pub mod placeholder;
mod places;
pub mod region;
mod retention;
pub mod rotation;
mod section;
pub mod serial_relay;
mod service;
pub mod settings;
mod shape;
mod slips;
mod socket;
mod surroundings;
pub mod timestamp;
mod variables;
mod words;
pub mod zone;

pub use dialect::Dialect;
pub use file::File;
pub use finding::{Finding, Severity, nearest};
pub use settings::Settings;
pub use shape::count;

use crate::platform::installed;
use environment::Environment;
use section::{Findings, Section, sort};
use settings::{Destination, Local};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use surroundings::Surroundings;
use variables::Unset;

/// Where the configuration is when nobody names another.
pub fn default_path() -> PathBuf {
    installed::configuration()
}

/// The same as help texts say it.
pub const DEFAULT_PATH: &str = installed::CONFIGURATION;

/// A week: long enough to look back, short enough for a small disk.
const LOCAL_RETENTION_HOURS: u64 = 7 * 24;

/// What became of a file.
#[derive(Debug)]
pub struct Loaded {
    /// What runs; `None` when a finding is an error.
    pub settings: Option<Settings>,
    /// What cannot run because of an error, with defaults where the file was of no use: for who looks for a daemon that was started before.
    pub draft: Option<Settings>,
    /// File by file, each in its order.
    pub findings: Vec<Finding>,
    /// Whose configuration it is; `None` when it could not be read.
    pub dialect: Option<Dialect>,
    /// What was written; `None` when it could not be read.
    pub file: Option<File>,
}

impl Loaded {
    /// How many files it was read from, or tried to be.
    pub fn files(&self) -> usize {
        self.file.as_ref().map_or(1, File::len)
    }

    /// An error in the part with this JSON path.
    pub fn error_at(&self, path: &Path, at: &str, why: String) -> Finding {
        let about_all = || Finding { at: at.to_owned(), ..Finding::of_file(path, why.clone()) };
        self.file.as_ref().map_or_else(about_all, |file| file.finding_at(at, why.clone()))
    }
}

#[cfg(test)]
impl Loaded {
    /// The findings that keep the file from running.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_error())
    }
}

/// Whether AWS will be reached, and the login therefore needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sends {
    /// When the configuration's destination is AWS.
    AsConfigured,
    /// Never: a dry run, or one into the embedded CloudWatch. What only the login lacks is a warning.
    Nowhere,
    /// The same, and it is the command line that says in which folder: those of the configuration have no say.
    Elsewhere,
}

/// Whose configuration a text is; `None` where it is no configuration.
pub fn dialect_of(text: &str) -> Option<Dialect> {
    let file = File::parse(Path::new(""), text.as_bytes().to_vec(), None).ok()?;
    Some(Dialect::of(&Section::root(&file, &Findings::default())))
}

/// The settings of whoever has no configuration: those of an administrator's commands, which run in this region, or where environment and
/// profile say.
pub fn of_nobody(region: Option<&str>) -> Settings {
    let nothing = File::parse(Path::new(""), b"{}".to_vec(), None).expect("an empty object is JSON");
    let mut settings = decode_in(Environment::default(), &nothing, Unset::Unknown).0;
    settings.agent.region = region.map(str::to_owned);
    settings
}

/// Reads a configuration, of one file or of several, without a look at what it points to.
pub fn load(path: &Path) -> Loaded {
    read(path, None)
}

/// Reads a configuration and checks what it points to on this host, but for the log files: what the start of the daemon wants.
pub fn load_checked(path: &Path, sends: Sends) -> Loaded {
    read(path, Some((sends, false)))
}

/// The same, log files included, for `validate`. May wait for a dead network mount.
pub fn examine(path: &Path) -> Loaded {
    read(path, Some((Sends::AsConfigured, true)))
}

/// `look`: whether what it points to is looked at, and log files, too.
fn read(path: &Path, look: Option<(Sends, bool)>) -> Loaded {
    read_in(Environment::default(), path, look)
}

/// The same in a given environment.
fn read_in(environment: Environment, path: &Path, look: Option<(Sends, bool)>) -> Loaded {
    let mut file = File::read(path);
    let mut environment = environment;
    if let Ok(file) = &mut file {
        let findings = Findings::default();
        environment = environment.beside(file, &findings);
        file.findings.extend(findings.into_sorted());
    }
    let checks =
        look.map(|(sends, log_files)| Checks { sends, surroundings: Surroundings::of(&environment), log_files });
    finish_in(environment, file, checks.as_ref())
}

/// What beside the file itself is looked at.
#[derive(Clone, Debug)]
struct Checks {
    sends: Sends,
    surroundings: Surroundings,
    log_files: bool,
}

#[cfg(test)]
fn finish(file: Result<File, Vec<Finding>>, checks: Option<&Checks>) -> Loaded {
    finish_in(Environment::only(&[]), file, checks)
}

fn finish_in(environment: Environment, file: Result<File, Vec<Finding>>, checks: Option<&Checks>) -> Loaded {
    let file = match file {
        Ok(file) => file,
        Err(findings) => return Loaded { settings: None, draft: None, findings, dialect: None, file: None },
    };
    let unset = match checks.map(|checks| checks.sends) {
        Some(Sends::AsConfigured) => Unset::Fatal,
        Some(Sends::Nowhere | Sends::Elsewhere) => Unset::Tolerated,
        None => Unset::Unknown,
    };
    let (settings, mut findings) = decode_in(environment, &file, unset);
    let dialect = is_object(&file).then(|| Dialect::of(&Section::root(&file, &Findings::default())));
    // What is no object says nothing of this host.
    if let Some(checks) = checks.filter(|_| is_object(&file)) {
        // Where there are errors, what they are about may be what is missing.
        if !settings.collects_something() && !findings.iter().any(Finding::is_error) {
            findings.push(nothing_to_collect(&file));
        }
        findings.extend(checks::check(&settings, &file, checks));
        sort(&mut findings);
    }
    let runs = !findings.iter().any(Finding::is_error);
    let (settings, draft) = if runs { (Some(settings), None) } else { (None, Some(settings)) };
    Loaded { settings, draft, findings, dialect, file: Some(file) }
}

fn is_object(file: &File) -> bool {
    file.tree.kind() == "an object"
}

/// What is said of settings that start nothing.
pub const NOTHING_TO_COLLECT: &str =
    "there is nothing to collect: no log that can be read is named, and no metric that this system has";

fn nothing_to_collect(file: &File) -> Finding {
    Finding { severity: Severity::Warning, ..Finding::of_file(&file.path, NOTHING_TO_COLLECT) }
}

/// Settings and all findings. With an error among them the settings hold defaults where the file was of no use.
#[cfg(test)]
fn decode(file: &File) -> (Settings, Vec<Finding>) {
    decode_in(Environment::only(&[]), file, Unset::Fatal)
}

/// `unset`: what it means for these settings that an environment variable is not set.
fn decode_in(environment: Environment, file: &File, unset: Unset) -> (Settings, Vec<Finding>) {
    let findings = Findings::default();
    file.findings.iter().cloned().for_each(|finding| findings.push(finding));
    let root = Section::root(file, &findings);
    let dialect = Dialect::of(&root);
    let destination = root.path(&["agent", "destination"]).verbatim().and_then(Destination::named);
    let unset = match unset {
        Unset::Fatal if destination == Some(Destination::Local) => Unset::Tolerated,
        unset => unset,
    };
    shape::check(&keys::ROOT, &root, &dialect, &environment, unset);
    let agent = agent::read(&root, &dialect, &environment);
    let role = agent.role_arn.as_deref();
    let settings = Settings {
        file: file.path.clone(),
        metrics: metrics::read(&root, &dialect, role),
        logs: logs::read(&root, &dialect, agent.region.as_deref(), role),
        local: local(&root.child("local")),
        agent,
        environment,
    };
    (settings, findings.into_sorted())
}

fn local(section: &Section<'_>) -> Local {
    let hours = section.child("retention_hours").unsigned().unwrap_or(LOCAL_RETENTION_HOURS);
    Local { folder: agent::folder(&section.child("folder")), retention: Duration::from_secs(hours * 3600) }
}

#[cfg(test)]
mod tests;
