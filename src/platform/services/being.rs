//! Being a service of Windows: what the service control manager is told, and what it asks.
//!
//! The manager starts a program like anybody else, and expects it to come forward. So each run of the daemon tries to ([`attach`]); where
//! somebody else started it that fails at once, with an error that says so, and the daemon runs in the foreground as ever. No flag on the
//! command line says which of the two it is: a service that is registered by hand could lack it, and would hang until it is given up.
//!
//! A thread of its own, that the manager asks for, reports where we stand. Once a second while we start or stop, because a service that is
//! silent for longer than it said counts as hanging.
use std::{io, time::Duration};

/// Come forward as this service. `false`: it was not the manager who started this process.
///
/// # Errors
/// When the manager waits for us and cannot be reached.
pub fn attach(name: &'static str) -> io::Result<bool> {
    imp::attach(name)
}

/// Waits until the manager asks for something; for ever where this process is no service. Each kind is remembered once until it is
/// asked for.
#[cfg_attr(not(windows), allow(dead_code, reason = "elsewhere these are signals"))]
pub async fn asked() -> super::Asked {
    imp::asked().await
}

/// The service runs. `stops_within`: what its stop may take from now on. Says nothing where this process is no service.
pub fn running(stops_within: Duration) {
    imp::running(stops_within);
}

/// Something that whoever looks why the service ended must know: nobody sees the standard error of a service.
pub fn note(text: &str) {
    imp::note(text);
}

/// The last word, right before the process ends: nothing may be left to do. `lasting`: only a person can mend it
/// ([`super::end_of`]). What was noted goes to the log `Application` of Windows, unless it went well.
pub fn ended(code: u8, lasting: bool) {
    imp::ended(code, lasting);
}

#[cfg(not(windows))]
mod imp {
    use super::{super::Asked, Duration, io};

    #[allow(clippy::unnecessary_wraps)] // the signature is the same on every system
    pub fn attach(_: &'static str) -> io::Result<bool> {
        Ok(false)
    }

    #[allow(dead_code, reason = "elsewhere these are signals")]
    pub async fn asked() -> Asked {
        std::future::pending().await
    }

    pub fn running(_: Duration) {}
    pub fn note(_: &str) {}
    pub fn ended(_: u8, _: bool) {}
}

