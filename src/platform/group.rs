//! A command together with all that it starts: a shell's own end leaves its children running.
use std::io;
use tokio::process::{Child, Command};

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
    use std::{process::Stdio, time::Duration};
    use tokio::io::AsyncReadExt;

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
}
