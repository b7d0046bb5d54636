//! Named pipes of Windows: what a socket in the file system is elsewhere.
//!
//! They have a name space of their own, flat and open to everybody, so a pipe is named after the file that would be its socket, and says
//! itself who may open it: the system, its administrators, and whoever made it. Nobody on another host.
//!
//! <https://learn.microsoft.com/windows/win32/ipc/named-pipes>
use sha2::{Digest, Sha256};
use std::{fmt::Write, path::Path};

/// The pipe that stands for this file. One file has one name, however it is written: Windows tells no capitals apart.
#[cfg_attr(not(windows), allow(dead_code, reason = "there are sockets"))]
pub fn name_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let hash = Sha256::digest(path.to_string_lossy().to_lowercase().as_bytes());
    hash.iter().take(16).fold(r"\\.\pipe\amazon-cloudwatch-publisher-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(windows)]
pub use imp::{open, server};

#[cfg(windows)]
#[allow(unsafe_code)]
mod imp {
    use std::{
        ffi::c_void,
        fs::{File, OpenOptions},
        io,
        os::windows::fs::OpenOptionsExt,
    };
    use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
    use windows::{
        Win32::{
            Foundation::{HLOCAL, LocalFree},
            Security::{
                Authorization::{ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1},
                PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES,
            },
        },
        core::w,
    };

    /// What the system holds for a reader that is slow.
    const BUFFER: u32 = 64 * 1024;

    /// `SECURITY_IDENTIFICATION`: who answers may know who asks, and not act as him.
    const IDENTIFICATION: u32 = 0x0001_0000;

    /// One end that writes, and waits for a reader. `first`: it is an error when somebody has a pipe of this name already.
    pub fn server(name: &str, first: bool) -> io::Result<NamedPipeServer> {
        // The system, the administrators, and the owner.
        let rights = w!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;S-1-3-4)");
        let mut descriptor = PSECURITY_DESCRIPTOR::default();
        // SAFETY: the text is a constant; what the call gives is freed below.
        unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(rights, SDDL_REVISION_1, &raw mut descriptor, None)
        }?;
        let mut attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: descriptor.0,
            bInheritHandle: false.into(),
        };
        let mut options = ServerOptions::new();
        options.access_inbound(false).first_pipe_instance(first).out_buffer_size(BUFFER);
        let attributes = (&raw mut attributes).cast::<c_void>();
        // SAFETY: the attributes have their own length, and they and the descriptor outlive the call.
        let made = unsafe { options.create_with_security_attributes_raw(name, attributes) };
        // SAFETY: the call above gave it, and nobody uses it after this.
        let _ = unsafe { LocalFree(Some(HLOCAL(descriptor.0))) };
        made
    }

    /// The end that reads. An error of the kind `NotFound`: nobody answers there.
    pub fn open(name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).security_qos_flags(IDENTIFICATION).open(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_pipe_of_its_own() {
        let name = |path: &str| name_of(Path::new(path));
        assert!(name("/a/var/status.sock").starts_with(r"\\.\pipe\amazon-cloudwatch-publisher-"));
        assert_eq!(name("/a/Var/status.sock"), name("/a/var/status.sock"));
        assert_ne!(name("/a/var/status.sock"), name("/b/var/status.sock"));
        assert_eq!(name("status.sock"), name_of(&std::path::absolute("status.sock").expect("a working folder")));
    }
}
