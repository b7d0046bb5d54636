//! `config create`: a finished configuration out of a template, on the disk whole or not at all.
//!
//! It is written beside its place, read as the daemon would read it, and only then put there. One that is there stays, unless `--force`
//! says otherwise: nobody loses what they wrote by installing twice.
use super::answers::{self, AtTheTerminal, Missing, Person, SignIn};
use crate::{
    cli::Create,
    commands::{EXIT_CONFIG, EXIT_USAGE},
    config::{self, default_path},
    ops::composing::{self, ComposeError, Instance},
    platform::{
        accounts, disk, files,
        installed::{LINUX_USER, MACOS_USER},
        permissions,
    },
};
use anyhow::{Context, bail};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tempfile::NamedTempFile;

/// The configuration of a thousand logs has half a megabyte.
const LARGEST_TEMPLATE: u64 = 16 << 20;
/// What a program ends with that was interrupted at the terminal: 128 and the number of SIGINT.
const EXIT_INTERRUPTED: u8 = 130;
/// The prefix of a machine whose template names none: the daemon's own default.
const PREFIX: &str = "sys";

/// The groups that the service runs as.
const GROUPS: [&str; 2] = [LINUX_USER, MACOS_USER];

/// Compose and write it.
///
/// # Errors
/// When the template cannot be read or the file not be written.
pub fn run(arguments: &Create) -> anyhow::Result<ExitCode> {
    let path = arguments.path.clone().unwrap_or_else(default_path);
    if fs::symlink_metadata(&path).is_ok() && !arguments.force {
        writeln!(io::stdout(), "{} is there, and stays as it is; --force replaces it", path.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    let composed = match composed(arguments, &mut AtTheTerminal) {
        Err(error) => return refusal(error),
        Ok(composed) => composed,
    };
    // A link stays one: what it leads to is replaced.
    let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let group = group(arguments, &real);
    if !written(&real, &composed, group)? {
        eprintln!(
            "error: nothing was written: the configuration could not run; correct {}",
            arguments.template.display()
        );
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let readers = group.map_or_else(String::new, |group| format!("; only root and the group {group} may read it"));
    writeln!(io::stdout(), "{} is written{readers}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// What was given wrongly is wrong usage.
fn refusal(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let usage = error.is::<Missing>() || matches!(error.downcast_ref(), Some(ComposeError::Unfit { .. }));
    let interrupted = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::Interrupted);
    if interrupted {
        eprintln!("interrupted; nothing was written");
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    if !usage {
        return Err(error);
    }
    eprintln!("error: {error:#}; nothing was written");
    Ok(ExitCode::from(EXIT_USAGE))
}

fn composed(arguments: &Create, person: &mut dyn Person) -> anyhow::Result<String> {
    let template = arguments.template.display();
    let bytes = files::read_small(&arguments.template, LARGEST_TEMPLATE)
        .with_context(|| format!("the template {template} could not be read"))?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("the template {template} is not UTF-8") };
    let instance = arguments
        .serial
        .clone()
        .map(|serial| Instance { prefix: composing::prefix(&text).unwrap_or_else(|| PREFIX.to_owned()), serial });
    let composed = match answers::find(arguments, |name| std::env::var(name).ok(), person)? {
        SignIn::Cognito(login) => composing::compose(&text, &login, instance.as_ref()),
        SignIn::Region(region) => composing::compose_without_login(&text, &region, instance.as_ref()),
    };
    match composed {
        Err(error @ ComposeError::Unfit { .. }) => Err(error.into()),
        composed => composed.with_context(|| format!("no configuration can be made of {template}")),
    }
}

/// Who is to read it. The service's own configuration is of no use that the service may not read.
fn group<'a>(arguments: &'a Create, path: &Path) -> Option<&'a str> {
    let is_the_services = || path == default_path();
    match &arguments.group {
        Some(group) => Some(group),
        None if is_the_services() => GROUPS.into_iter().find(|group| accounts::has_group(group)),
        None => None,
    }
}

/// Whether it could run, and so stands there now. What is to be said of it is said on standard error, under the name that it will have.
fn written(path: &Path, composed: &str, group: Option<&str>) -> anyhow::Result<bool> {
    // What a device, a FIFO or a folder is for would be gone.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        bail!("{} is there and is no file, and is not replaced: name another place", path.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || format!("{} could not be written; is its folder there, and may you write to it?", path.display());
    // Its name ends as none does that is read from a folder of configurations.
    let mut draft = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder).with_context(failed)?;
    draft.write_all(composed.as_bytes()).with_context(failed)?;
    let mut loaded = config::load(draft.path());
    for finding in &mut loaded.findings {
        finding.file = PathBuf::from(path);
        eprintln!("{finding:#}");
    }
    if loaded.settings.is_none() {
        return Ok(false);
    }
    if let Some(group) = group {
        let what = || format!("{} could not be given to the group {group}; nothing was written", path.display());
        accounts::give_to_group(draft.path(), group).with_context(what)?;
    }
    place(draft, path, group.is_some()).and_then(|()| disk::sync_folder(folder)).with_context(failed)?;
    Ok(true)
}

/// It may hold a password: a draft is its owner's alone, and stays so where no group was meant. The one that it has then is that of
/// whoever calls, or of the folder.
fn place(draft: NamedTempFile, path: &Path, group_reads: bool) -> io::Result<()> {
    // After its group has become another: not before may that group read it.
    if group_reads {
        permissions::let_group_read(draft.as_file())?;
    }
    draft.as_file().sync_all()?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_service_own_configuration_is_given_to_its_group_unasked() {
        let mut arguments = Create {
            path: None,
            template: "t".into(),
            region: None,
            account_id: None,
            user_pool_id: None,
            identity_pool_id: None,
            app_client_id: None,
            password_file: None,
            no_login: true,
            serial: None,
            group: None,
            force: false,
        };
        assert_eq!(group(&arguments, Path::new("/tmp/c.json")), None);
        let known = GROUPS.into_iter().find(|group| accounts::has_group(group));
        assert_eq!(group(&arguments, &default_path()), known);
        arguments.group = Some("adm".into());
        assert_eq!(group(&arguments, Path::new("/tmp/c.json")), Some("adm"));
    }

    #[cfg(unix)]
    #[test]
    fn a_group_reads_it_only_where_one_was_meant() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.json");
        let mode_with = |group: Option<&str>| {
            assert!(written(&path, "{}", group).expect("written"));
            fs::metadata(&path).expect("there").permissions().mode() & 0o777
        };
        assert_eq!(mode_with(None), 0o600);
        let own = rustix::process::getegid().as_raw();
        let groups = fs::read_to_string("/etc/group").expect("every Unix has one");
        let name_of = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2)?.parse() == Ok(own)).then(|| fields[0].to_owned())
        };
        if let Some(name) = groups.lines().find_map(name_of) {
            assert_eq!(mode_with(Some(&name)), 0o640);
        }
        assert_eq!(mode_with(None), 0o600, "whatever it replaces");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.json");
        fs::create_dir(&path).expect("ours");
        let why = written(&path, "{}", None).expect_err("a folder").to_string();
        assert!(why.contains("is no file, and is not replaced"), "{why}");
        #[cfg(unix)]
        {
            let socket = folder.path().join("s.json");
            let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("ours");
            assert!(written(&socket, "{}", None).is_err());
            assert!(!fs::metadata(&socket).expect("there").is_file());
        }
    }

    #[test]
    fn what_cannot_run_replaces_nothing_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.json");
        fs::write(&path, "old").expect("ours");
        assert!(!written(&path, r#"{ "agent": { "debug": 1 } }"#, None).expect("tried"));
        assert!(written(&path, "{}", Some("no-such-group-here")).is_err());
        assert_eq!(fs::read_to_string(&path).expect("there"), "old");
        assert!(written(&path, "{}", None).expect("written"));
        assert_eq!(fs::read_to_string(&path).expect("there"), "{}");
        assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 1);
        assert!(written(&folder.path().join("none").join("c.json"), "{}", None).is_err());
    }
}
