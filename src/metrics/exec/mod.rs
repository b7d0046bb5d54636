//! `exec`: commands whose output is metrics.
//!
//! Each command is run at its own ticks, never twice at once, and ended at its time-out with all that it started. What it printed by
//! then in whole lines counts, also where it fails, prints too much, or is ended: a value that was measured is a value. That
//! something is wrong is said when it changes, with the first line of what the command wrote to standard error, and counted.
//!
//! A command sees the environment of the daemon, without the password of its login. Whether the configuration may name a command at all is
//! checked with the file (`config::checks`).
mod lines;

use super::{
    adopted::Adopted,
    exposition,
    rounds::{Complaint, News, Rounds, Turn},
};
use crate::{
    config::settings::{
        PASSWORD_VARIABLE,
        exposition::{Command, Exec, Format},
        metrics::{Options, Plugin},
    },
    model::{Point, Points, Resolution, Timestamp},
    platform::group::{Said, shell},
    telemetry::{chain, counters},
};
use futures_util::future::join_all;
use std::{borrow::Cow, io, process::ExitStatus, sync::Arc, time::Duration};
use tokio::{process, time::timeout};

/// Bytes that are read of what a command prints, on standard output and on standard error each. Some thousands of metrics.
const LONGEST_OUTPUT: u64 = 256 << 10;

/// Characters of standard error that are repeated.
const WORDS: usize = 200;

/// Runs the commands, each with the number of its source, until told to stop; those that run then are ended.
pub async fn run(sources: Vec<(usize, Plugin)>, rounds: Rounds) {
    let each = sources.iter().filter_map(|(number, plugin)| {
        let Options::Exec(exec) = &plugin.options else { return None };
        tracing::info!(at = plugin.at, "a command for metrics is run");
        Some(rounds.run(*number, plugin.interval, Runner::new(plugin, exec)))
    });
    tokio::select! {
        _ = join_all(each) => {}
        () = rounds.out.closed() => {}
    }
}

/// One command.
struct Runner {
    at: String,
    exec: Exec,
    prefix: String,
    resolution: Resolution,
    adopted: Adopted,
    complaint: Complaint,
}

/// Why something of a run is wrong.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("`{program}` could not be started")]
    Start { program: String, source: io::Error },
    #[error("it did not end within {} seconds, and was ended{said}", limit.as_secs())]
    TooSlow { limit: Duration, said: String },
    #[error("it printed more than {LONGEST_OUTPUT} bytes: the rest was not read")]
    TooMuch,
    #[error("it failed ({status}){said}")]
    Failed { status: ExitStatus, said: String },
    #[error("line {line} of what it printed, and {others} more: {why}")]
    Unfit { line: usize, others: usize, why: String },
    #[error("it printed no metric")]
    Nothing,
}

impl Turn for Runner {
    fn name(&self) -> String {
        // Its last word: the path of the command without the sections around it.
        let at = self.at.rsplit('.').next().unwrap_or_default();
        format!("{at} {}", program(&self.exec.command))
    }

    fn wrong(&self) -> Option<&str> {
        self.complaint.whole()
    }

    /// Run it once.
    async fn turn(&mut self, now: Timestamp) -> Points {
        let mut said = Said::default();
        let ended = timeout(self.exec.timeout, said.listen(self.command(), LONGEST_OUTPUT)).await;
        let too_much = said.stdout.len() as u64 >= LONGEST_OUTPUT;
        let mut points = Points::new();
        let faults = self.read(&whole_lines(&said.stdout, ended.is_err() || too_much), now, &mut points);
        let words = || first_line(&said.stderr);
        let wrong = match ended {
            Err(_) => Some(ExecError::TooSlow { limit: self.exec.timeout, said: words() }),
            Ok(Err(source)) => Some(ExecError::Start { program: program(&self.exec.command).to_owned(), source }),
            // One whose pipe was closed ends by that, mostly: no fault of its own.
            Ok(Ok(_)) if too_much => Some(ExecError::TooMuch),
            Ok(Ok(status)) if !status.success() => Some(ExecError::Failed { status, said: words() }),
            Ok(Ok(_)) => faults,
        };
        self.tell(wrong.as_ref());
        points
    }
}

