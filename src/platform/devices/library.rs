//! A library that is looked for while the program runs, since most machines do not have it.
//!
//! Unix: `dlopen`; it fails always in a program that is linked statically. Windows: `LoadLibraryExW`, a plain name in the system's
//! own folder only.
#![allow(unsafe_code)]
use std::{ffi::CStr, io, path::Path, ptr::NonNull};

/// A loaded library. It is let go of when this is dropped: nothing that was found in it may be used after that.
#[derive(Debug)]
pub struct Library(imp::Handle);

impl Library {
    /// Load it: code of it may run, as that of any library of the system.
    ///
    /// # Errors
    /// `NotFound`, with the loader's words, whatever they are: there is no such library that could be used here.
    pub fn open(path: &Path) -> io::Result<Self> {
        imp::open(path).map(Self)
    }

    /// Where the function of this name begins.
    pub fn find(&self, name: &CStr) -> Option<NonNull<()>> {
        imp::find(&self.0, name)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        imp::close(&self.0);
    }
}

#[cfg(unix)]
mod imp {
    use super::{CStr, NonNull, Path, io};
    use std::{ffi::CString, ffi::c_void, os::unix::ffi::OsStrExt};

    #[derive(Debug)]
    pub struct Handle(NonNull<c_void>);

    // SAFETY: the functions below may be called by any thread (`dlopen(3)`, "MT-Safe").
    unsafe impl Send for Handle {}

    pub fn open(path: &Path) -> io::Result<Handle> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the name ends with a zero and outlives the call.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Handle).ok_or_else(|| {
            // SAFETY: takes nothing. What it gives is null, or ends with a zero and stays until this thread loads the next one.
            let why = unsafe { libc::dlerror().as_ref().map(|why| CStr::from_ptr(why).to_string_lossy().into_owned()) };
            io::Error::new(io::ErrorKind::NotFound, why.unwrap_or_else(|| path.display().to_string()))
        })
    }

    pub fn find(handle: &Handle, name: &CStr) -> Option<NonNull<()>> {
        // SAFETY: the handle is open, and the name ends with a zero.
        NonNull::new(unsafe { libc::dlsym(handle.0.as_ptr(), name.as_ptr()) }).map(NonNull::cast)
    }

    pub fn close(handle: &Handle) {
        // SAFETY: it was opened once, and is closed once.
        unsafe { libc::dlclose(handle.0.as_ptr()) };
    }
}

#[cfg(windows)]
mod imp {
    use super::{CStr, NonNull, Path, io};
    use windows::{
        Win32::{
            Foundation::{FreeLibrary, HMODULE},
            System::LibraryLoader::{
                GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LOAD_WITH_ALTERED_SEARCH_PATH, LoadLibraryExW,
            },
        },
        core::{HSTRING, PCSTR},
    };

    #[derive(Debug)]
    pub struct Handle(HMODULE);

    // SAFETY: a module belongs to the process; the functions below may be called by any thread.
    unsafe impl Send for Handle {}

    pub fn open(path: &Path) -> io::Result<Handle> {
        // A plain name would also be looked for in the working folder, where somebody else may have put one.
        let flags = if path.is_absolute() { LOAD_WITH_ALTERED_SEARCH_PATH } else { LOAD_LIBRARY_SEARCH_SYSTEM32 };
        // SAFETY: the name outlives the call.
        let module = unsafe { LoadLibraryExW(&HSTRING::from(path.as_os_str()), None, flags) };
        module.map(Handle).map_err(|why| io::Error::new(io::ErrorKind::NotFound, why.to_string()))
    }

    pub fn find(handle: &Handle, name: &CStr) -> Option<NonNull<()>> {
        // SAFETY: the module is loaded, and the name ends with a zero.
        let found = unsafe { GetProcAddress(handle.0, PCSTR(name.as_ptr().cast())) };
        found.and_then(|function| NonNull::new(function as *mut ()))
    }

    pub fn close(handle: &Handle) {
        // SAFETY: it was loaded once, and is let go of once. There is nothing to do about a failure.
        let _ = unsafe { FreeLibrary(handle.0) };
    }
}
