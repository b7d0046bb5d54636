//! `validate`: every finding of each configuration at once, and whether they can run.
//!
//! Exit codes: 0 when they can, 78 when one cannot (`EXIT_CONFIG` of sysexits.h: a service manager must not try again), with `--strict` also for
//! warnings. The output has no colours, so there is nothing for `NO_COLOR` to turn off.
use super::EXIT_CONFIG;
use crate::{
    aws,
    config::{self, Dialect, Finding, count, settings::Destination},
    daemon, publish,
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Validates these files, or the default one, and prints what was found on standard output.
pub fn run(files: &[PathBuf], strict: bool, json: bool) -> anyhow::Result<ExitCode> {
    let default = [config::default_path()];
    let files = if files.is_empty() { &default[..] } else { files };
    let examined: Vec<Examined> = files.iter().map(|file| examined(file)).collect();
    let findings: Vec<Finding> = examined.iter().flat_map(|file| file.findings.clone()).collect();
    let mut out = io::stdout().lock();
    let printed = if json { as_json(&mut out, &findings) } else { as_text(&mut out, &examined) };
    match printed {
        // Whoever reads has seen enough; the exit code still tells.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    Ok(ExitCode::from(exit_code(&findings, strict)))
}

/// What is to be said of one file.
struct Examined {
    /// Whose it is.
    dialect: Option<Dialect>,
    findings: Vec<Finding>,
    /// How many files it consists of.
    files: usize,
    /// The placeholders that it uses, and those of their values that are known here.
    names: Vec<(&'static str, Option<String>)>,
}

/// What is wrong with the file, and where nothing is: what the start would refuse of this host. It asks nothing of the network and
/// runs no command.
fn examined(file: &Path) -> Examined {
    let mut loaded = config::examine(file);
    let (mut findings, dialect, files) = (std::mem::take(&mut loaded.findings), loaded.dialect, loaded.files());
    let Some(settings) = loaded.settings.take() else { return Examined { dialect, findings, files, names: vec![] } };
    let unfit = daemon::unfit_names(&settings)
        .into_iter()
        .map(|unfit| loaded.error_at(file, &unfit.at, format!("the name of the log {} {}", unfit.what, unfit.fault)));
    findings.extend(unfit);
    // A proxy, a trust store, an address of the environment.
    if settings.agent.destination == Destination::Aws
        && let Err(error) = aws::connect(&settings, "validate", Arc::default())
    {
        findings.push(Finding::of_file(file, publish::chain(&error)));
    }
    Examined { dialect, findings, files, names: daemon::names_in_use(&settings) }
}

fn exit_code(findings: &[Finding], strict: bool) -> u8 {
    let refused = if strict { !findings.iter().all(Finding::is_note) } else { findings.iter().any(Finding::is_error) };
    if refused { EXIT_CONFIG } else { 0 }
}

/// One array, empty when nothing was found.
fn as_json(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, findings)?;
    writeln!(out)?;
    out.flush()
}

fn as_text(out: &mut impl Write, files: &[Examined]) -> io::Result<()> {
    let findings: Vec<&Finding> = files.iter().flat_map(|file| &file.findings).collect();
    for finding in &findings {
        writeln!(out, "{finding:#}")?;
    }
    for (name, value) in files.iter().flat_map(|file| &file.names) {
        match value {
            Some(value) => writeln!(out, "{{{name}}} is {value}")?,
            None => writeln!(
                out,
                "{{{name}}} is found out when it runs; the logs that need it wait in their sources until then"
            )?,
        }
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let notes = findings.iter().filter(|finding| finding.is_note()).count();
    let verdict = match (errors, findings.len() - errors - notes) {
        (0, 0) if notes == 0 => "no findings".to_owned(),
        (0, 0) => format!("nothing wrong, {}", count(notes, "note")),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    let dialects: Vec<_> = files.iter().map(|file| file.dialect).collect();
    writeln!(out, "{}: {verdict}{}", count(files.iter().map(|file| file.files).sum(), "file"), read_as(&dialects))?;
    out.flush()
}

/// Whose dialect was found: it decides defaults, and one key more may change it.
fn read_as(dialects: &[Option<Dialect>]) -> String {
    let found = |agent: bool| dialects.iter().flatten().filter(|dialect| dialect.agent == agent).count();
    match (found(false), found(true)) {
        (0, 0) => String::new(),
        (_, 0) => "; publisher's dialect".into(),
        (0, _) => "; agent's dialect".into(),
        (publishers, agents) => format!("; publisher's dialect: {publishers}, agent's: {agents}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &Path) -> Vec<Finding> {
        examined(file).findings
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.json");
        std::fs::write(&path, text).expect("our folder");
        (folder, path)
    }

    #[test]
    fn a_clean_file_exits_with_0_and_warnings_only_count_when_strict() {
        let (_folder, clean) = written(r#"{ "agent": { "region": "us-east-1", "instance": { "serial": "1" } } }"#);
        assert_eq!(exit_code(&findings(&clean), true), 0);
        let (_folder, warned) = written(r#"{ "typo": 1 }"#);
        assert_eq!(exit_code(&findings(&warned), false), 0);
        assert_eq!(exit_code(&findings(&warned), true), EXIT_CONFIG);
    }

    #[test]
    fn an_error_exits_with_78() {
        let (_folder, broken) = written("{");
        assert_eq!(exit_code(&findings(&broken), false), EXIT_CONFIG);
        assert_eq!(exit_code(&findings(Path::new("/nowhere/c.json")), false), EXIT_CONFIG);
    }

    #[test]
    fn log_files_are_looked_at_here_and_not_at_the_start() {
        let (folder, path) = written("");
        let logs = serde_json::json!({ "files": { "collect_list": [ { "file_path": folder.path() } ] } });
        let config = serde_json::json!({
            "agent": { "region": "us-east-1", "instance": { "serial": "1" } }, "logs": { "logs_collected": logs },
        });
        std::fs::write(&path, config.to_string()).expect("our folder");
        let found = findings(&path);
        assert!(found.len() == 1 && found[0].why.starts_with("is a folder"), "{found:?}");
        assert!(config::load_checked(&path, config::Sends::AsConfigured).findings.is_empty());
    }

    #[test]
    fn people_get_one_line_each_the_excerpt_and_a_summary() {
        let (_folder, path) = written("{\n  \"agent\" {}\n}");
        let mut out = Vec::new();
        as_text(&mut out, &[examined(&path)]).expect("memory");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("c.json:2:11: error: not JSON: "), "{text}");
        assert_eq!(lines[1], "      \"agent\" {}");
        assert_eq!(lines[2], "              ^");
        assert_eq!(lines[3], "1 file: 1 error, 0 warnings");
    }

    #[test]
    fn the_dialect_that_was_found_is_told() {
        let summary = |texts: &[&str]| {
            let files: Vec<_> = texts.iter().map(|text| written(text)).collect();
            // Findings have their own tests.
            let quiet = |path| Examined { findings: vec![], ..examined(path) };
            let examined: Vec<_> = files.iter().map(|(_, path)| quiet(path)).collect();
            let mut out = Vec::new();
            as_text(&mut out, &examined).expect("memory");
            String::from_utf8(out).expect("text")
        };
        const AGENTS: &str = r#"{ "metrics": { "metrics_collected": { "mem": { "measurement": ["used"] } } } }"#;
        assert_eq!(summary(&["{}"]), "1 file: no findings; publisher's dialect\n");
        assert_eq!(summary(&[AGENTS]), "1 file: no findings; agent's dialect\n");
        assert_eq!(summary(&["{}", AGENTS, "{}"]), "3 files: no findings; publisher's dialect: 2, agent's: 1\n");
        assert_eq!(summary(&["[]"]), "1 file: no findings\n");
    }

    #[test]
    fn what_is_known_of_the_names_is_told() {
        let (_folder, path) = written(
            r#"{ "agent": { "destination": "local", "instance": { "command": "echo 1" } }, "logs": {
                "log_group_name": "/a/{account_id}/{instance_id}", "logs_collected": { "journal": true } } }"#,
        );
        let mut out = Vec::new();
        as_text(&mut out, &[Examined { findings: vec![], ..examined(&path) }]).expect("memory");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("{account_id} is 000000000000\n{instance_id} is found out when it runs"), "{text}");
    }

    #[test]
    fn machines_get_one_array() {
        let (_folder, path) = written(
            r#"{ "agent": { "region": "us-east-1", "instance": { "serial": "1" }, "debug": 1, "regoin": "x" } }"#,
        );
        let mut out = Vec::new();
        as_json(&mut out, &findings(&path)).expect("memory");
        let read: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(read[0]["at"], "agent.debug");
        assert_eq!(read[0]["severity"], "error");
        assert_eq!(read[1]["line"], 1);
        assert_eq!(read[1]["suggestion"], "region");
    }
}
