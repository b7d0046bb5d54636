//! Which files make up a configuration: the one that is named, those of its neighbour folder, or those of a folder that is named.
//!
//! `X.json` has the neighbour `X.d`, as the CloudWatch Agent keeps what is appended to its `amazon-cloudwatch-agent.json` in
//! `amazon-cloudwatch-agent.d`; there, the file itself may well be missing. Nothing is opened here.
use crate::config::{Severity, finding::Finding};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Kinds of files that the agent keeps beside its configurations: translations of them, downloads that are not finished.
const OTHERS: [&str; 2] = ["toml", "tmp"];
/// Of OpenTelemetry's own language.
const OPENTELEMETRY: [&str; 2] = ["yaml", "yml"];
/// Of the agent's folder, and no configurations: its environment, and what its helpers note.
const NOTES: [&str; 2] = ["env-config.json", "log-config.json"];

/// The files of one configuration.
#[derive(Debug, Default)]
pub struct Sources {
    /// In the order of their paths, which is that of lists which are put together.
    pub files: Vec<PathBuf>,
    /// Whoever may write here can add to the configuration.
    pub folders: Vec<PathBuf>,
    /// What was passed over, or cannot be read.
    pub findings: Vec<Finding>,
}

impl Sources {
    /// Of what the user named. A file that is not there is its own only file: whoever opens it says so.
    pub fn of(path: &Path) -> Self {
        let mut sources = Self::default();
        if path.is_dir() {
            sources.folder(path, true);
            if sources.files.is_empty() && sources.findings.iter().all(|finding| !finding.is_error()) {
                let why = "there is no configuration in this folder: put one in it, or name another";
                sources.findings.push(Finding::of_file(path, why));
            }
        } else {
            neighbour(path).inspect(|folder| sources.folder(folder, false));
            if sources.files.is_empty() || fs::symlink_metadata(path).is_ok() {
                sources.files.push(path.to_owned());
            }
        }
        sources.files.sort();
        sources
    }

    fn folder(&mut self, folder: &Path, named: bool) {
        self.folders.push(folder.to_owned());
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                return self.findings.push(Finding::of_file(folder, format!("cannot be looked into: {error}")));
            }
        };
        for path in entries.into_iter().map(|entry| entry.path()) {
            if is_configuration(&path) {
                self.entry(path, named);
            }
        }
    }

    /// What stands in a folder; links are followed.
    fn entry(&mut self, path: PathBuf, named: bool) {
        let why = match fs::metadata(&path) {
            Ok(found) if found.is_file() && has_extension(&path, &OPENTELEMETRY) => {
                let why = "not yet: OpenTelemetry's YAML is not run by this version; ignored";
                return self.say(Severity::Warning, &path, why);
            }
            Ok(found) if found.is_file() => return self.files.push(path),
            Ok(found) if found.is_dir() && named && has_extension(&path, &["d"]) => return self.folder(&path, false),
            Ok(found) if found.is_dir() => {
                return self.say(
                    Severity::Warning,
                    &path,
                    "is a folder in a folder of configurations, and not looked into",
                );
            }
            // To read it might wait for ever.
            Ok(_) => "is a device, a pipe or a socket; a folder of configurations holds files".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "leads to a file that is not there; correct the link, or remove it".to_owned()
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        self.say(Severity::Error, &path, &why);
    }

    fn say(&mut self, severity: Severity, path: &Path, why: &str) {
        self.findings.push(Finding { severity, ..Finding::of_file(path, why) });
    }
}

/// The folder whose files are merged with this one.
fn neighbour(path: &Path) -> Option<PathBuf> {
    let folder = has_extension(path, &["json"]).then(|| path.with_extension("d"))?;
    folder.is_dir().then_some(folder)
}

/// What is hidden is the system's or an editor's.
fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    !name.starts_with('.') && !NOTES.contains(&name.as_ref()) && !has_extension(path, &OTHERS)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("ours");
            fs::write(path, "{}").expect("ours");
        }
        folder
    }

    fn names(sources: &Sources, folder: &Path) -> Vec<String> {
        let inside = |path: &PathBuf| path.strip_prefix(folder).expect("inside").to_string_lossy().replace('\\', "/");
        sources.files.iter().map(inside).collect()
    }

    #[test]
    fn a_folder_is_all_its_files_but_those_that_are_no_configurations() {
        let folder = folder(&["b.json", "ssm_parameter", "a.JSON", "x.toml", "x.tmp", ".hidden", "env-config.json"]);
        let sources = Sources::of(folder.path());
        assert_eq!(names(&sources, folder.path()), ["a.JSON", "b.json", "ssm_parameter"]);
        assert!(sources.findings.is_empty() && sources.folders == [folder.path()], "{sources:?}");
    }

    #[test]
    fn a_file_has_its_neighbour_folder_which_may_stand_alone() {
        let folder = folder(&["x.json", "x.d/b", "x.d/a.json", "y.json", "z.d/a"]);
        let of = |name: &str| names(&Sources::of(&folder.path().join(name)), folder.path());
        assert_eq!(of("x.json"), ["x.d/a.json", "x.d/b", "x.json"]);
        assert_eq!(of("y.json"), ["y.json"]);
        assert_eq!(of("z.json"), ["z.d/a"]);
        assert_eq!(of("missing.json"), ["missing.json"]);
        assert_eq!(names(&Sources::of(folder.path()), folder.path()).len(), 5, "with the neighbours in it");
    }

    #[test]
    fn what_is_passed_over_in_a_folder_is_said_and_what_cannot_be_read_is_an_error() {
        let folder = folder(&["a.json", "b.yaml", "c/d.json"]);
        let said: Vec<_> =
            Sources::of(folder.path()).findings.into_iter().map(|finding| (finding.severity, finding.file)).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|(severity, _)| *severity == Severity::Warning));
        let empty = tempfile::tempdir().expect("a folder");
        assert!(Sources::of(empty.path()).findings[0].why.starts_with("there is no configuration"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_one_that_leads_nowhere_is_an_error() {
        let (folder, elsewhere) = (folder(&["a.json"]), folder(&["real"]));
        std::os::unix::fs::symlink(elsewhere.path().join("real"), folder.path().join("link")).expect("ours");
        assert_eq!(names(&Sources::of(folder.path()), folder.path()), ["a.json", "link"]);
        std::os::unix::fs::symlink("/nowhere", folder.path().join("broken")).expect("ours");
        let findings = Sources::of(folder.path()).findings;
        assert!(findings.len() == 1 && findings[0].is_error() && findings[0].why.contains("not there"), "{findings:?}");
    }
}
