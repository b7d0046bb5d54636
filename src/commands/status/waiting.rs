//! `status --wait`: how the daemon fares after a start, for people and installers who would like to know before they leave.
//!
//! The daemon that runs now is asked, so nothing counts that happened before it was started. Data that arrived are a success, whatever fails
//! beside them: a log group that is forbidden says nothing of the metrics, and `status` shows it.
use super::{Places, Start, as_json, ask, text};
use crate::commands::EXIT_CONFIG;
use anyhow::anyhow;
use serde_json::Value;
use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Time between two questions: short for a person, long for a processor.
const PAUSE: Duration = Duration::from_millis(250);

/// What the board calls the login.
const CREDENTIALS: &str = "credentials";

/// How it fares.
#[derive(Debug, Eq, PartialEq)]
enum Fares {
    /// Data have arrived at these destinations.
    Well(Vec<String>),
    /// Nothing arrived, and this is why, as the destination's line says.
    Badly { destination: String, why: String },
    /// Nothing was tried yet. Whether the login worked, at least.
    Unknown { signed_in: bool },
}

/// Ask until it is known, at most so long.
///
/// # Errors
/// When nothing arrived: why, and what to do.
pub fn wait(places: &Places, start: &Start, seconds: u32, json: bool) -> anyhow::Result<ExitCode> {
    let end = Instant::now() + Duration::from_secs(seconds.into());
    loop {
        let is_over = Instant::now() >= end;
        match ask(&places.sockets, start) {
            Err(silence) if silence.is_nobody && !places.unread.is_empty() => {
                // It cannot come up.
                places.unread.iter().for_each(|said| eprintln!("{said}"));
                eprintln!("error: {:#}", silence.why);
                return Ok(ExitCode::from(EXIT_CONFIG));
            }
            Err(silence) if is_over || !silence.is_nobody => return Err(silence.why),
            Err(_) => {}
            Ok(document) => {
                let status = serde_json::from_slice(&document).unwrap_or(Value::Null);
                let fares = fares(&status);
                if is_over || !matches!(fares, Fares::Unknown { .. }) {
                    return tell(&fares, &status, seconds, json.then_some(&document));
                }
            }
        }
        thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
}

/// What the lines of the destinations come to.
fn fares(status: &Value) -> Fares {
    let destinations = || status["destinations"].as_object().into_iter().flatten();
    let succeeded = |line: &Value| !line["last_success"].is_null();
    let well: Vec<String> = destinations()
        .filter(|(name, line)| *name != CREDENTIALS && succeeded(line))
        .map(|(name, _)| name.clone())
        .collect();
    if !well.is_empty() {
        return Fares::Well(well);
    }
    let fails = |line: &Value| line["failures_in_a_row"].as_u64().is_some_and(|times| times > 0);
    // Where the login fails, nothing else can work: it is the one to mend.
    let login = destinations().find(|(name, line)| *name == CREDENTIALS && fails(line));
    match login.or_else(|| destinations().find(|(_, line)| fails(line))) {
        Some((name, line)) => Fares::Badly { destination: name.clone(), why: text(&line["last_error"]) },
        None => Fares::Unknown { signed_in: succeeded(&status["destinations"][CREDENTIALS]) },
    }
}

fn tell(fares: &Fares, status: &Value, seconds: u32, document: Option<&Vec<u8>>) -> anyhow::Result<ExitCode> {
    if let Some(document) = document {
        as_json(document, &mut io::stdout().lock())?;
    }
    let instance = text(&status["instance_id"]);
    match fares {
        Fares::Well(destinations) => {
            if document.is_none() {
                let plural = if destinations.len() == 1 && destinations[0] != "metrics" && destinations[0] != "logs" {
                    "arrives"
                } else {
                    "arrive"
                };
                writeln!(io::stdout(), "{} of {instance} {plural}", destinations.join(" and "))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Fares::Badly { destination, why } => {
            let advice = if destination == CREDENTIALS {
                format!(
                    "it is to sign in as {instance}: see that `agent.authentication` has the right ids and password and, with Cognito, that the user \
                     pool has this user; the daemon goes on trying"
                )
            } else {
                "the daemon goes on trying, and its log says what it does; nothing is lost meanwhile".to_owned()
            };
            Err(anyhow!("{destination}: {why}; {advice}"))
        }
        Fares::Unknown { signed_in } => {
            let so_far = if *signed_in {
                "it has signed in, and nothing was due to be sent yet"
            } else {
                "it has not sent anything yet"
            };
            Err(anyhow!(
                "the daemon runs, and within {seconds} seconds nothing has arrived or failed: {so_far}; metrics go when the first \
                 interval is over, logs when there are new lines; ask again with `amazon-cloudwatch-publisher status`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(success: bool, failures: u64) -> Value {
        let success = success.then_some(1);
        json!({ "last_success": success, "failures_in_a_row": failures, "last_error": (failures > 0).then_some("denied") })
    }

    fn of(destinations: Value) -> Fares {
        fares(&json!({ "instance_id": "sys-1", "destinations": destinations }))
    }

    #[test]
    fn data_that_arrived_count_whatever_fails_beside_them() {
        let well = |names: &[&str]| Fares::Well(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of(json!({ "metrics": line(true, 0), "logs": line(false, 3) })), well(&["metrics"]));
        assert_eq!(of(json!({ "metrics": line(true, 0), "logs": line(true, 2) })), well(&["logs", "metrics"]));
    }

    #[test]
    fn a_login_alone_is_no_success_and_a_login_that_fails_is_named_first() {
        assert_eq!(of(json!({ "credentials": line(true, 0) })), Fares::Unknown { signed_in: true });
        assert_eq!(of(json!({})), Fares::Unknown { signed_in: false });
        assert_eq!(of(Value::Null), Fares::Unknown { signed_in: false });
        let Fares::Badly { destination, why } = of(json!({ "logs": line(false, 1), "credentials": line(false, 1) }))
        else {
            panic!("it fails")
        };
        assert_eq!((destination.as_str(), why.as_str()), ("credentials", "denied"));
        assert!(matches!(of(json!({ "credentials": line(true, 0), "logs": line(false, 1) })), Fares::Badly { .. }));
    }

    #[test]
    fn a_trouble_that_is_over_is_none() {
        let over = json!({ "last_success": null, "failures_in_a_row": 0, "last_error": "denied" });
        assert_eq!(of(json!({ "credentials": over })), Fares::Unknown { signed_in: false });
    }

    #[cfg(unix)]
    #[test]
    fn nobody_is_waited_for_and_then_said_to_be_nobody() {
        let places = Places { sockets: vec!["/nonexistent/status.sock".into()], unread: vec![] };
        let start = Start { command: "x".to_owned(), hint: "" };
        let error = wait(&places, &start, 0, false).expect_err("nobody").to_string();
        assert!(error.contains("is not running") && error.contains("start it with `x`"), "{error}");
        let unread = Places { unread: vec!["c.json: error".to_owned()], ..places };
        // At once: the time is not waited for.
        assert!(wait(&unread, &start, 3600, false).is_ok());
    }
}