#[cfg(windows)]
#[allow(unsafe_code)]
mod imp {
    use super::{
        super::{Asked, End, Phase, Report, asked as meaning, end_of, os_error, report},
        Duration, io,
    };
    use std::{
        ffi::c_void,
        sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
        thread,
        time::Instant,
    };
    use tokio::sync::Notify;
    use windows::{
        Win32::{
            Foundation::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, NO_ERROR},
            System::{
                EventLog::{DeregisterEventSource, EVENTLOG_ERROR_TYPE, RegisterEventSourceW, ReportEventW},
                Services::{
                    RegisterServiceCtrlHandlerExW, SERVICE_STATUS, SERVICE_STATUS_CURRENT_STATE, SERVICE_STATUS_HANDLE,
                    SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
                },
            },
        },
        core::{Error, HSTRING, PCWSTR, PWSTR},
    };

    /// Time between two reports of progress.
    const TICK: Duration = Duration::from_secs(1);
    /// What a start may take: a command may name this machine, and AWS may be asked for its account.
    const STARTS_WITHIN: Duration = Duration::from_secs(60);
    /// What a stop may take that comes before the configuration is read.
    const STOPS_WITHIN: Duration = Duration::from_secs(10);
    /// The longest text of an event: 31,839 characters
    /// (<https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-reporteventw>).
    const LONGEST: usize = 31_000;
    /// One that the message file of our event source knows.
    const EVENT_ID: u32 = 1;

    /// The service that this process is.
    struct Place {
        name: &'static str,
        handle: Handle,
        phase: Phase,
        since: Instant,
        stops_within: Duration,
        asked_to_stop: bool,
        notes: String,
    }

    /// Of the service's status.
    struct Handle(SERVICE_STATUS_HANDLE);
    // SAFETY: any thread may use it, and it need not be closed.
    unsafe impl Send for Handle {}

    static PLACE: Mutex<Option<Place>> = Mutex::new(None);
    static CHANGED: Condvar = Condvar::new();
    static STOP: Notify = Notify::const_new();
    static RELOAD: Notify = Notify::const_new();
    /// The name of the service, and whom `service_main` tells that it was called.
    type Call = (&'static str, mpsc::Sender<Result<(), Error>>);
    static CALLED: Mutex<Option<Call>> = Mutex::new(None);

    fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
        of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn attach(name: &'static str) -> io::Result<bool> {
        let (tell, told) = mpsc::channel();
        *lock(&CALLED) = Some((name, tell.clone()));
        thread::Builder::new().name("service".to_owned()).spawn(move || {
            let mut wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
            let table = [
                SERVICE_TABLE_ENTRYW { lpServiceName: PWSTR(wide.as_mut_ptr()), lpServiceProc: Some(service_main) },
                SERVICE_TABLE_ENTRYW::default(),
            ];
            // SAFETY: the table ends with an empty entry, and it and the name outlive the call, which returns when the service has ended.
            let ended = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
            // Whoever waits has its answer, unless this failed at once.
            let _ = tell.send(ended);
        })?;
        match told.recv() {
            Ok(Ok(())) => Ok(lock(&PLACE).is_some()),
            Ok(Err(error)) if error.code() == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT.to_hresult() => Ok(false),
            Ok(Err(error)) => Err(os_error(&error)),
            Err(mpsc::RecvError) => Ok(false),
        }
    }

    /// Called by the manager's library on a thread of its own; the service has ended when it returns.
    unsafe extern "system" fn service_main(_: u32, _: *mut PWSTR) {
        let Some((name, tell)) = lock(&CALLED).take() else { return };
        // SAFETY: the handler is a function and needs no context.
        let handle = unsafe { RegisterServiceCtrlHandlerExW(&HSTRING::from(name), Some(handler), None) };
        let handle = match handle {
            Ok(handle) => Handle(handle),
            Err(error) => return drop(tell.send(Err(error))),
        };
        *lock(&PLACE) = Some(Place {
            name,
            handle,
            phase: Phase::Starting,
            since: Instant::now(),
            stops_within: STOPS_WITHIN,
            asked_to_stop: false,
            notes: String::new(),
        });
        say();
        let _ = tell.send(Ok(()));
        let mut place = lock(&PLACE);
        while let Some(phase) = place.as_ref().map(|place| place.phase) {
            place = match phase {
                Phase::Ended(_) => return,
                Phase::Running => CHANGED.wait(place).unwrap_or_else(PoisonError::into_inner),
                Phase::Starting | Phase::Stopping => {
                    let (place, _) = CHANGED.wait_timeout(place, TICK).unwrap_or_else(PoisonError::into_inner);
                    place.as_ref().inspect(|place| place.report());
                    place
                }
            };
        }
    }

    unsafe extern "system" fn handler(control: u32, _: u32, _: *mut c_void, _: *mut c_void) -> u32 {
        match meaning(control) {
            Some(Asked::Stop) => {
                enter(Phase::Stopping);
                STOP.notify_one();
            }
            Some(Asked::Reload) => RELOAD.notify_one(),
            Some(Asked::Nothing) => say(),
            None => return ERROR_CALL_NOT_IMPLEMENTED.0,
        }
        NO_ERROR.0
    }

    /// Go on to this phase, and say so. Nothing follows the end, and nothing but the end follows a stop.
    fn enter(phase: Phase) {
        if let Some(place) = &mut *lock(&PLACE) {
            match (place.phase, phase) {
                (Phase::Ended(_), _) | (Phase::Stopping, Phase::Running | Phase::Starting) => return,
                _ => {}
            }
            if phase == Phase::Stopping {
                place.asked_to_stop = true;
            }
            if place.phase != phase {
                (place.phase, place.since) = (phase, Instant::now());
            }
            place.report();
        }
        CHANGED.notify_all();
    }

    fn say() {
        if let Some(place) = &*lock(&PLACE) {
            place.report();
        }
    }

    impl Place {
        fn report(&self) {
            let within = match self.phase {
                Phase::Starting => STARTS_WITHIN,
                Phase::Running | Phase::Stopping | Phase::Ended(_) => self.stops_within,
            };
            let Report { state, accepted, exit_code, own_exit_code, checkpoint, hint } =
                report(self.phase, self.since.elapsed(), within);
            let status = SERVICE_STATUS {
                dwServiceType: SERVICE_WIN32_OWN_PROCESS,
                dwCurrentState: SERVICE_STATUS_CURRENT_STATE(state),
                dwControlsAccepted: accepted,
                dwWin32ExitCode: exit_code,
                dwServiceSpecificExitCode: own_exit_code,
                dwCheckPoint: checkpoint,
                dwWaitHint: u32::try_from(hint.as_millis()).unwrap_or(u32::MAX),
            };
            // SAFETY: the handle is the manager's and lives as long as the process; the status outlives the call. One that is not taken is
            // followed by the next.
            let _ = unsafe { SetServiceStatus(self.handle.0, &raw const status) };
        }
    }

    pub async fn asked() -> Asked {
        tokio::select! {
            biased;
            () = STOP.notified() => Asked::Stop,
            () = RELOAD.notified() => Asked::Reload,
        }
    }

    pub fn running(stops_within: Duration) {
        if let Some(place) = &mut *lock(&PLACE) {
            place.stops_within = stops_within;
        }
        enter(Phase::Running);
    }

    pub fn note(text: &str) {
        if let Some(place) = &mut *lock(&PLACE) {
            place.notes.push_str(text);
            place.notes.push_str("\r\n");
        }
    }

    pub fn ended(code: u8, lasting: bool) {
        let Some((name, asked_to_stop, notes)) =
            lock(&PLACE).as_mut().map(|place| (place.name, place.asked_to_stop, std::mem::take(&mut place.notes)))
        else {
            return;
        };
        if code != 0 {
            write_event(name, &notes);
        }
        match end_of(code, lasting, asked_to_stop) {
            End::Told(code) => enter(Phase::Ended(code)),
            End::Untold => {}
        }
    }

    /// One event in the log `Application`. Where it cannot be written there is nobody left to tell.
    fn write_event(source: &str, text: &str) {
        let text: String = text.chars().take(LONGEST).collect();
        let (source, text) = (HSTRING::from(source), HSTRING::from(text.as_str()));
        // SAFETY: the name outlives the call.
        let Ok(log) = (unsafe { RegisterEventSourceW(PCWSTR::null(), &source) }) else { return };
        // SAFETY: the log is open, the text outlives the call and ends with a zero, and no further data are given.
        unsafe {
            let _ = ReportEventW(log, EVENTLOG_ERROR_TYPE, 0, EVENT_ID, None, 0, Some(&[PCWSTR(text.as_ptr())]), None);
            let _ = DeregisterEventSource(log);
        }
    }
}
