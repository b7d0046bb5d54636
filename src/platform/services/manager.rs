//! The calls of the service control manager.
#![allow(unsafe_code)]
use super::{Found, Manager, ManagerError, Scm, Wanted, accounts, now, os_error};
use std::{ffi::c_void, io, path::Path};
use windows::{
    Win32::{
        Foundation::{
            ERROR_ACCESS_DENIED, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_LEVEL, ERROR_SERVICE_ALREADY_RUNNING,
            ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE,
        },
        System::Services::{
            ChangeServiceConfig2W, ChangeServiceConfigW, CloseServiceHandle, ControlService, CreateServiceW,
            DeleteService, ENUM_SERVICE_TYPE, OpenSCManagerW, OpenServiceW, QUERY_SERVICE_CONFIGW, QueryServiceConfigW,
            QueryServiceStatusEx, SC_ACTION, SC_ACTION_RESTART, SC_HANDLE, SC_MANAGER_CONNECT,
            SC_MANAGER_CREATE_SERVICE, SC_STATUS_PROCESS_INFO, SERVICE_ALL_ACCESS, SERVICE_AUTO_START,
            SERVICE_CHANGE_CONFIG, SERVICE_CONFIG, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, SERVICE_CONFIG_DESCRIPTION,
            SERVICE_CONFIG_FAILURE_ACTIONS, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, SERVICE_CONFIG_PRESHUTDOWN_INFO,
            SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, SERVICE_CONTROL_STOP, SERVICE_DELAYED_AUTO_START_INFO,
            SERVICE_DEMAND_START, SERVICE_DESCRIPTIONW, SERVICE_DISABLED, SERVICE_ERROR, SERVICE_ERROR_NORMAL,
            SERVICE_FAILURE_ACTIONS_FLAG, SERVICE_FAILURE_ACTIONSW, SERVICE_NO_CHANGE, SERVICE_PRESHUTDOWN_INFO,
            SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS, SERVICE_REQUIRED_PRIVILEGES_INFOW, SERVICE_START,
            SERVICE_START_TYPE, SERVICE_STATUS, SERVICE_STATUS_PROCESS, SERVICE_STOP, SERVICE_WIN32_OWN_PROCESS,
            StartServiceW,
        },
    },
    core::{Error, HSTRING, PCWSTR, PWSTR},
};

/// `DELETE` of the standard access rights.
const DELETE: u32 = 0x0001_0000;

/// The only privilege that the service keeps: to pass through folders that it may not read, as every process may. Without this list it
/// would have those of all services, such as to act as whoever speaks to it.
const PRIVILEGES: &str = "SeChangeNotifyPrivilege\0";

/// Closed when it is dropped.
struct Handle(SC_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, is open, and nobody uses it after this.
        let _ = unsafe { CloseServiceHandle(self.0) };
    }
}

impl From<Error> for ManagerError {
    fn from(error: Error) -> Self {
        match error.code() {
            code if code == ERROR_ACCESS_DENIED.to_hresult() => Self::Denied,
            code if code == ERROR_SERVICE_DOES_NOT_EXIST.to_hresult() => Self::Missing,
            _ => Self::Failed(os_error(&error)),
        }
    }
}

fn connect(access: u32) -> Result<Handle, Error> {
    // SAFETY: no names are given: the manager of this host, and its only database.
    unsafe { OpenSCManagerW(PCWSTR::null(), PCWSTR::null(), access) }.map(Handle)
}

fn open(name: &str, access: u32) -> Result<Handle, Error> {
    let manager = connect(SC_MANAGER_CONNECT)?;
    // SAFETY: the manager is open, and the name outlives the call.
    unsafe { OpenServiceW(manager.0, &HSTRING::from(name), access) }.map(Handle)
}

impl Manager for Scm {
    fn may_change(&self) -> Result<(), ManagerError> {
        connect(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE).map(drop).map_err(ManagerError::from)
    }

