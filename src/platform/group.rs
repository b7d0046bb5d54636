//! A command together with all that it starts: a shell's own end leaves its children running.
use std::{
    io,
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

/// A running command in a process group of its own. Dropped before it has been waited for, the whole group is killed.
pub struct Group {
    pub child: Child,
}

impl Group {
    /// Start it. On Windows, which has no such groups, only the command itself is killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        Ok(Self { child: command.spawn()? })
    }
}

/// What a command has said so far, at most as much as was asked for.
#[derive(Debug, Default)]
pub struct Said {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Said {
    /// Start the command without any input, add what it says, and wait for its end. Beyond `most` bytes nothing is read of either
    /// of the two: a command that never stops talking must not fill the memory. Dropped before its end, it is ended with all
    /// that it started; what it had said is here.
    ///
    /// # Errors
    /// When it cannot be started or listened to.
    pub async fn listen(&mut self, mut command: Command, most: u64) -> io::Result<ExitStatus> {
        async fn read(pipe: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>, most: u64) -> io::Result<()> {
            if let Some(pipe) = pipe {
                pipe.take(most).read_to_end(said).await?;
            }
            Ok(())
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::spawn(command)?;
        let child = &mut group.child;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        tokio::try_join!(read(out, &mut self.stdout, most), read(err, &mut self.stderr, most))?;
        child.wait().await
    }
}

/// The system's shell, to run this.
#[cfg(not(windows))]
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

/// The system's shell, to run this.
#[cfg(windows)]
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        // A command that was waited for has no number any more, and what it left behind was meant to stay.
        if let Some(leader) = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            // There may be nothing left to kill, which is as good.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_the_command_started_ends_with_it() {
        let mut shell = Command::new("/bin/sh");
        // The first word tells that both run; the pipe closes when nobody holds its other end any more.
        shell.args(["-c", "sleep 600 & echo on; sleep 600"]).stdout(Stdio::piped());
        let mut group = Group::spawn(shell).expect("every POSIX system has it");
        let mut out = group.child.stdout.take().expect("piped");
        let mut word = [0; 3];
        out.read_exact(&mut word).await.expect("it speaks");
        drop(group);
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(60), out.read_to_end(&mut rest)).await;
        ended.expect("both have ended").expect("readable");
    }

    #[tokio::test]
    async fn what_a_command_says_is_read_up_to_a_bound_and_is_there_also_when_it_is_ended() {
        let mut said = Said::default();
        let status = said.listen(shell("echo out; echo err >&2; exit 3"), 100).await.expect("runs");
        assert_eq!((said.stdout.as_slice(), said.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(status.code(), Some(3));
        let mut said = Said::default();
        said.listen(shell("yes"), 100).await.expect("its pipe is closed");
        assert_eq!(said.stdout.len(), 100);
        // However slow this host is, one of these is long enough for a word, and none for the whole command.
        for limit in [50, 500, 5_000, 60_000].map(Duration::from_millis) {
            let mut said = Said::default();
            let words = said.listen(shell("echo one; sleep 600"), 100);
            tokio::time::timeout(limit, words).await.expect_err("it sleeps");
            if said.stdout == b"one\n" {
                return;
            }
        }
        panic!("what it said is lost");
    }
}
