//! `status`: what the running daemon says about itself.
use super::EXIT_CONFIG;
use crate::{config, daemon, telemetry::counters};
use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// Ask the daemon of this configuration and print its answer.
///
/// # Errors
/// When no daemon answers.
pub fn run(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let loaded = config::load(config);
    let Some(settings) = loaded.settings else {
        for finding in loaded.findings {
            eprintln!("{finding}");
        }
        return Ok(ExitCode::from(EXIT_CONFIG));
    };
    let socket = daemon::socket_path(&daemon::locate(&settings.agent));
    let document = daemon::ask(&socket).with_context(|| {
        let (socket, config) = (socket.display(), config.display());
        format!("the daemon is not running, or not for this user: nobody answers at {socket}; start it with `amazon-cloudwatch-publisher {config}`")
    })?;
    let mut out = io::stdout().lock();
    if json {
        out.write_all(&document)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let status: Value = serde_json::from_slice(&document).context("the daemon's answer is cut short; ask again")?;
    if !status.is_object() {
        bail!("the daemon's answer is not understood; is it of another version?");
    }
    print(&status, &mut out)?;
    Ok(ExitCode::SUCCESS)
}

/// The document for people: what it is, where things go, what comes from where, what was counted.
fn print(status: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for key in ["version", "process", "config", "state_folder", "instance_id", "destination"] {
        writeln!(out, "{key:>14}  {}", text(&status[key]))?;
    }
    writeln!(out, "{:>14}  {}", "started", time(&status["started"]))?;
    writeln!(out, "\nDESTINATION   LAST SUCCESS              WAITING  LAST ERROR")?;
    for (name, state) in status["destinations"].as_object().into_iter().flatten() {
        let error = match (&state["last_error"], state["failures_in_a_row"].as_u64()) {
            (Value::Null, _) => "-".to_owned(),
            (error, Some(0) | None) => format!("(over) {}", text(error)),
            (error, Some(times)) => format!("{} ({times} times in a row)", text(error)),
        };
        writeln!(out, "{name:<12}  {:<24}  {:>7}  {error}", time(&state["last_success"]), state["waiting_batches"])?;
    }
    writeln!(out, "\nSOURCE")?;
    for source in status["sources"].as_array().into_iter().flatten() {
        let lag = source["lag"].as_u64().map_or("lag unknown".into(), |lag| format!("{lag} behind"));
        let (group, stream) = (text(&source["group"]), text(&source["stream"]));
        writeln!(out, "{} -> {group} {stream}: {} delivered, {lag}", text(&source["name"]), source["acknowledged"])?;
        for key in ["state", "last_error"] {
            if let Value::String(why) = &source[key] {
                writeln!(out, "    {why}")?;
            }
        }
    }
    writeln!(out, "\nCOUNTER")?;
    for (name, value) in status["counters"].as_object().into_iter().flatten() {
        if value.as_u64() != Some(0) {
            let summary = counters::ALL.iter().find(|c| c.name == name).map_or("", |c| c.summary);
            writeln!(out, "{value:>14}  {name:<28}  {summary}")?;
        }
    }
    Ok(())
}

fn time(value: &Value) -> String {
    value.as_i64().map_or("never".into(), |millis| crate::model::Timestamp::from_millis(millis).rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_see_what_waits_and_why() {
        let status = json!({
            "version": "1", "process": 7, "config": "/c.json", "state_folder": "/s", "instance_id": "sys-1", "destination": "aws",
            "started": 0,
            "destinations": {"logs": {"last_success": null, "last_error": "no route", "failures_in_a_row": 3, "waiting_batches": 2}},
            "sources": [{"name": "/var/log/x", "group": "g", "stream": "x", "acknowledged": 10, "lag": 5, "last_error": "gone"}],
            "counters": {"retries": 3, "polls_failed": 0},
        });
        let mut out = vec![];
        print(&status, &mut out).expect("memory takes all");
        let out = String::from_utf8(out).expect("UTF-8");
        for part in
            ["no route (3 times in a row)", "never", "/var/log/x -> g x: 10 delivered, 5 behind", "gone", "3  retries "]
        {
            assert!(out.contains(part), "{part} in\n{out}");
        }
        assert!(!out.contains("polls_failed"));
    }
}
