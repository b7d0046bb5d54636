//! `run`: the daemon in the foreground.
use super::{EXIT_CONFIG, config_or_default};
use crate::{
    aws,
    cli::Run,
    config::{self, Settings},
    daemon::{self, Ended, Options, Override, Signals},
    local::Printer,
    telemetry::log::{self, LogOptions},
};
use anyhow::Context;
use std::{io, path::Path, process::ExitCode, sync::Arc, time::Duration};

/// What the runtime waits for blocking calls at the end: one that hangs on a dead mount must not keep us.
const BLOCKED: Duration = Duration::from_millis(200);

/// Run until told to stop.
///
/// # Errors
/// When the daemon cannot start or go on.
pub fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let path = config_or_default(arguments.config.as_deref());
    let Some(mut settings) = load(&path, &mut |line| eprintln!("{line}")) else {
        return Ok(ExitCode::from(EXIT_CONFIG));
    };
    start_log(&settings)?;
    log_panics();
    let options = Options { destination: destination(arguments), once: arguments.once };
    // One thread does everything that waits; whatever blocks has threads of its own. Less memory than a pool of workers.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("the asynchronous runtime could not be started")?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen().context("signals could not be listened to")?;
        let reload = || load(&path, &mut |line| tracing::error!("{line}"));
        loop {
            match daemon::run(&settings, &options, &mut signals, &reload).await? {
                Ended::Stopped => return anyhow::Ok(ExitCode::SUCCESS),
                Ended::Reload(new) => settings = *new,
            }
        }
    });
    runtime.shutdown_timeout(BLOCKED);
    if let Err(error) = &ended {
        // The chain also goes to standard error; a service's own log is where it will be looked for.
        tracing::error!("{error:#}");
    }
    ended
}

/// The settings, or `None` after saying what is wrong with the file. Warnings are said too.
fn load(path: &Path, say: &mut dyn FnMut(String)) -> Option<Settings> {
    let loaded = config::load_checked(path);
    for finding in &loaded.findings {
        say(finding.to_string());
    }
    loaded.settings
}

fn destination(arguments: &Run) -> Override {
    match &arguments.local {
        Some(folder) => Override::Local(folder.clone()),
        None if arguments.dry_run => Override::DryRun(Arc::new(Printer::new(io::stdout()))),
        None => Override::AsConfigured,
    }
}

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    let own = &settings.agent.own_log;
    let rust_log = std::env::var("RUST_LOG").ok();
    let (file, capped) = (own.file.clone(), aws::QUIET_TARGETS);
    let options = LogOptions { file, named: own.named, debug: own.debug, quiet: own.quiet, rust_log, capped };
    log::init(&options).context("the own log could not be opened")
}

/// A panic is a fault of ours: it belongs into the log before the process ends.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("fault in this program, please report it: {panic}");
        before(panic);
    }));
}
