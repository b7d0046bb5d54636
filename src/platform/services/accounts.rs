//! What a service needs beside its entry in the manager's list: rights in its folders, groups, and a source of events.
#![allow(unsafe_code)]
use super::os_error;
use std::{io, path::Path};
use windows::{
    Win32::{
        Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MEMBER_IN_ALIAS, ERROR_SUCCESS, HLOCAL, LocalFree, WIN32_ERROR},
        NetworkManagement::NetManagement::{LOCALGROUP_MEMBERS_INFO_0, NetLocalGroupAddMembers},
        Security::{
            ACL,
            Authorization::{
                ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW, SDDL_REVISION_1,
                SE_FILE_OBJECT, SetNamedSecurityInfoW,
            },
            DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, LookupAccountSidW,
            OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SID_NAME_USE,
        },
        System::Registry::{
            HKEY, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, REG_DWORD, REG_EXPAND_SZ, REG_OPTION_NON_VOLATILE, RegCloseKey,
            RegCreateKeyExW, RegDeleteKeyW, RegSetValueExW,
        },
    },
    core::{HSTRING, PCWSTR, PWSTR, w},
};

/// Where the sources of the log `Application` stand.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";

/// A file of Windows whose messages 1 to 1000 are the text of the event itself: what `eventcreate.exe` writes its own with.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";

/// Memory that a call has given us; given back when it is dropped.
struct Given(*mut core::ffi::c_void);

impl Drop for Given {
    fn drop(&mut self) {
        // SAFETY: it was allocated for us by a call whose page says to free it so, and nobody uses it after this.
        let _ = unsafe { LocalFree(Some(HLOCAL(self.0))) };
    }
}

fn done(code: WIN32_ERROR) -> io::Result<()> {
    if code == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(code.0.cast_signed())) }
}

/// See [`super::Manager::folder`].
pub fn folder(path: &Path, rights: &str) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    let mut descriptor = PSECURITY_DESCRIPTOR::default();
    // SAFETY: the text outlives the call; what it gives is owned by `Given` from here on.
    unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            &HSTRING::from(rights),
            SDDL_REVISION_1,
            &raw mut descriptor,
            None,
        )
    }
    .map_err(|error| os_error(&error))?;
    let _given = Given(descriptor.0);
    let (mut owner, mut list) = (PSID::default(), std::ptr::null_mut::<ACL>());
    let (mut present, mut defaulted) = (false.into(), false.into());
    // SAFETY: the descriptor is valid; both point into it.
    unsafe {
        GetSecurityDescriptorOwner(descriptor, &raw mut owner, &raw mut defaulted)
            .and_then(|()| GetSecurityDescriptorDacl(descriptor, &raw mut present, &raw mut list, &raw mut defaulted))
    }
    .map_err(|error| os_error(&error))?;
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the path outlives the call, and so does the descriptor that owner and list point into.
    done(unsafe {
        SetNamedSecurityInfoW(
            &HSTRING::from(path.as_os_str()),
            SE_FILE_OBJECT,
            what,
            Some(owner),
            None,
            Some(list.cast_const()),
            None,
        )
    })
}

fn id(text: &str) -> io::Result<(PSID, Given)> {
    let mut id = PSID::default();
    // SAFETY: the text outlives the call; what it gives is owned by `Given` from here on.
    unsafe { ConvertStringSidToSidW(&HSTRING::from(text), &raw mut id) }.map_err(|error| os_error(&error))?;
    Ok((id, Given(id.0)))
}

/// See [`super::Manager::join`]. Groups have other names in other languages.
pub fn join(account_id: &str, group_id: &str) -> io::Result<()> {
    let ((account, _account), (group, _group)) = (id(account_id)?, id(group_id)?);
    let (mut name, mut domain) = ([0_u16; 257], [0_u16; 257]);
    let (mut name_size, mut domain_size, mut kind) = (name.len() as u32, domain.len() as u32, SID_NAME_USE::default());
    // SAFETY: the id is valid, and the buffers have the sizes that are said.
    unsafe {
        LookupAccountSidW(
            PCWSTR::null(),
            group,
            Some(PWSTR(name.as_mut_ptr())),
            &raw mut name_size,
            Some(PWSTR(domain.as_mut_ptr())),
            &raw mut domain_size,
            &raw mut kind,
        )
    }
    .map_err(|error| os_error(&error))?;
    let member = LOCALGROUP_MEMBERS_INFO_0 { lgrmi0_sid: account };
    // SAFETY: the name ends with a zero, and it, the one member and its id outlive the call.
    let code = unsafe {
        NetLocalGroupAddMembers(PCWSTR::null(), PCWSTR(name.as_ptr()), 0, std::ptr::from_ref(&member).cast::<u8>(), 1)
    };
    match WIN32_ERROR(code) {
        ERROR_MEMBER_IN_ALIAS => Ok(()),
        code => done(code),
    }
}

/// See [`super::Manager::event_source`].
pub fn event_source(name: &str, wanted: bool) -> io::Result<()> {
    /// Errors, warnings, and information.
    const KINDS: u32 = 0x7;
    let path = HSTRING::from(format!(r"{SOURCES}\{name}"));
    if !wanted {
        // SAFETY: the path outlives the call.
        return match unsafe { RegDeleteKeyW(HKEY_LOCAL_MACHINE, &path) } {
            ERROR_FILE_NOT_FOUND => Ok(()),
            code => done(code),
        };
    }
    let mut key = HKEY::default();
    // SAFETY: the path and the key outlive the call.
    done(unsafe {
        RegCreateKeyExW(
            HKEY_LOCAL_MACHINE,
            &path,
            None,
            PCWSTR::null(),
            REG_OPTION_NON_VOLATILE,
            KEY_SET_VALUE,
            None,
            &raw mut key,
            None,
        )
    })?;
    let messages: Vec<u8> = MESSAGES.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    // SAFETY: the key is open until it is closed here; names and values outlive the calls.
    unsafe {
        let set =
            done(RegSetValueExW(key, w!("EventMessageFile"), None, REG_EXPAND_SZ, Some(&messages))).and_then(|()| {
                done(RegSetValueExW(key, w!("TypesSupported"), None, REG_DWORD, Some(&KINDS.to_le_bytes())))
            });
        let _ = RegCloseKey(key);
        set
    }
}