impl Runner {
    fn new(plugin: &Plugin, exec: &Exec) -> Self {
        Self {
            at: plugin.at.clone(),
            exec: exec.clone(),
            prefix: plugin.measurements.prefix().to_owned(),
            resolution: plugin.resolution,
            adopted: Adopted::new(plugin, exec.exposition),
            complaint: Complaint::default(),
        }
    }

    fn command(&self) -> process::Command {
        let mut command = match &self.exec.command {
            Command::Shell(text) => shell(text),
            Command::Program(words) => {
                let mut words = words.iter();
                let mut command = process::Command::new(words.next().map_or("", String::as_str));
                command.args(words);
                command
            }
        };
        command.env_remove(PASSWORD_VARIABLE);
        command
    }

    /// Append what the output says. What is wrong with it, if anything is.
    fn read(&mut self, output: &str, now: Timestamp, points: &mut Points) -> Option<ExecError> {
        let mut first: Option<(usize, String)> = None;
        let mut faults = 0_usize;
        let mut fault = |line: usize, why: String| {
            faults += 1;
            first.get_or_insert((line, why));
        };
        match self.exec.format {
            Format::Lines => {
                for (index, line) in output.lines().enumerate() {
                    match lines::read(line) {
                        None => {}
                        Some(Err(why)) => fault(index + 1, why.to_owned()),
                        Some(Ok(metric)) => points.push(Point {
                            name: format!("{}{}", self.prefix, metric.name).into(),
                            value: metric.value.into(),
                            unit: metric.unit,
                            at: now,
                            dimensions: Arc::from([]),
                            resolution: self.resolution,
                        }),
                    }
                }
            }
            Format::Prometheus => {
                self.adopted.begin(false);
                let mut samples = exposition::samples(output);
                while let Some(sample) = samples.next() {
                    match sample {
                        Err(error) => fault(error.line, error.why.to_owned()),
                        Ok(sample) => {
                            if let Err(unfit) = self.adopted.take("", &sample, now, points) {
                                fault(samples.line(), unfit.to_string());
                            }
                        }
                    }
                }
            }
        }
        counters::SAMPLES_REFUSED.add(faults as u64);
        match first {
            Some((line, why)) => Some(ExecError::Unfit { line, others: faults - 1, why }),
            None if output.trim().is_empty() => Some(ExecError::Nothing),
            None => None,
        }
    }

    fn tell(&mut self, wrong: Option<&ExecError>) {
        if wrong.is_some() {
            counters::POLLS_FAILED.add(1);
        }
        let why = wrong.map(|error| chain(error));
        let at = self.at.as_str();
        match (self.complaint.heard(why.as_deref()), why) {
            (News::Wrong, Some(why)) => tracing::warn!(why, "the command for metrics of {at} is not well"),
            (News::Well, _) => tracing::info!("the command for metrics of {at} is well again"),
            (News::Wrong | News::None, _) => {}
        }
    }
}

/// What is run, as far as anybody may read it: what stands behind it, or is set for it, may be secret.
fn program(command: &Command) -> &str {
    match command {
        // Where a variable with quotes ends only the shell knows.
        Command::Shell(text) => {
            let mut plain = text.split_whitespace().take_while(|word| !word.contains(['"', '\'', '\\', '`', '$']));
            plain.find(|word| !word.contains('=')).unwrap_or_default()
        }
        Command::Program(words) => words.first().map_or("", String::as_str),
    }
}

/// What it printed, as text. `cut`: the last line may not be whole.
fn whole_lines(bytes: &[u8], cut: bool) -> Cow<'_, str> {
    let end = if cut { bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1) } else { bytes.len() };
    String::from_utf8_lossy(&bytes[..end])
}

/// What a command complains of, as the end of a message.
fn first_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else { return String::new() };
    let words: String = line.chars().filter(|c| !c.is_control()).take(WORDS).collect();
    format!(": `{words}`")
}

#[cfg(test)]
mod tests;
