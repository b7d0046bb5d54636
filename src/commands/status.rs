//! `status`: what the running daemon says about itself.
mod waiting;

use super::{EXIT_CONFIG, config_or_default, table::table};
use crate::{
    cli::Status,
    config,
    daemon::{self, Home, Override},
    telemetry::counters,
};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Ask the daemon of this configuration and print its answer.
///
/// # Errors
/// When no daemon answers.
pub fn run(arguments: &Status) -> anyhow::Result<ExitCode> {
    let config = config_or_default(arguments.config.as_deref());
    let places = places(arguments, &config);
    if let Some(seconds) = arguments.wait {
        return waiting::wait(arguments, &places, seconds);
    }
    let Places { sockets, unread } = places;
    let document = match ask(&sockets, &start(arguments)) {
        Err(error) if !unread.is_empty() => {
            unread.iter().for_each(|said| eprintln!("{said}"));
            if !error.is_nobody {
                return Err(error.why);
            }
            eprintln!("error: {:#}", error.why);
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
        asked => asked.map_err(|error| error.why)?,
    };
    if !unread.is_empty() {
        eprintln!(
            "note: {0} has errors and cannot be used; what answers was found without it, and its next start would fail: `amazon-cloudwatch-publisher validate {0}` lists them",
            config.display()
        );
    }
    let status: Value = serde_json::from_slice(&document).context("the daemon's answer is cut short; ask again")?;
    if !status.is_object() {
        bail!("the daemon's answer is not understood; is it of another version?");
    }
    if let Some(other) = other_config(&status, &config).filter(|_| !is_named_by_folder(arguments)) {
        eprintln!("note: the daemon that answers runs with {other}, not with {}", config.display());
    }
    let mut out = io::stdout().lock();
    let printed = if arguments.json { as_json(&document, &mut out) } else { print(&status, &mut out) };
    match printed {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the folder of the store says alone which daemon is meant.
fn is_named_by_folder(arguments: &Status) -> bool {
    arguments.config.is_none() && matches!(arguments.local, Some(Some(_)))
}

/// Where the daemon may answer.
#[derive(Debug)]
struct Places {
    sockets: Vec<PathBuf>,
    /// What is wrong with a configuration that would have told; empty where nothing is.
    unread: Vec<String>,
}

/// Each destination has a state folder of its own. While a configuration has errors, the daemon may run all the same, since before it was
/// changed: where it can still be told that it keeps its state, else in the usual places.
fn places(arguments: &Status, config: &Path) -> Places {
    let of_store = |folder: &PathBuf| vec![Home::of_store(folder.clone())];
    // The configuration has no say in it.
    if let (None, Some(Some(folder))) = (&arguments.config, &arguments.local) {
        return Places::at(of_store(folder), vec![]);
    }
    let loaded = config::load(config);
    let homes = match (loaded.settings.as_ref().or(loaded.draft.as_ref()), &arguments.local) {
        (Some(settings), Some(folder)) => Home::candidates(settings, &Override::Local(folder.clone())),
        (Some(settings), None) => {
            let to = [Override::AsConfigured, Override::Local(None)];
            to.iter().flat_map(|to| Home::candidates(settings, to)).collect()
        }
        (None, Some(Some(folder))) => of_store(folder),
        (None, Some(None)) => Home::usual().into_iter().filter(|home| home.store.is_some()).collect(),
        (None, None) => Home::usual(),
    };
    let is_unread = loaded.settings.is_none();
    let findings = loaded.findings.iter().filter(|_| is_unread);
    Places::at(homes, findings.map(|finding| format!("{finding:#}")).collect())
}

impl Places {
    fn at(homes: Vec<Home>, unread: Vec<String>) -> Self {
        Self { sockets: homes.iter().map(|home| daemon::socket_path(&home.state)).collect(), unread }
    }
}

/// Why there is no answer.
#[derive(Debug)]
struct Silence {
    /// Nothing listens at any of the places.
    is_nobody: bool,
    why: anyhow::Error,
}

/// What to do where no daemon answers.
#[derive(Debug)]
struct Start {
    command: String,
    /// What else may be the matter; may be empty.
    hint: &'static str,
}

/// What starts the daemon that is asked for.
fn start(arguments: &Status) -> Start {
    let hint = match arguments.local {
        None => ", or, if it runs with --local=DIR, ask with that",
        Some(_) => "",
    };
    Start { command: start_command(arguments), hint }
}

fn start_command(arguments: &Status) -> String {
    let config = config_or_default(arguments.config.as_deref());
    // Where there is none, whoever starts it has to choose one.
    let config = if arguments.config.is_none() && !config.exists() { Path::new("CONFIG") } else { &config };
    let config = config.display();
    match &arguments.local {
        None => format!("amazon-cloudwatch-publisher {config}"),
        Some(None) => format!("amazon-cloudwatch-publisher run {config} --local"),
        Some(Some(folder)) => format!("amazon-cloudwatch-publisher run {config} --local={}", folder.display()),
    }
}

fn ask(sockets: &[PathBuf], start: &Start) -> Result<Vec<u8>, Silence> {
    let mut why: Option<(io::Error, &Path)> = None;
    for socket in sockets {
        match daemon::ask(socket) {
            Ok(document) => return Ok(document),
            // One that is there and does not answer tells more than one that is not there.
            Err(error) if why.is_none() || !is_nobody(&error) => why = Some((error, socket)),
            Err(_) => {}
        }
    }
    let Some((error, socket)) = why else {
        return Err(Silence { is_nobody: true, why: anyhow!("there is nobody to ask") });
    };
    let (is_nobody, at) = (is_nobody(&error), socket.display());
    let said = match error.kind() {
        // Whether anything is there cannot even be looked up.
        io::ErrorKind::PermissionDenied if fs::symlink_metadata(socket).is_err() => format!(
            "whether a daemon runs cannot be told: this user may not look into {}, and one may be asked by its own user and group only: ask as one of them, or with sudo",
            socket.parent().unwrap_or(socket).display()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("a daemon at {at} may be asked by its own user and group only: ask as one of them, or with sudo")
        }
        _ if is_nobody => {
            let Start { command, hint } = start;
            format!("the daemon is not running: nobody answers at {at}; start it with `{command}`{hint}")
        }
        _ => format!("the daemon at {at} gave no answer; its log says what it is at, and so does `ps`"),
    };
    Err(Silence { is_nobody, why: anyhow::Error::new(error).context(said) })
}

/// No socket, or one that a dead daemon left.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::Unsupported)
}

/// The daemon's configuration, if it is another file than the one that was named: a state folder may be shared by mistake.
fn other_config<'a>(status: &'a Value, config: &Path) -> Option<&'a str> {
    let theirs = status["config"].as_str()?;
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    (real(Path::new(theirs)) != real(config)).then_some(theirs)
}

