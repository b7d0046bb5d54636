//! `run`: the daemon in the foreground.
use super::{EXIT_CONFIG, config_or_default};
use crate::{
    aws,
    cli::Run,
    config::{self, Finding, Sends, Settings, Severity},
    daemon::{self, Notify, Options, Override, Reload, Signals, service},
    local::Printer,
    platform::{
        descriptors::{self, Raised},
        memory,
        services::being,
    },
    publish,
    telemetry::log::{self, LogError, LogOptions},
};
use anyhow::Context;
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// What the runtime waits for blocking calls at the end: one that hangs on a dead mount must not keep us.
const BLOCKED: Duration = Duration::from_millis(200);

/// Run until told to stop.
///
/// # Errors
/// When the daemon cannot start or go on.
pub fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    // Before the first thread: what it finds in the environment is for nobody else.
    let notify = Notify::to_who_started_us();
    being::attach(service::NAME).context("the service control manager could not be reached")?;
    let ended = foreground(arguments, &notify);
    match &ended {
        Ok(code) => being::ended(*code, *code == EXIT_CONFIG),
        Err(error) => {
            being::note(&format!("error: {error:#}"));
            being::ended(1, false);
        }
    }
    ended.map(ExitCode::from)
}

/// For whoever started us: on standard error, which nobody sees of a service of Windows.
fn tell(text: &str) {
    eprintln!("{text}");
    being::note(text);
}

/// The exit code.
fn foreground(arguments: &Run, notify: &Notify) -> anyhow::Result<u8> {
    memory::share();
    // One thread does everything that waits; whatever blocks has threads of its own. Less memory than a pool of workers.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Made when they are needed, and let go of after seconds. Two of them at most look up names (`platform::lookup`); readings of the
        // host may hang on what is dead, each on one; the rest writes what must be kept.
        .max_blocking_threads(24)
        .build()
        .context("the asynchronous runtime could not be started")?;
    // Before anything that takes time: a signal that comes early is heard later, and SIGHUP ends nobody.
    let listening = runtime.block_on(async { Signals::listen() });
    let mut signals = listening.context("signals could not be listened to")?;
    let path = config_or_default(arguments.config.as_deref());
    let host = match arguments.local {
        Some(Some(_)) => Sends::Elsewhere,
        Some(None) => Sends::Nowhere,
        None if arguments.dry_run => Sends::Nowhere,
        None => Sends::AsConfigured,
    };
    let settings = match load(&path, host, &mut |finding| tell(&format!("{finding:#}"))) {
        Ok(settings) => settings,
        Err(why) => {
            notify.say(&format!("the configuration cannot run: {why}"));
            return Ok(EXIT_CONFIG);
        }
    };
    let log = match start_log(&settings, arguments.dry_run) {
        Ok(log) => log,
        Err(error) => {
            let configuration = error.is_configuration();
            let error = anyhow::Error::from(error);
            if configuration {
                tell(&format!("error: {error:#}"));
                return Ok(EXIT_CONFIG);
            }
            return Err(error);
        }
    };
    log_panics(log.is_some());
    raise_descriptor_limit();
    let read = Arc::new(move || load(&path, host, &mut log_finding));
    let in_force = |settings: &Settings| {
        if let Err(error) = log::change(&log_options(settings, arguments.dry_run)) {
            tracing::error!("the own log stays as it was: {}", publish::chain(&error));
        }
    };
    let reload = Reload { read, in_force: &in_force };
    let options = Options { destination: destination(arguments), once: arguments.once };
    let ended = runtime.block_on(daemon::run(settings, &options, &mut signals, &reload, notify));
    runtime.shutdown_timeout(BLOCKED);
    let Err(error) = ended else { return Ok(0) };
    let configuration = error.is_configuration();
    let error = anyhow::Error::from(error);
    notify.say(&format!("ended: {error:#}"));
    if log.is_some() {
        // The chain goes to standard error too; a service's own log is where it will be looked for.
        tracing::error!("{error:#}");
    }
    if configuration {
        tell(&format!("error: {error:#}"));
        return Ok(EXIT_CONFIG);
    }
    Err(error)
}

/// The settings, or the first error after saying all that is wrong with the file. Warnings are said too.
fn load(path: &Path, sends: Sends, say: &mut dyn FnMut(&Finding)) -> Result<Settings, String> {
    let loaded = config::load_checked(path, sends);
    loaded.findings.iter().for_each(say);
    let first = || loaded.findings.iter().find(|finding| finding.is_error()).map(Finding::to_string);
    loaded.settings.ok_or_else(|| first().unwrap_or_default())
}

fn destination(arguments: &Run) -> Override {
    match &arguments.local {
        Some(folder) => Override::Local(folder.clone()),
        None if arguments.dry_run => {
            let printer = Printer::new(io::stdout());
            let trouble = printer.trouble();
            Override::DryRun(Arc::new(printer), trouble)
        }
        None => Override::AsConfigured,
    }
}

fn log_finding(finding: &Finding) {
    match finding.severity {
        Severity::Error => tracing::error!("{finding}"),
        Severity::Warning => tracing::warn!("{finding}"),
        Severity::Note => tracing::info!("{finding}"),
    }
}

/// Start the own log. Where it goes; `None`: to standard error.
fn start_log(settings: &Settings, dry_run: bool) -> Result<Option<PathBuf>, LogError> {
    let log = log::init(&log_options(settings, dry_run))?;
    if let Some(file) = &log {
        // Whoever started it by hand would look at an empty screen.
        eprintln!("the log goes to {}", file.display());
    }
    Ok(log)
}

/// A dry run leaves the usual log to the daemon that may be running.
fn log_options(settings: &Settings, dry_run: bool) -> LogOptions {
    let own = &settings.agent.own_log;
    let rust_log = std::env::var("RUST_LOG").ok();
    let (file, capped) = (own.file.clone().filter(|_| own.named || !dry_run), aws::QUIET_TARGETS);
    LogOptions { file, named: own.named, debug: own.debug, quiet: own.quiet, rust_log, capped }
}

fn raise_descriptor_limit() {
    match descriptors::raise_limit() {
        Ok(Some(Raised { from, to })) => tracing::debug!(from, to, "raised the limit of open files"),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "the limit of open files could not be raised"),
    }
}

/// A panic is a fault of ours: it belongs into the log before the process ends. The usual message goes to standard error.
fn log_panics(in_a_file: bool) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if in_a_file {
            tracing::error!("fault in this program, please report it: {panic}");
        } else {
            eprintln!("fault in this program, please report it:");
        }
        before(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_does_not_write_into_the_log_of_the_installed_daemon() {
        let goes_to = |text: &str, dry_run| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), text).expect("written");
            log_options(&config::load(file.path()).settings.expect("valid"), dry_run).file
        };
        assert!(goes_to("{}", false).is_some());
        assert_eq!(goes_to("{}", true), None);
        let named = r#"{ "agent": { "logfile": "/named.log" } }"#;
        assert_eq!(goes_to(named, true), Some("/named.log".into()));
    }
}
