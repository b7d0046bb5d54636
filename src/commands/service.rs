//! `service`: our services at the service manager of this system.
use super::{EXIT_CONFIG, table::table};
use crate::{
    cli,
    config::{self, Sends},
    daemon::service::{self, Control, Fate, Installed, Service, State, Uninstalled},
};
use anyhow::bail;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// Do it, and print what came of it.
///
/// # Errors
/// When it cannot be done, with what to do.
pub fn run(arguments: &cli::Service) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let control = service::of_this_system()?;
    match arguments {
        cli::Service::Install(cli::Root { root }) => {
            if root.is_none() {
                control.prepared()?;
                if !is_sound(&config::default_path())? {
                    return Ok(ExitCode::from(EXIT_CONFIG));
                }
            }
            say_installed(&control.install(root.as_deref())?, &mut out)?;
        }
        cli::Service::Uninstall(cli::Root { root }) => say_uninstalled(&control.uninstall(root.as_deref())?, &mut out)?,
        cli::Service::List { json } => {
            let services = control.list()?;
            until_enough(if *json { as_json(&services, &mut out) } else { print(&services, &mut out) })?;
        }
        cli::Service::Enable { name } => {
            let name = service::known(&*control, name.as_deref())?;
            let service = control.enable(name)?;
            writeln!(out, "{name} is enabled and {}", state(&service))?;
        }
        cli::Service::Disable { name } => {
            let name = service::known(&*control, name.as_deref())?;
            control.disable(name)?;
            writeln!(out, "{name} is stopped and disabled")?;
        }
        cli::Service::Status { name, json } => return status(&*control, name.as_deref(), *json, &mut out),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever reads may have seen enough.
fn until_enough(printed: io::Result<()>) -> io::Result<()> {
    printed.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Whether the service could run with this configuration; what is wrong with it is said on standard error.
fn is_sound(config: &Path) -> anyhow::Result<bool> {
    if !config.exists() {
        bail!(
            "there is no configuration at {}, so the service could not run, and nothing was installed; put one there, see that \
             `amazon-cloudwatch-publisher validate` finds no error in it, then try again",
            config.display()
        );
    }
    let loaded = config::load_checked(config, Sends::AsConfigured);
    loaded.findings.iter().for_each(|finding| eprintln!("{finding:#}"));
    if loaded.settings.is_none() {
        eprintln!(
            "error: the service could not run with {}, so nothing was installed; correct it until \
             `amazon-cloudwatch-publisher validate` finds no error, then try again",
            config.display()
        );
    }
    Ok(loaded.settings.is_some())
}

fn say_installed(installed: &Installed, out: &mut dyn Write) -> io::Result<()> {
    let file = installed.file.display();
    match installed.fate {
        Fate::Unchanged => writeln!(out, "{file} was there, as it is to be")?,
        Fate::OfPackage => writeln!(out, "{file} is of a package, or a link, and is used as it is")?,
        Fate::Replaced => {
            let kept = service::kept_beside(&installed.file);
            writeln!(out, "{file} is written; what somebody else had written there is kept as {}", kept.display())?;
        }
        Fate::Registered => writeln!(out, "{file} is registered as a service")?,
        Fate::Written | Fate::Removed | Fate::WasNotThere | Fate::Unregistered | Fate::WasNotRegistered => {
            writeln!(out, "{file} is written")?
        }
    }
    match &installed.service {
        Some(service) => writeln!(out, "{} is enabled and {}{}", service.name, state(service), note(service)),
        None => writeln!(out, "nothing was started: that system does it, once the service is enabled there"),
    }
}

fn say_uninstalled(uninstalled: &Uninstalled, out: &mut dyn Write) -> io::Result<()> {
    let file = uninstalled.file.display();
    match uninstalled.fate {
        Fate::WasNotThere => writeln!(out, "there was no {file}"),
        Fate::OfPackage => {
            writeln!(out, "the service is stopped and disabled; {file} is not removed: it is of a package, or a link")
        }
        Fate::WasNotRegistered => writeln!(out, "there was no such service"),
        Fate::Unregistered => writeln!(out, "the service is stopped and removed; {file} stays"),
        Fate::Removed | Fate::Written | Fate::Replaced | Fate::Unchanged | Fate::Registered => {
            writeln!(out, "{file} is removed")
        }
    }
}

/// One service in words; programs look at the exit code.
fn status(control: &dyn Control, name: Option<&str>, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let service = control.status(service::known(control, name)?)?;
    until_enough(if json {
        writeln!(out, "{}", document(&service))
    } else {
        writeln!(out, "{} is {}{}", service.name, state(&service), note(&service))
    })?;
    let runs = matches!(service.state, State::Running { .. });
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(services: &[Service], out: &mut dyn Write) -> io::Result<()> {
    let rows = services.iter().map(|service| {
        let file = service.file.display().to_string();
        [service.name.to_owned(), state(service), file]
    });
    table(out, ["SERVICE", "STATE", "FILE"], [], rows.collect())
}

fn as_json(services: &[Service], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Value> = services.iter().map(document).collect();
    writeln!(out, "{}", Value::from(all))
}

fn document(service: &Service) -> Value {
    let (word, pid, last_exit) = match service.state {
        State::Running { pid } => ("running", Some(pid), None),
        State::Starting => ("starting", None, None),
        State::Stopping => ("stopping", None, None),
        State::NotRunning { last_exit } => ("not_running", None, last_exit),
        State::Disabled => ("disabled", None, None),
        State::NotLoaded => ("not_loaded", None, None),
        State::NotInstalled => ("not_installed", None, None),
    };
    json!({
        "service": service.name, "state": word, "pid": pid, "last_exit_code": last_exit, "disabled": service.disabled,
        "file": service.file.to_string_lossy(), "note": service.note,
    })
}

/// What else there is to say of it, behind its state.
fn note(service: &Service) -> String {
    service.note.as_ref().map_or_else(String::new, |note| format!(": {note}"))
}

/// In a few words.
fn state(service: &Service) -> String {
    let loaded = match service.state {
        State::Running { pid } => format!("running (pid {pid})"),
        State::Starting => "starting".to_owned(),
        State::Stopping => "stopping".to_owned(),
        State::NotRunning { last_exit } => format!("loaded, not running{}", service::exit_text(last_exit)),
        State::Disabled => return "disabled".to_owned(),
        State::NotLoaded => return "not loaded".to_owned(),
        State::NotInstalled => return "not installed".to_owned(),
    };
    if service.disabled { format!("{loaded}, disabled from the next start of the machine on") } else { loaded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(state: State, disabled: bool) -> Service {
        Service { name: service::PUBLISHER, state, disabled, file: "/p.plist".into(), note: None }
    }

    #[test]
    fn people_see_what_a_service_does() {
        for (of, disabled, words) in [
            (State::Running { pid: 7 }, false, "running (pid 7)"),
            (State::Running { pid: 7 }, true, "running (pid 7), disabled from the next start of the machine on"),
            (State::NotRunning { last_exit: Some(78) }, false, "loaded, not running (last exit code 78)"),
            (State::NotRunning { last_exit: None }, false, "loaded, not running"),
            (State::Disabled, true, "disabled"),
            (State::NotLoaded, false, "not loaded"),
            (State::NotInstalled, true, "not installed"),
        ] {
            assert_eq!(state(&service(of, disabled)), words);
        }
        let mut out = vec![];
        print(&[service(State::NotLoaded, false)], &mut out).expect("memory takes all");
        let out = String::from_utf8(out).expect("UTF-8");
        assert_eq!(out.lines().last(), Some("com.amazonaws.amazon-cloudwatch-publisher  not loaded  /p.plist"));
    }

    #[test]
    fn programs_see_the_same_as_one_list() {
        let mut out = vec![];
        let services =
            [service(State::Running { pid: 7 }, false), service(State::NotRunning { last_exit: Some(1) }, true)];
        as_json(&services, &mut out).expect("memory takes all");
        let list: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(
            (&list[0]["state"], &list[0]["pid"], &list[0]["last_exit_code"]),
            (&json!("running"), &json!(7), &Value::Null)
        );
        assert_eq!(
            (&list[1]["state"], &list[1]["last_exit_code"], &list[1]["disabled"]),
            (&json!("not_running"), &json!(1), &json!(true))
        );
    }
}
