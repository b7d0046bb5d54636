//! One run of a program that prints the system's log: started, read, and asked why it ended.
use super::lines::Lines;
use crate::{platform::group::Group, telemetry::counters::Counter};
use futures_util::FutureExt;
use std::{future::Future, io, path::PathBuf, pin::Pin, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// Room for one read: what a pipe holds (`pipe(7)`).
const READ: usize = 64 * 1024;
/// How much of what it says on standard error is kept.
const WORDS: usize = 1_000;
/// How long it may take to end after it has closed its output.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A program of the system that prints its log.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name, searched for as a shell does, or a path to it.
    pub path: PathBuf,
    /// What to do where it is not there.
    pub if_missing: String,
    /// What to do where it may not read the log.
    pub if_forbidden: &'static str,
}

impl Program {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

/// Why nothing comes from a program.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("{} is not installed: {}", program.path.display(), program.if_missing)]
    Missing { program: Program },
    #[error("{} cannot be started", program.path.display())]
    Start { program: Program, source: io::Error },
    #[error("the output of {program} cannot be read")]
    Read { program: String, source: io::Error },
    #[error("{program} may not read the log ({said}): {advice}")]
    Forbidden { program: String, said: String, advice: &'static str },
    #[error("{program} ended ({status}): {said}")]
    Ended { program: String, status: String, said: String },
}

impl ChildError {
    /// Whether only a person can help, so that trying seldom is enough.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Start { .. } | Self::Read { .. } | Self::Forbidden { .. } | Self::Ended { .. } => false,
        }
    }
}

/// Whether a run succeeded, and its status in words.
type Status = Pin<Box<dyn Future<Output = io::Result<(bool, String)>> + Send>>;

/// A run of a program, or what a test has in its place.
pub struct Running {
    pub out: Box<dyn AsyncRead + Send + Unpin>,
    pub err: Box<dyn AsyncRead + Send + Unpin>,
    /// Dropping this ends the program, and all that it has started.
    pub status: Status,
}

/// Starts a run with these arguments.
pub type Start = Box<dyn FnMut(&[String]) -> Result<Running, ChildError> + Send>;

/// Start `program`. It ends when what this returns is dropped.
pub fn start(program: &Program, arguments: &[String]) -> Result<Running, ChildError> {
    let mut command = Command::new(&program.path);
    // In another language its errors could not be told apart.
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command).map_err(|source| {
        let program = program.clone();
        match source.kind() {
            io::ErrorKind::NotFound => ChildError::Missing { program },
            _ => ChildError::Start { program, source },
        }
    })?;
    let out = Box::new(group.child.stdout.take().expect("standard output is piped"));
    let err = Box::new(group.child.stderr.take().expect("standard error is piped"));
    let status = Box::pin(async move { group.child.wait().await.map(|status| (status.success(), status.to_string())) });
    Ok(Running { out, err, status })
}

/// The lines of one run.
pub struct Output {
    program: Program,
    running: Running,
    pub lines: Lines,
    /// The end of what it said on standard error, where the reason usually stands.
    said: Vec<u8>,
    /// What of it [`Output::words`] has not told yet.
    untold: Vec<u8>,
    err_open: bool,
}

impl Output {
    /// Nothing is read yet. Lines that are too long are counted by `given_up`.
    pub fn of(program: &Program, running: Running, given_up: &'static Counter) -> Self {
        let (said, untold) = Default::default();
        Self { program: program.clone(), running, lines: Lines::new(given_up), said, untold, err_open: true }
    }

    /// Wait for output. False at its end. Nothing is lost when the wait is abandoned.
    pub async fn wait(&mut self) -> Result<bool, ChildError> {
        let buffer = self.lines.buffer();
        buffer.reserve(READ);
        let mut word = [0; 256];
        let read = tokio::select! {
            // Words first, so that a warning is told before the entries that it is about.
            biased;
            read = self.running.err.read(&mut word), if self.err_open => {
                let word = &word[..read.unwrap_or_default()];
                self.hear(word);
                self.untold.extend_from_slice(word);
                return Ok(true);
            }
            read = self.running.out.read_buf(buffer) => read,
        };
        read.map(|read| read > 0).map_err(|source| ChildError::Read { program: self.program.name(), source })
    }

