//! What the operating system asks of the daemon.
use std::io;

/// A request from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// SIGTERM, SIGINT, Ctrl-C, or the end of the session.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

#[cfg(unix)]
mod imp {
    use super::{Request, io};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub struct Signals {
        terminate: Signal,
        interrupt: Signal,
        hangup: Signal,
    }

    impl Signals {
        pub fn listen() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        pub async fn next(&mut self) -> Request {
            tokio::select! {
                _ = self.terminate.recv() => Request::Stop,
                _ = self.interrupt.recv() => Request::Stop,
                _ = self.hangup.recv() => Request::Reload,
            }
        }
    }
}

#[cfg(windows)]
mod imp {
    use super::{Request, io};
    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    pub struct Signals {
        c: CtrlC,
        r#break: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub fn listen() -> io::Result<Self> {
            Ok(Self { c: ctrl_c()?, r#break: ctrl_break()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
        }

        pub async fn next(&mut self) -> Request {
            tokio::select! {
                _ = self.c.recv() => {}
                _ = self.r#break.recv() => {}
                _ = self.close.recv() => {}
                _ = self.shutdown.recv() => {}
            }
            Request::Stop
        }
    }
}

/// Listens for as long as it lives; what comes before it is made has the system's default effect.
pub struct Signals(imp::Signals);

impl Signals {
    /// Start to listen.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn listen() -> io::Result<Self> {
        imp::Signals::listen().map(Self)
    }

    /// The next request.
    pub async fn next(&mut self) -> Request {
        self.0.next().await
    }
}
