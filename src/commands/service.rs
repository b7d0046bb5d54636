//! `service`: our services at the service manager of this system.
use super::table::table;
use crate::{
    cli,
    daemon::service::{self, Service, State, Verb},
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Do it, and print what came of it.
///
/// # Errors
/// When it cannot be done, with what to do.
pub fn run(arguments: &cli::Service) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match arguments {
        cli::Service::List { json } => {
            let services = service::of_this_system(Verb::List)?.list()?;
            match if *json { as_json(&services, &mut out) } else { print(&services, &mut out) } {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                printed => printed?,
            }
        }
        cli::Service::Enable { label } => {
            let label = service::known(label.as_deref())?;
            let service = service::of_this_system(Verb::Enable)?.enable(label)?;
            writeln!(out, "{label} is enabled and {}", state(&service))?;
        }
        cli::Service::Disable { label } => {
            let label = service::known(label.as_deref())?;
            service::of_this_system(Verb::Disable)?.disable(label)?;
            writeln!(out, "{label} is stopped and disabled")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(services: &[Service], out: &mut dyn Write) -> io::Result<()> {
    let rows = services.iter().map(|service| {
        let plist = service.plist.display().to_string();
        [service.label.to_owned(), state(service), plist]
    });
    table(out, ["LABEL", "STATE", "PLIST"], [], rows.collect())
}

fn as_json(services: &[Service], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Value> = services.iter().map(document).collect();
    writeln!(out, "{}", Value::from(all))
}

fn document(service: &Service) -> Value {
    let (word, pid, last_exit) = match service.state {
        State::Running { pid } => ("running", Some(pid), None),
        State::NotRunning { last_exit } => ("not_running", None, last_exit),
        State::Disabled => ("disabled", None, None),
        State::NotLoaded => ("not_loaded", None, None),
        State::NotInstalled => ("not_installed", None, None),
    };
    json!({
        "label": service.label, "state": word, "pid": pid, "last_exit_code": last_exit, "disabled": service.disabled,
        "plist": service.plist.to_string_lossy(),
    })
}

/// In a few words.
fn state(service: &Service) -> String {
    let loaded = match service.state {
        State::Running { pid } => format!("running (pid {pid})"),
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
        Service { label: service::PUBLISHER, state, disabled, plist: "/p.plist".into() }
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