fn as_json(document: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(document)?;
    writeln!(out)
}

/// The document for people: what it is, where things go, what comes from where, what was counted.
fn print(status: &Value, out: &mut dyn Write) -> io::Result<()> {
    for key in ["version", "process", "config", "state_folder", "store", "instance_id", "destination"] {
        if !status[key].is_null() {
            writeln!(out, "{key:>14}  {}", text(&status[key]))?;
        }
    }
    writeln!(out, "{:>14}  {}", "started", time(&status["started"]))?;
    if let refused @ Value::Object(_) = &status["refused_reload"] {
        let (at, why) = (time(&refused["at"]), text(&refused["error"]));
        writeln!(
            out,
            "{:>14}  {at}: {why}; what it was started with goes on, and its next start may fail",
            "not reloaded"
        )?;
    }
    writeln!(out)?;
    let destinations = status["destinations"].as_object().into_iter().flatten();
    let rows = destinations.map(|(name, state)| destination(name, state)).collect();
    table(out, ["DESTINATION", "LAST SUCCESS", "WAITING", "LAST ERROR"], [2], rows)?;
    writeln!(out)?;
    let sources = status["sources"].as_array().into_iter().flatten();
    let rows: Vec<_> = sources.filter(|source| source["name"] != "").map(source).collect();
    if rows.is_empty() {
        writeln!(out, "No log sources.")?;
    } else {
        table(out, ["SOURCE", "GROUP", "STREAM", "DELIVERED", "BEHIND", "UNSENT SINCE", "STATE"], [3, 4], rows)?;
    }
    let counters = status["counters"].as_object().into_iter().flatten().filter(|(_, value)| value.as_u64() != Some(0));
    let rows: Vec<_> = counters
        .map(|(name, value)| {
            let summary = counters::ALL.iter().find(|c| c.name == name).map_or("", |c| c.summary);
            [value.to_string(), name.clone(), summary.to_owned()]
        })
        .collect();
    if !rows.is_empty() {
        writeln!(out)?;
        table(out, ["COUNT", "COUNTER", "MEANING"], [0], rows)?;
    }
    Ok(())
}