    fn look(&self, name: &str) -> Result<Option<Found>, ManagerError> {
        let service = match open(name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG).map_err(ManagerError::from) {
            Err(ManagerError::Missing) => return Ok(None),
            service => service?,
        };
        let (automatic, command) = config(&service)?;
        let mut bytes = [0; size_of::<SERVICE_STATUS_PROCESS>()];
        let mut needed = 0;
        // SAFETY: the service is open, and the buffer has the size of what is asked for.
        unsafe { QueryServiceStatusEx(service.0, SC_STATUS_PROCESS_INFO, Some(&mut bytes), &raw mut needed) }?;
        // SAFETY: the call has filled it: plain numbers, for which any bytes are valid, read from wherever they lie.
        let status = unsafe { bytes.as_ptr().cast::<SERVICE_STATUS_PROCESS>().read_unaligned() };
        let now =
            now(status.dwCurrentState.0, status.dwProcessId, status.dwWin32ExitCode, status.dwServiceSpecificExitCode);
        Ok(Some(Found { now, automatic, command }))
    }

    fn put(&self, wanted: &Wanted) -> Result<(), ManagerError> {
        let (title, command, account) = (
            HSTRING::from(wanted.title),
            HSTRING::from(wanted.command.as_str()),
            HSTRING::from(wanted.account.as_str()),
        );
        let service = match open(wanted.name, SERVICE_ALL_ACCESS).map_err(ManagerError::from) {
            Err(ManagerError::Missing) => {
                let manager = connect(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE)?;
                // SAFETY: the manager is open and the texts outlive the call; no group, tag, dependencies or password are given.
                let made = unsafe {
                    CreateServiceW(
                        manager.0,
                        &HSTRING::from(wanted.name),
                        &title,
                        SERVICE_ALL_ACCESS,
                        SERVICE_WIN32_OWN_PROCESS,
                        SERVICE_DEMAND_START,
                        SERVICE_ERROR_NORMAL,
                        &command,
                        PCWSTR::null(),
                        None,
                        PCWSTR::null(),
                        &account,
                        PCWSTR::null(),
                    )
                };
                Handle(made?)
            }
            service => {
                let service = service?;
                // SAFETY: the service is open and the texts outlive the call; what is not given stays as it is.
                unsafe {
                    ChangeServiceConfigW(
                        service.0,
                        SERVICE_WIN32_OWN_PROCESS,
                        SERVICE_START_TYPE(SERVICE_NO_CHANGE),
                        SERVICE_ERROR_NORMAL,
                        &command,
                        PCWSTR::null(),
                        None,
                        PCWSTR::null(),
                        &account,
                        PCWSTR::null(),
                        &title,
                    )
                }?;
                service
            }
        };
        describe(&service, wanted).map_err(ManagerError::from)
    }

    fn automatic(&self, name: &str, automatic: bool) -> Result<(), ManagerError> {
        let service = open(name, SERVICE_CHANGE_CONFIG)?;
        let start = if automatic { SERVICE_AUTO_START } else { SERVICE_DISABLED };
        let same = PCWSTR::null();
        // SAFETY: the service is open; what is not given stays as it is.
        unsafe {
            ChangeServiceConfigW(
                service.0,
                ENUM_SERVICE_TYPE(SERVICE_NO_CHANGE),
                start,
                SERVICE_ERROR(SERVICE_NO_CHANGE),
                same,
                same,
                None,
                same,
                same,
                same,
                same,
            )
        }?;
        if automatic {
            // After the services that others wait for: nothing waits for us, and logs are read from where they were left.
            let mut delayed = SERVICE_DELAYED_AUTO_START_INFO { fDelayedAutostart: true.into() };
            set(&service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &mut delayed)?;
        }
        Ok(())
    }

    fn start(&self, name: &str) -> Result<(), ManagerError> {
        let service = open(name, SERVICE_START)?;
        // SAFETY: the service is open; no arguments are given.
        match unsafe { StartServiceW(service.0, None) } {
            Err(error) if error.code() == ERROR_SERVICE_ALREADY_RUNNING.to_hresult() => Ok(()),
            started => started.map_err(ManagerError::from),
        }
    }

    fn stop(&self, name: &str) -> Result<(), ManagerError> {
        let service = open(name, SERVICE_STOP)?;
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open, and the status outlives the call.
        match unsafe { ControlService(service.0, SERVICE_CONTROL_STOP, &raw mut status) } {
            Err(error) if error.code() == ERROR_SERVICE_NOT_ACTIVE.to_hresult() => Ok(()),
            stopped => stopped.map_err(ManagerError::from),
        }
    }

