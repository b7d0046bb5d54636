//! What a configuration may leave to its surroundings: environment variables and the AWS profile. Read, never changed.
use super::{environment::Environment, settings::PASSWORD_VARIABLE};
use crate::platform::{self, files};
use std::path::{Path, PathBuf};

/// What this process was given beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The Cognito password is in the environment.
    pub password: bool,
    /// The default AWS chain knows a region.
    pub region: bool,
    /// The environment variable that names the region, and its value.
    pub region_variable: Option<(&'static str, String)>,
    /// The profile that is named, where no profile file has it, and the files.
    pub missing_profile: Option<(String, Vec<PathBuf>)>,
    /// Who names it.
    pub profile_named_by: &'static str,
    /// The configuration is that of the system below this folder, and so are the files of its login. `None`: of this one.
    pub root: Option<PathBuf>,
}

/// The first one that is set counts: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html>
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The longest profile file that is read, in bytes.
const LONGEST_PROFILE: u64 = 1 << 20;

impl Surroundings {
    /// As they are now. Reads the AWS profile files; asks nothing of the network.
    pub fn of(environment: &Environment) -> Self {
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let region_variable = REGIONS.into_iter().find_map(|name| Some((name, variable(name)?)));
        let missing_profile = missing_profile(variable, &|path| read_profile(path));
        Self {
            password: variable(PASSWORD_VARIABLE).is_some(),
            region_variable,
            region: region_is_known(variable, &|path| read_profile(path)),
            missing_profile,
            profile_named_by: environment.origin("AWS_PROFILE"),
            root: None,
        }
    }

    /// Where a file of the login is to be looked for.
    pub fn place(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_path_buf(),
        }
    }
}

/// A profile file; one that is unusually large, or no file at all, names nothing.
fn read_profile(path: &Path) -> Option<String> {
    String::from_utf8(files::read_small(path, LONGEST_PROFILE).ok()?).ok()
}

/// Looks where the SDK looks: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html>
fn region_is_known(variable: impl Fn(&str) -> Option<String>, read: &dyn Fn(&PathBuf) -> Option<String>) -> bool {
    if REGIONS.iter().any(|name| variable(name).is_some()) {
        return true;
    }
    let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
    if profile_files(&variable).iter().filter_map(read).any(|text| profile_has_region(&text, &profile)) {
        return true;
    }
    // Instance metadata knows it; whether it answers only the network could tell.
    let asks_metadata = !variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    asks_metadata && platform::host::ec2_instance_id().is_some()
}

/// Where profiles are looked for: <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>
fn profile_files(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let home = variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from);
    let file = |named: &str, usual: &str| {
        variable(named).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".aws").join(usual)))
    };
    let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    files.into_iter().flatten().collect()
}

fn missing_profile(
    variable: impl Fn(&str) -> Option<String>,
    read: &dyn Fn(&PathBuf) -> Option<String>,
) -> Option<(String, Vec<PathBuf>)> {
    let profile = variable("AWS_PROFILE").filter(|name| name != "default")?;
    let files = profile_files(&variable);
    let is_there = files.iter().filter_map(read).any(|text| text.lines().any(|line| heading(line) == Some(&profile)));
    (!is_there).then_some((profile, files))
}

/// The name in `[default]`, `[profile NAME]` and `[NAME]`.
fn heading(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.split(']').next()?.trim();
    Some(name.strip_prefix("profile ").unwrap_or(name).trim())
}

/// Whether a profile file names a region for this profile: `[default]`, `[profile NAME]`, or in the credentials file `[NAME]`.
fn profile_has_region(text: &str, profile: &str) -> bool {
    let mut inside = false;
    for line in text.lines() {
        // What is set in belongs to the key above it.
        if let Some(name) = heading(line) {
            inside = name == profile;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim_end() == "region"
            && !value.trim().is_empty()
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_found_where_the_sdk_finds_it() {
        let known = |variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            let read = |path: &PathBuf| {
                (path == &PathBuf::from("/h").join(".aws").join("config"))
                    .then(|| "[default]\noutput = json\n[profile work]\nregion = eu-west-1\n".to_owned())
            };
            region_is_known(variable, &read)
        };
        const QUIET: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
        assert!(!known(&[QUIET]));
        assert!(known(&[("AWS_REGION", "us-east-1")]) && known(&[("AWS_DEFAULT_REGION", "us-east-1")]));
        assert!(!known(&[QUIET, ("HOME", "/h")]));
        assert!(known(&[QUIET, ("HOME", "/h"), ("AWS_PROFILE", "work")]));
        assert!(!known(&[QUIET, ("HOME", "/elsewhere"), ("AWS_PROFILE", "work")]));
    }

    #[test]
    fn a_profile_that_no_file_has_is_found_out() {
        let missing = |profile: &str| {
            let variable = |name: &str| match name {
                "HOME" => Some("/h".to_owned()),
                "AWS_PROFILE" => Some(profile.to_owned()),
                _ => None,
            };
            let read = |path: &PathBuf| path.ends_with("credentials").then(|| "[prod]\nregion = x\n".to_owned());
            missing_profile(variable, &read)
        };
        let (name, files) = missing("prodd").expect("misspelt");
        assert!(name == "prodd" && files.len() == 2 && files[1].ends_with("credentials"), "{files:?}");
        assert_eq!((missing("prod"), missing("default")), (None, None));
    }

    #[test]
    fn a_profile_without_an_end_is_not_read() {
        let file = tempfile::NamedTempFile::new().expect("temporary");
        std::fs::write(file.path(), "[default]\n").expect("ours");
        assert_eq!(read_profile(file.path()).as_deref(), Some("[default]\n"));
        file.as_file().set_len(LONGEST_PROFILE + 1).expect("sparse");
        assert_eq!(read_profile(file.path()), None);
        assert_eq!(read_profile(Path::new("/dev/null")), None);
    }

    #[test]
    fn a_profile_has_only_its_own_lines() {
        let text = "[default]\nregion=\n s3 =\n  region = x\n[other]\nregion = eu-west-1\n";
        assert!(!profile_has_region(text, "default"));
        assert!(profile_has_region(text, "other"));
        assert!(!profile_has_region(text, "third"));
    }
}