    /// Take what is there already, without waiting. False when there is nothing.
    pub fn more(&mut self) -> bool {
        let buffer = self.lines.buffer();
        buffer.reserve(READ);
        // An error or the end shows itself again at the next wait.
        matches!(self.running.out.read_buf(buffer).now_or_never(), Some(Ok(read)) if read > 0)
    }

    /// The lines that it said on standard error since this was last asked, in one. A line that has no end yet waits for
    /// it, unless it is too long.
    pub fn words(&mut self) -> Option<String> {
        let whole = match memchr::memrchr(b'\n', &self.untold) {
            _ if self.untold.len() >= WORDS || !self.err_open => self.untold.len(),
            end => end.map_or(0, |end| end + 1),
        };
        let told: Vec<u8> = self.untold.drain(..whole).collect();
        (!told.trim_ascii().is_empty()).then(|| in_one_line(&told))
    }

    /// Its output is at an end: how did it go? The program is ended where it does not by itself.
    pub async fn end(mut self) -> Result<(), ChildError> {
        let running = async {
            while self.err_open {
                let mut word = [0; 256];
                let read = self.running.err.read(&mut word).await.unwrap_or_default();
                self.hear(&word[..read]);
            }
            (&mut self.running.status).await
        };
        let status = match tokio::time::timeout(LAST_WORDS, running).await {
            Ok(Ok((true, _))) => return Ok(()),
            Ok(Ok((false, status))) => status,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its output but did not end".to_owned(),
        };
        let said = in_one_line(&self.said);
        // "insufficient permissions" or "Permission denied", as systemd words it.
        if said.to_ascii_lowercase().contains("permission") {
            let advice = self.program.if_forbidden;
            return Err(ChildError::Forbidden { program: self.program.name(), said, advice });
        }
        Err(ChildError::Ended { program: self.program.name(), status, said })
    }

    fn hear(&mut self, word: &[u8]) {
        self.err_open = !word.is_empty();
        self.said.extend_from_slice(word);
        let over = self.said.len().saturating_sub(WORDS);
        self.said.drain(..over);
    }
}

fn in_one_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "it said nothing".to_owned() } else { lines.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::counters::JOURNAL_LINES_UNREADABLE;
    use tokio::io::AsyncWriteExt;

    fn output(running: Running) -> Output {
        let program = Program { path: "/bin/log".into(), if_missing: "install it".into(), if_forbidden: "ask" };
        Output::of(&program, running, &JOURNAL_LINES_UNREADABLE)
    }

    #[tokio::test]
    async fn each_line_of_words_is_told_once_and_the_reason_of_the_end_has_them_all() {
        let (mut words, err) = tokio::io::duplex(4096);
        let (out_open, out) = tokio::io::duplex(64);
        let status = Box::pin(async { Ok((false, "exit status: 1".to_owned())) });
        let mut output = output(Running { out: Box::new(out), err: Box::new(err), status });
        for (said, told) in [
            ("Hint: one\n", Some("Hint: one")),
            ("two\nthr", Some("two")),
            ("ee", None),
            ("\n\n", Some("three")),
            ("\n", None),
        ] {
            words.write_all(said.as_bytes()).await.expect("written");
            assert!(output.wait().await.expect("words"));
            assert_eq!(output.words().as_deref(), told, "{said}");
        }
        words.write_all("last".as_bytes()).await.expect("written");
        drop(words);
        while output.err_open {
            output.wait().await.expect("words");
        }
        assert_eq!(output.words().as_deref(), Some("last"));
        drop(out_open);
        assert!(!output.wait().await.expect("its end"));
        let ChildError::Ended { said, .. } = output.end().await.expect_err("it failed") else { panic!("it ended") };
        assert_eq!(said, "Hint: one two three last");
    }

    #[tokio::test]
    async fn a_line_of_words_without_an_end_is_told_in_parts() {
        let (mut words, err) = tokio::io::duplex(10 * WORDS);
        let status = Box::pin(std::future::pending());
        let mut output = output(Running { out: Box::new(tokio::io::empty()), err: Box::new(err), status });
        words.write_all(&[b'x'; 2 * WORDS]).await.expect("written");
        let mut told = 0;
        while told < WORDS {
            output.wait().await.expect("words");
            told += output.words().map_or(0, |words| words.len());
        }
        assert!(output.untold.len() < WORDS && output.said.len() == WORDS);
    }
}