fn destination(name: &str, state: &Value) -> [String; 4] {
    let error = match (&state["last_error"], state["failures_in_a_row"].as_u64()) {
        (Value::Null, _) => "-".to_owned(),
        (error, Some(0) | None) => format!("(over) {}", text(error)),
        (error, Some(1)) => text(error),
        (error, Some(times)) => format!("{} ({times} times in a row)", text(error)),
    };
    [name.to_owned(), time(&state["last_success"]), text(&state["waiting_batches"]), error]
}

fn source(source: &Value) -> [String; 7] {
    let behind = source["lag"].as_u64().map_or("?".into(), |lag| lag.to_string());
    let state = match (&source["last_error"], &source["state"]) {
        (Value::String(error), _) => error.clone(),
        (_, Value::String(state)) if !state.is_empty() => state.clone(),
        _ => "-".to_owned(),
    };
    let cell = |key: &str| text(&source[key]);
    let unsent = if source["unsent_since"].is_null() { "-".into() } else { time(&source["unsent_since"]) };
    [cell("name"), cell("group"), cell("stream"), cell("acknowledged"), behind, unsent, state]
}

/// One line, whatever is in it.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn time(value: &Value) -> String {
    value.as_i64().map_or("never".into(), |millis| crate::model::Timestamp::from_millis(millis).rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(status: &Value) -> String {
        let mut out = vec![];
        print(status, &mut out).expect("memory takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[cfg(unix)]
    fn nobody() -> Start {
        Start { command: "x".to_owned(), hint: "" }
    }

    #[cfg(unix)]
    #[test]
    fn only_where_nobody_listens_it_is_not_running() {
        let folder = tempfile::tempdir().expect("a folder");
        let left_behind = folder.path().join("status.sock");
        drop(std::os::unix::net::UnixListener::bind(&left_behind).expect("bound"));
        for (socket, word) in [
            (folder.path().join("none"), "start it with `x`"),
            (left_behind, "start it with `x`"),
            // Longer than the address of a socket may be: it cannot be asked, whatever runs there.
            (folder.path().join("s".repeat(200)), "gave no answer"),
        ] {
            let error = ask(&[socket], &nobody()).expect_err("nobody").why.to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    /// Root may look everywhere: there the folder tells that nobody is at home.
    #[cfg(unix)]
    #[test]
    fn nothing_is_claimed_of_a_folder_that_may_not_be_looked_into() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).expect("made");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("ours");
        let said = ask(&[closed.join("status.sock")], &nobody()).expect_err("nobody").why.to_string();
        assert!(said.starts_with("whether a daemon runs cannot be told") || said.contains("is not running"), "{said}");
        assert!(!said.contains("a daemon at"), "{said}");
    }

    #[test]
    fn a_broken_configuration_does_not_hide_where_its_daemon_may_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("c.json");
        let places = |text: &str, local: Option<Option<PathBuf>>| {
            fs::write(&config, text).expect("ours");
            places(&Status { config: Some(config.clone()), local, wait: None, json: false }, &config)
        };
        let store = || Some(Some(PathBuf::from("/d")));
        let sound = places(r#"{ "agent": { "state_folder": "/s" } }"#, None);
        assert!(sound.unread.is_empty());
        // What it says is wrong, but not of its state folder.
        let wrong = places(r#"{ "agent": { "state_folder": "/s", "debug": 1 } }"#, None);
        assert_eq!((wrong.sockets, wrong.unread.len()), (sound.sockets, 1));
        let torn = places("{", store());
        assert_eq!((torn.sockets, torn.unread.len()), (vec![PathBuf::from("/d/state/status.sock")], 1));
        let usual: Vec<_> = Home::usual().iter().map(|home| daemon::socket_path(&home.state)).collect();
        assert_eq!(places("{", None).sockets, usual);
        let stores = places("{", Some(None)).sockets;
        assert!(!stores.is_empty() && stores.iter().all(|socket| socket.ends_with("local/state/status.sock")));
    }

    #[test]
    fn people_see_what_waits_and_why() {
        let out = printed(&json!({
            "version": "1", "process": 7, "config": "/c.json", "state_folder": "/s", "instance_id": "sys-1", "destination": "aws",
            "started": 0,
            "destinations": {"logs": {"last_success": null, "last_error": "no route", "failures_in_a_row": 3, "waiting_batches": 2}},
            "sources": [
                {"name": "/var/log/x", "group": "g", "stream": "x", "acknowledged": 10, "lag": 5, "unsent_since": 1000, "last_error": "gone"},
                {"name": "journal", "group": "g", "stream": "j", "acknowledged": 7, "lag": null, "state": "no journalctl here"},
                {"name": "", "group": "", "stream": "", "acknowledged": 0, "lag": null},
            ],
            "counters": {"retries": 3, "polls_failed": 0},
        }));
        let lines: Vec<String> =
            out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in [
            "logs never 2 no route (3 times in a row)",
            "/var/log/x g x 10 5 1970-01-01T00:00:01.000Z gone",
            "journal g j 7 ? - no journalctl here",
            "3 retries calls that were tried again",
        ] {
            assert!(lines.iter().any(|l| l == line), "{line} in\n{out}");
        }
        assert!(!out.contains("polls_failed") && !out.contains("store"));
        assert_eq!(lines.iter().filter(|line| line.contains("0 ?")).count(), 0, "{out}");
    }

    #[test]
    fn a_reload_that_was_refused_is_shown_with_its_reason() {
        let refused = json!({ "file": "/c.json", "at": 0, "error": "/c.json:1:2: error: x: unknown\nkey" });
        let out = printed(&json!({ "config": "/c.json", "refused_reload": refused }));
        let line = out.lines().find(|line| line.contains("not reloaded")).expect("a line");
        assert!(line.contains("1970-01-01T00:00:00.000Z: /c.json:1:2: error: x: unknown key; what it was"), "{line}");
        assert!(!printed(&json!({ "refused_reload": null })).contains("not reloaded"));
    }

    #[test]
    fn columns_stand_below_their_headings() {
        let source = |name: &str| json!({"name": name, "group": "/group", "stream": "s", "acknowledged": 1, "lag": 0});
        let out = printed(&json!({"sources": [source("/a"), source("/a/much/longer/name.log")]}));
        let at = |begins: &str, part: &str| {
            let line = out.lines().find(|line| line.starts_with(begins)).expect("a line");
            line.find(part).expect("a column")
        };
        assert_eq!(at("SOURCE", "GROUP"), at("/a ", "/group"));
        assert_eq!(at("SOURCE", "GROUP"), at("/a/much", "/group"));
    }

    #[test]
    fn a_daemon_with_another_configuration_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, theirs) = (folder.path().join("a.json"), folder.path().join("b.json"));
        let status = json!({ "config": &theirs });
        assert_eq!(other_config(&status, &ours), theirs.to_str());
        assert_eq!(other_config(&status, &theirs), None);
    }
}
