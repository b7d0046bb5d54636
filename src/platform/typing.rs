//! What a person types at the terminal, shown or not.
//!
//! Questions go to standard error, so that a result on standard output can be redirected.
use std::io::{self, IsTerminal, Write};

/// Bytes of the longest answer.
const LONGEST: usize = 4096;

/// Whether there is somebody who can be asked, and who sees the question.
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line, without its end; `None` when the input ended.
///
/// # Errors
/// When the terminal cannot be read, or the line is not UTF-8.
pub fn line(question: &str) -> io::Result<Option<String>> {
    ask(question)?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// The same, but what is typed is not shown. The terminal is as before when this returns, whatever it returns.
///
/// # Errors
/// `Interrupted`: the key that interrupts programs was typed (Ctrl-C). Others as for [`line`].
pub fn secret_line(question: &str) -> io::Result<Option<String>> {
    let hidden = imp::Hidden::begin()?;
    ask(question)?;
    let typed = hidden.read();
    drop(hidden);
    // The line end that was typed was not shown either.
    let _ = writeln!(io::stderr());
    typed
}

fn ask(question: &str) -> io::Result<()> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()
}

fn text(mut bytes: Vec<u8>) -> io::Result<String> {
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    // Nothing of it is repeated.
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8"))
}

#[cfg(unix)]
mod imp {
    use super::{LONGEST, io, text};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
    use std::io::BufRead;

    /// A terminal that does not show what is typed, until this is dropped.
    ///
    /// The key that interrupts programs ends a line meanwhile, instead of the program: so there is no way past the restoring.
    pub struct Hidden {
        before: Termios,
        interrupt: u8,
    }

    impl Hidden {
        pub fn begin() -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let interrupt = before.special_codes[SpecialCodeIndex::VINTR];
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
            hidden.local_modes.insert(LocalModes::ICANON);
            hidden.special_codes[SpecialCodeIndex::VEOL] = interrupt;
            // What was typed ahead, as a paste of several lines, is kept.
            tcsetattr(io::stdin(), OptionalActions::Drain, &hidden)?;
            Ok(Self { before, interrupt })
        }

        pub fn read(&self) -> io::Result<Option<String>> {
            let (mut stdin, mut typed) = (io::stdin().lock(), vec![]);
            loop {
                let part = match stdin.fill_buf() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    part => part?,
                };
                if part.is_empty() {
                    return if typed.is_empty() { Ok(None) } else { text(typed).map(Some) };
                }
                let end = part.iter().position(|byte| *byte == b'\n' || *byte == self.interrupt);
                typed.extend_from_slice(&part[..end.unwrap_or(part.len())]);
                let by = end.map(|at| part[at]);
                let used = end.map_or(part.len(), |at| at + 1);
                stdin.consume(used);
                match by {
                    Some(b'\n') => return text(typed).map(Some),
                    Some(_) => return Err(io::ErrorKind::Interrupted.into()),
                    None if typed.len() > LONGEST => {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
                    }
                    None => {}
                }
            }
        }
    }

    impl Drop for Hidden {
        fn drop(&mut self) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
        }
    }
}

#[cfg(windows)]
mod imp {
    use super::{LONGEST, io, text};
    use std::os::windows::io::AsRawHandle;
    use windows::Win32::{
        Foundation::HANDLE,
        System::Console::{CONSOLE_MODE, ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, GetConsoleMode, SetConsoleMode},
    };

    /// A console that does not show what is typed, until this is dropped. Shells set their own mode when an interrupted program ends.
    pub struct Hidden(CONSOLE_MODE);

    #[allow(unsafe_code, reason = "no library of ours has these calls")]
    impl Hidden {
        pub fn begin() -> io::Result<Self> {
            let mut before = CONSOLE_MODE(0);
            // SAFETY: the handle of standard input lives as long as the process; `before` is ours.
            unsafe {
                GetConsoleMode(console(), &raw mut before)?;
                SetConsoleMode(console(), (before & !ENABLE_ECHO_INPUT) | ENABLE_LINE_INPUT)?;
            }
            Ok(Self(before))
        }

        pub fn read(&self) -> io::Result<Option<String>> {
            let mut line = String::new();
            if io::stdin().read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line.len() > LONGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            text(line.trim_end_matches('\n').into()).map(Some)
        }
    }

    impl Drop for Hidden {
        #[allow(unsafe_code, reason = "as above")]
        fn drop(&mut self) {
            // SAFETY: as above; the mode is the one that the console had.
            let _ = unsafe { SetConsoleMode(console(), self.0) };
        }
    }

    fn console() -> HANDLE {
        HANDLE(io::stdin().as_raw_handle())
    }
}