    fn remove(&self, name: &str) -> Result<(), ManagerError> {
        let service = open(name, DELETE)?;
        // SAFETY: the service is open. It goes when nobody holds it open any more.
        unsafe { DeleteService(service.0) }.map_err(ManagerError::from)
    }

    fn folder(&self, path: &Path, rights: &str) -> io::Result<()> {
        accounts::folder(path, rights)
    }

    fn join(&self, account_id: &str, group_id: &str) -> io::Result<()> {
        accounts::join(account_id, group_id)
    }

    fn event_source(&self, name: &str, wanted: bool) -> io::Result<()> {
        accounts::event_source(name, wanted)
    }
}

/// Whether it starts with the machine, and its command line.
fn config(service: &Handle) -> Result<(bool, String), Error> {
    let mut needed = 0;
    // SAFETY: the service is open; without a buffer the call says how large one must be.
    match unsafe { QueryServiceConfigW(service.0, None, 0, &raw mut needed) } {
        Err(error) if error.code() != ERROR_INSUFFICIENT_BUFFER.to_hresult() => return Err(error),
        _ => {}
    }
    // Of eight bytes each: what is written into it begins with a structure that wants to be aligned.
    let mut buffer = vec![0_u64; (needed as usize).div_ceil(8)];
    let size = u32::try_from(buffer.len() * 8).unwrap_or(u32::MAX);
    let config = buffer.as_mut_ptr().cast::<QUERY_SERVICE_CONFIGW>();
    // SAFETY: the service is open, and the buffer has the size that is said.
    unsafe { QueryServiceConfigW(service.0, Some(config), size, &raw mut needed) }?;
    // SAFETY: the call has filled it. The text it points to lies in the buffer, which lives on, and ends with a zero.
    unsafe {
        let command = (*config).lpBinaryPathName.to_string().unwrap_or_default();
        Ok(((*config).dwStartType == SERVICE_AUTO_START, command))
    }
}

/// All that is not said where the service is made.
fn describe(service: &Handle, wanted: &Wanted) -> Result<(), Error> {
    let mut text: Vec<u16> = wanted.description.encode_utf16().chain([0]).collect();
    let mut description = SERVICE_DESCRIPTIONW { lpDescription: PWSTR(text.as_mut_ptr()) };
    set(service, SERVICE_CONFIG_DESCRIPTION, &mut description)?;
    let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let mut actions = wanted.restarts.map(|after| SC_ACTION { Type: SC_ACTION_RESTART, Delay: millis(after) });
    let mut failure = SERVICE_FAILURE_ACTIONSW {
        dwResetPeriod: u32::try_from(wanted.forgive.as_secs()).unwrap_or(u32::MAX),
        cActions: actions.len() as u32,
        lpsaActions: actions.as_mut_ptr(),
        ..Default::default()
    };
    set(service, SERVICE_CONFIG_FAILURE_ACTIONS, &mut failure)?;
    // Only a crash is a failure: what stops with an error of its own, a configuration that cannot run, would stop with it again.
    let mut flag = SERVICE_FAILURE_ACTIONS_FLAG { fFailureActionsOnNonCrashFailures: false.into() };
    set(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &mut flag)?;
    let mut down = SERVICE_PRESHUTDOWN_INFO { dwPreshutdownTimeout: millis(wanted.goes_down_within) };
    set(service, SERVICE_CONFIG_PRESHUTDOWN_INFO, &mut down)?;
    let mut names: Vec<u16> = PRIVILEGES.encode_utf16().chain([0]).collect();
    let mut privileges = SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: PWSTR(names.as_mut_ptr()) };
    set(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, &mut privileges)
}

/// `of` is the structure that belongs to `what`. A manager that does not know such a setting (that of wine) does without it.
fn set<T>(service: &Handle, what: SERVICE_CONFIG, of: &mut T) -> Result<(), Error> {
    // SAFETY: the service is open; the structure, and what it points to, outlive the call.
    match unsafe { ChangeServiceConfig2W(service.0, what, Some(std::ptr::from_mut(of).cast::<c_void>())) } {
        Err(error) if error.code() == ERROR_INVALID_LEVEL.to_hresult() => Ok(()),
        set => set,
    }
}
