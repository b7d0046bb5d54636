//! What the operating system asks of the daemon.
use std::io;

/// A request from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// SIGTERM, SIGINT, Ctrl-C, the end of the session, or the service manager of Windows.
    Stop,
    /// SIGHUP, or a control of the service manager of Windows: read the configuration again.
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
    use crate::platform::services::{Asked, being};
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
            loop {
                tokio::select! {
                    _ = self.c.recv() => return Request::Stop,
                    _ = self.r#break.recv() => return Request::Stop,
                    _ = self.close.recv() => return Request::Stop,
                    _ = self.shutdown.recv() => return Request::Stop,
                    asked = being::asked() => match asked {
                        Asked::Stop => return Request::Stop,
                        Asked::Reload => return Request::Reload,
                        Asked::Nothing => {}
                    },
                }
            }
        }
    }
}

/// Listens for as long as it lives; what comes before it is made has the system's default effect.
pub struct Signals {
    system: imp::Signals,
    /// Handed out before anything new.
    kept: Option<Request>,
}

impl Signals {
    /// Start to listen. Must be called inside of the runtime; requests from then on are remembered until they are asked for.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { system: imp::Signals::listen()?, kept: None })
    }

    /// The next request.
    pub async fn next(&mut self) -> Request {
        match self.kept.take() {
            Some(request) => request,
            None => self.system.next().await,
        }
    }

    /// Hand this request out again, when there is time for it.
    pub fn put_back(&mut self, request: Request) {
        self.kept = Some(request);
    }
}
