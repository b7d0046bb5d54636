//! `status --wait`: how the daemon fares after a start, for people and installers who would like to know before they leave.
//!
//! The daemon that runs now is asked, so nothing counts that happened before it was started. Data that arrived are a success, whatever fails
//! beside them: a log group that is forbidden says nothing of the metrics, and `status` shows it.
use super::{Places, as_json, ask, start, text};
use crate::{
    cli::Status,
    commands::{EXIT_CONFIG, config_or_default},
    config,
    model::limits,
};
use anyhow::anyhow;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{self, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Time between two questions: short for a person, long for a processor.
const PAUSE: Duration = Duration::from_millis(250);

/// What the board calls the login.
const CREDENTIALS: &str = "credentials";

/// Where data arrive. What the board tells of besides, as of the positions on the disk, is no delivery.
const DATA: [&str; 2] = ["metrics", "logs"];

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
pub fn wait(arguments: &Status, places: &Places, seconds: u32) -> anyhow::Result<ExitCode> {
    let start = start(arguments);
    let end = Instant::now() + Duration::from_secs(seconds.into());
    loop {
        let is_over = Instant::now() >= end;
        match ask(&places.sockets, &start) {
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
                    if arguments.json {
                        as_json(&document, &mut io::stdout().lock())?;
                    }
                    return tell(arguments, &fares, &status, seconds);
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
        .filter(|(name, line)| DATA.contains(&name.as_str()) && succeeded(line))
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

fn tell(arguments: &Status, fares: &Fares, status: &Value, seconds: u32) -> anyhow::Result<ExitCode> {
    let instance = text(&status["instance_id"]);
    match fares {
        Fares::Well(_) if arguments.json => Ok(ExitCode::SUCCESS),
        Fares::Well(destinations) => {
            let mut out = io::stdout().lock();
            writeln!(out, "the first {} of {instance} have arrived", destinations.join(" and "))?;
            let region =
                config::load(&config_or_default(arguments.config.as_deref())).settings.and_then(|s| s.agent.region);
            let region = region.filter(|_| status["destination"] == "aws");
            for link in region.iter().flat_map(|region| links(status, region)) {
                writeln!(out, "{link}")?;
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

/// Where people see each log group in the console.
fn links(status: &Value, region: &str) -> BTreeSet<String> {
    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>: the partitions that anybody may have an account in.
    let domain = match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "amazonaws.cn",
        ["us", "gov", ..] => "amazonaws-us-gov.com",
        [area, direction, number]
            if area.len() == 2 && !direction.starts_with("iso") && number.parse::<u8>().is_ok() =>
        {
            "aws.amazon.com"
        }
        _ => return BTreeSet::new(),
    };
    let groups = status["sources"].as_array().into_iter().flatten().filter_map(|source| source["group"].as_str());
    // The console decodes the part behind `#` twice, and has `$` there in place of `%`.
    let encoded = |group: &str| group.replace('/', "$252F").replace('#', "$2523");
    let link = |group: &str| {
        let group = encoded(group);
        format!("https://{region}.console.{domain}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}")
    };
    groups.filter(|group| !group.is_empty() && group.chars().all(limits::fits_group)).map(link).collect()
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
        assert_eq!(of(json!({ "positions": line(true, 0) })), Fares::Unknown { signed_in: false });
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
        let arguments = Status { config: Some("/c.json".into()), local: None, wait: None, json: false };
        let error = wait(&arguments, &places, 0).expect_err("nobody").to_string();
        assert!(error.contains("is not running") && error.contains("start it with `"), "{error}");
        let unread = Places { unread: vec!["c.json: error".to_owned()], ..places };
        // At once: the time is not waited for.
        assert!(wait(&arguments, &unread, 3600).is_ok());
    }

    #[test]
    fn each_log_group_has_one_link_into_the_console_of_its_partition() {
        let status = json!({ "sources": [
            { "group": "/system/rpi/a" }, { "group": "/system/rpi/a" }, { "group": "b#1" }, { "group": "" }, { "group": "a b" },
        ] });
        let expected = [
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fsystem$252Frpi$252Fa",
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/b$25231",
        ];
        assert!(links(&status, "eu-west-1").iter().eq(&expected));
        let begins = |region: &str, with: &str| links(&status, region).iter().all(|link| link.starts_with(with));
        assert!(begins("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"));
        assert!(begins("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"));
        assert!(links(&status, "us-iso-east-1").is_empty() && links(&status, "local").is_empty());
    }
}
