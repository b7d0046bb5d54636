//! The files that the SDK reads by itself: those of the AWS profile, and those with a token. It reads each whole and waits for
//! its end, so a device would fill the memory and a pipe would hold up everything: [`check`] is asked before.
//!
//! What is missing, or a folder, the SDK passes over by itself. To watch another file, add it to [`check`].
use super::auth::SignInError;
use aws_types::os_shim_internal::Env;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The longest profile file, in bytes. Those of people with hundreds of accounts have some ten thousand.
const LONGEST_PROFILE: u64 = 1 << 20;
/// The longest file with a token. It becomes a header or a parameter, of a few thousand bytes.
const LONGEST_TOKEN: u64 = 16 << 10;
/// Variables that move the profile files, and where they are otherwise.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>
const PROFILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")];
/// Names the profile.
pub(super) const NAME: &str = "AWS_PROFILE";
/// Variables that name a file with a token.
const TOKENS: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
/// The same in a profile.
const TOKEN_KEY: &str = "web_identity_token_file";
const COMMAND_KEY: &str = "credential_process";
/// Holds nothing, which is why people name it.
const NOTHING: &str = "/dev/null";

/// Whether the SDK may read what it will read.
pub(super) fn check(env: &Env) -> Result<(), SignInError> {
    for path in TOKENS.iter().filter_map(|variable| env.get(variable).ok()) {
        fits(Path::new(&path), LONGEST_TOKEN)?;
    }
    for path in profiles(env) {
        fits(&path, LONGEST_PROFILE)?;
        for token in values(&text(&path), TOKEN_KEY) {
            fits(Path::new(token), LONGEST_TOKEN)?;
        }
    }
    Ok(())
}

/// Whether a profile has a command that brings the keys. Ask [`check`] first.
pub(super) fn names_a_command(env: &Env) -> bool {
    profiles(env).any(|path| values(&text(&path), COMMAND_KEY).next().is_some())
}

/// The profile that the environment names, who says so, and where it is looked for; `None`: it names none.
pub(super) fn named(env: &Env, by: &str) -> Option<String> {
    let name = env.get(NAME).ok().filter(|name| !name.is_empty())?;
    Some(format!("the profile `{name}` ({by}) of {}", files(env)))
}

/// The profile files, for people.
pub(super) fn files(env: &Env) -> String {
    profiles(env).map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

fn profiles(env: &Env) -> impl Iterator<Item = PathBuf> {
    let home = env.get("HOME").or_else(|_| env.get("USERPROFILE")).ok();
    PROFILES.into_iter().map(move |(variable, usual)| {
        let path = env.get(variable).unwrap_or_else(|_| usual.to_owned());
        match (path.strip_prefix('~').and_then(|rest| rest.strip_prefix(['/', '\\'])), &home) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => PathBuf::from(path),
        }
    })
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// All that stands for this key, in whichever profile.
fn values<'a>(text: &'a str, key: &'static str) -> impl Iterator<Item = &'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.filter(move |(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

fn fits(path: &Path, longest: u64) -> Result<(), SignInError> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let fault = if found.is_dir() || path == Path::new(NOTHING) {
        return Ok(());
    } else if !found.is_file() {
        "it is a device, a pipe or a socket, and must be a file".to_owned()
    } else if found.len() > longest {
        format!("it has {} bytes, and may have {longest}", found.len())
    } else {
        return Ok(());
    };
    Err(SignInError::Unreadable { path: path.to_path_buf(), source: io::Error::other(fault) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::printed;

    fn refused(env: &[(&str, &str)]) -> Option<String> {
        check(&Env::from_slice(env)).err().map(|error| printed(&error))
    }

    #[test]
    fn files_missing_files_and_folders_may_be_read_and_what_has_no_end_may_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        fs::write(&file, "[default]\nregion = eu-west-1\n").expect("ours");
        let (file, folder) = (file.display().to_string(), folder.path().display().to_string());
        let device = "/dev/zero".to_owned();
        for variable in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", TOKENS[0], TOKENS[1]] {
            for fine in [&file, &folder, "/nowhere/config", NOTHING, ""] {
                assert_eq!(refused(&[(variable, fine)]), None, "{variable}={fine}");
            }
            if Path::new(&device).exists() {
                let said = refused(&[(variable, &device)]).expect("refused");
                assert!(said.starts_with("cannot read /dev/zero: it is a device, a pipe or a socket"), "{said}");
            }
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("temporary");
        file.as_file().set_len(LONGEST_TOKEN + 1).expect("sparse");
        let path = file.path().to_str().expect("UTF-8");
        assert!(refused(&[(TOKENS[0], path)]).is_some_and(|said| said.contains("16385 bytes, and may have 16384")));
        assert_eq!(refused(&[("AWS_CONFIG_FILE", path)]), None);
        file.as_file().set_len(LONGEST_PROFILE + 1).expect("sparse");
        assert!(refused(&[("AWS_CONFIG_FILE", path)]).is_some());
    }

    #[test]
    fn the_usual_files_are_in_the_home_folder_and_profiles_name_tokens_and_commands() {
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir(home.path().join(".aws")).expect("ours");
        let token = home.path().join("token");
        let put = |name: &str, text: String| fs::write(home.path().join(name), text).expect("ours");
        put(".aws/config", format!("[profile a]\n{TOKEN_KEY}={}\n", token.display()));
        put("token", "t".repeat(20_000));
        let env = [("HOME", home.path().to_str().expect("UTF-8"))];
        assert!(refused(&env).is_some_and(|said| said.contains("20000 bytes")));
        assert!(refused(&[env[0], ("AWS_CONFIG_FILE", "~/.aws/config")]).is_some());
        put("token", "t".to_owned());
        assert_eq!(refused(&env), None);
        assert!(!names_a_command(&Env::from_slice(&env)));
        put(".aws/credentials", "[a]\n credential_process = keys --now\n".to_owned());
        assert!(names_a_command(&Env::from_slice(&env)));
    }
}
