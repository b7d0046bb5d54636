//! The tools of service managers, run to their end: `systemctl`, `launchctl`. One that hangs is ended, so that a command of ours never does, and
//! nothing that it prints can do anything to a terminal where it is repeated.
use super::ServiceError;
use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// For an answer. A service manager that is well gives it within milliseconds.
pub const QUESTION: Duration = Duration::from_secs(30);

/// For what is to be done. A service may take 30 seconds to stop (`TimeoutStopSec`, `ExitTimeOut`), and up to 90 to start, systemd's default; a restart is both.
pub const ORDER: Duration = Duration::from_secs(150);

/// Bytes of what is read of each output; usually some hundred. Then its pipe is closed.
const LONGEST: u64 = 1 << 20;

/// Time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What it did.
#[derive(Debug)]
pub struct Told {
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a tool with nothing on its standard input.
///
/// # Errors
/// [`ServiceError::NoTool`] when it cannot be started; [`ServiceError::Refused`] when it has not ended by then.
pub fn run(tool: &'static str, program: &Path, command: &mut Command, limit: Duration) -> Result<Told, ServiceError> {
    let failed = |source| ServiceError::NoTool { program: program.to_owned(), source };
    let end = Instant::now() + limit;
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let status = wait(&mut child, end).map_err(failed)?;
    // Who it has started may hold the pipes open after it.
    let text = |told: mpsc::Receiver<Vec<u8>>| told.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
    match (status, text(out), text(err)) {
        (Some(status), Some(out), Some(err)) => Ok(Told { status, out: harmless(&out), err: harmless(&err) }),
        _ => {
            let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
            let told =
                format!("it did not end within {} seconds, and was not waited for any longer", limit.as_secs_f32());
            Err(ServiceError::Refused { tool, arguments: arguments.join(" "), told })
        }
    }
}

/// `None`: it has not ended by then, and now is ended.
fn wait(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            // One that has just ended by itself cannot be ended.
            let _ = child.kill();
            return child.wait().map(|_| None);
        }
        thread::sleep(LOOK);
    }
}

/// Reads to the end, at the same time as others. The thread ends with the pipe, or with the process.
fn read(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![];
        // What came before an error counts.
        let _ = pipe.map(|pipe| pipe.take(LONGEST).read_to_end(&mut bytes));
        tell.send(bytes)
    });
    told
}

/// Lines of text, in which nothing is obeyed by a terminal.
fn harmless(bytes: &[u8]) -> String {
    let escaped = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    String::from_utf8_lossy(bytes).chars().map(escaped).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Told, ServiceError> {
        run("tool", Path::new("sh"), Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn both_outputs_and_the_code_are_told() {
        let told = shell("echo one; echo two >&2; exit 3", QUESTION).expect("it ends");
        assert_eq!((told.status.code(), &*told.out, &*told.err), (Some(3), "one\n", "two\n"));
    }

    #[test]
    fn one_that_hangs_is_ended_and_so_is_the_waiting_for_what_it_left_behind() {
        for script in ["exec sleep 600", "sleep 5 & exit 0"] {
            let why = shell(script, Duration::from_millis(200)).expect_err("it hangs").to_string();
            assert!(why.contains("`tool -c ") && why.contains("did not end within 0.2 seconds"), "{why}");
        }
    }

    #[test]
    fn one_that_prints_for_ever_is_not_read_for_ever() {
        let told = shell("exec yes", QUESTION).expect("it ends with its pipe");
        assert_eq!(told.out.len() as u64, LONGEST);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(harmless(b"a\x1b[2Jb\r\x9d\n\tc\xc2\x9b"), "a\\u{1b}[2Jb\\r\u{fffd}\n\tc\\u{9b}");
    }
}
