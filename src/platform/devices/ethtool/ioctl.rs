//! The requests of `SIOCETHTOOL`. Numbers and structures: `include/uapi/linux/ethtool.h`.
//!
//! For names and values the kernel copies as many as the driver has at that moment, not as many as we have room for: between our
//! question how many there are and the next one, there may be more, as when somebody adds queues. So both go to a [`Page`] that
//! ends where nothing may be written: there the kernel stops with an error instead of writing over what else we have.
#![allow(unsafe_code)]
use super::{NAME, pairs, until_zero};
use std::{
    ffi::c_void,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr::{self, NonNull},
};

const GET_DRIVER: u32 = 0x03;
const GET_NAMES: u32 = 0x1b;
const GET_VALUES: u32 = 0x1d;
const GET_COUNTS: u32 = 0x37;
/// The set of strings that names the statistics.
const STATISTICS: u32 = 1;

/// No driver has near so many: an adapter with hundreds of queues has some thousands.
const MOST: usize = 16_384;
/// The command, the set, the count.
const NAMES_HEAD: usize = 12;
/// The command, the count.
const VALUES_HEAD: usize = 8;

#[derive(Debug)]
pub struct Ethtool {
    socket: OwnedFd,
    names: Page,
    values: Page,
}

impl Ethtool {
    pub fn open() -> io::Result<Self> {
        // SAFETY: takes three numbers; what it gives is a new descriptor or an error.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        Ok(Self {
            socket,
            names: Page::new(NAMES_HEAD + MOST * NAME)?,
            values: Page::new(VALUES_HEAD + MOST * size_of::<u64>())?,
        })
    }

    pub fn driver(&self, interface: &str) -> io::Result<String> {
        // `struct ethtool_drvinfo`: the command, 32 bytes of the driver's name, and 160 more.
        let mut words = [0u32; 49];
        words[0] = GET_DRIVER;
        // SAFETY: the kernel copies the structure, which has the size of `words`.
        unsafe { self.ask(interface, words.as_mut_ptr().cast())? };
        let name: Vec<u8> = words[1..9].iter().flat_map(|word| word.to_ne_bytes()).collect();
        until_zero(&name).map(str::to_owned).ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    pub fn statistics(&mut self, interface: &str, each: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
        let count = self.count(interface)?;
        let told = u32::try_from(count).map_err(io::Error::other)?;
        self.names.begin(&[GET_NAMES, STATISTICS, told]);
        // SAFETY: the kernel copies all names that there are to the page, or fails at its end.
        unsafe { self.ask(interface, self.names.at.as_ptr())? };
        self.values.begin(&[GET_VALUES, told]);
        // SAFETY: the same with the values.
        unsafe { self.ask(interface, self.values.at.as_ptr())? };
        let (names, values) = (self.names.bytes(), self.values.bytes());
        if names[8..12] != told.to_ne_bytes() || values[4..8] != told.to_ne_bytes() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let names = &names[NAMES_HEAD..NAMES_HEAD + count * NAME];
        let values = &values[VALUES_HEAD..VALUES_HEAD + count * size_of::<u64>()];
        pairs(names, values, each);
        Ok(())
    }

    /// How many statistics the driver has.
    fn count(&self, interface: &str) -> io::Result<usize> {
        // `struct ethtool_sset_info`: the command, nothing, a mask of 64 bits, and a number for each bit of it: one.
        let mut words = [0u32; 6];
        words[0] = GET_COUNTS;
        let mask = (1u64 << STATISTICS).to_ne_bytes();
        let (low, high) = ([mask[0], mask[1], mask[2], mask[3]], [mask[4], mask[5], mask[6], mask[7]]);
        (words[2], words[3]) = (u32::from_ne_bytes(low), u32::from_ne_bytes(high));
        // SAFETY: the kernel copies the head and one number, together fewer bytes than `words` has.
        unsafe { self.ask(interface, words.as_mut_ptr().cast())? };
        // A set that the driver does not have is taken out of the mask.
        if words[2] == 0 && words[3] == 0 || words[4] == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let count = usize::try_from(words[4]).unwrap_or(usize::MAX);
        let many = || io::Error::other(format!("the driver says that it has {count} statistics; {MOST} are the most"));
        (count <= MOST).then_some(count).ok_or_else(many)
    }

    /// # Safety
    /// `data` points to a structure of the command that stands in its first word, and to as much room as the kernel copies there
    /// or to what ends where nothing may be written.
    unsafe fn ask(&self, interface: &str, data: *mut c_void) -> io::Result<()> {
        // SAFETY: a structure of numbers, bytes and pointers, of which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero.
        if interface.len() >= request.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from.cast_signed() as libc::c_char;
        }
        request.ifr_ifru.ifru_data = data.cast();
        // SAFETY: `request` outlives the call; what it points to is the caller's promise.
        let answer = unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
        if answer >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // It went while we asked.
        Err(if error.raw_os_error() == Some(libc::ENODEV) { io::ErrorKind::NotFound.into() } else { error })
    }
}

/// Memory that ends where nothing may be written. Only what is used of it takes room.
#[derive(Debug)]
struct Page {
    at: NonNull<c_void>,
    /// Bytes that may be written.
    open: usize,
    /// Bytes of all, the closed end included.
    all: usize,
}

// SAFETY: it is plain memory that only this value points to.
unsafe impl Send for Page {}

impl Page {
    /// At least so many bytes, all zero.
    fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: takes a number and gives one.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).map_err(io::Error::other)?;
        let open = bytes.next_multiple_of(page);
        let all = open + page;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory at a place of the kernel's choice.
        let at = unsafe { libc::mmap(ptr::null_mut(), all, access, kind, -1, 0) };
        let at = if at == libc::MAP_FAILED { None } else { NonNull::new(at) };
        let made = Self { at: at.ok_or_else(io::Error::last_os_error)?, open, all };
        // SAFETY: the last page of what was just mapped.
        let closed = unsafe { libc::mprotect(made.at.as_ptr().byte_add(open), page, libc::PROT_NONE) };
        if closed == 0 { Ok(made) } else { Err(io::Error::last_os_error()) }
    }

    fn begin(&mut self, words: &[u32]) {
        let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
        for (to, from) in self.bytes_mut().iter_mut().zip(bytes) {
            *to = from;
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, were zero at first, and are only written while nobody holds this borrow.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr().cast(), self.open) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else borrows it.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr().cast(), self.open) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing borrows it any more.
        unsafe { libc::munmap(self.at.as_ptr(), self.all) };
    }
}

#[cfg(test)]
mod tests {
    use super::{super::interfaces, *};
    use std::path::Path;

    #[test]
    fn the_interfaces_of_this_machine_answer_or_have_nothing_to_say() {
        let mut ethtool = Ethtool::open().expect("a socket");
        for interface in interfaces(Path::new("/sys")).expect("Linux") {
            let driver = ethtool.driver(&interface.name);
            assert!(driver.as_ref().map_or(true, |name| !name.is_empty()), "{driver:?}");
            let mut names = vec![];
            let answer = ethtool.statistics(&interface.name, &mut |name, _| names.push(name.to_owned()));
            assert_eq!(answer.is_ok(), !names.is_empty(), "{}: {answer:?}", interface.name);
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let mut ethtool = Ethtool::open().expect("a socket");
        for name in ["", "nowhere0", "a-name-that-is-too-long-for-any-interface"] {
            assert!(ethtool.driver(name).is_err(), "{name}");
            assert!(ethtool.statistics(name, &mut |_, _| {}).is_err(), "{name}");
        }
    }

    #[test]
    fn the_kernel_cannot_write_beyond_the_end() {
        let page = Page::new(1).expect("memory");
        let file = std::fs::File::open("/dev/zero").expect("a device");
        // SAFETY: what is asked for is more than there is room for; that the kernel refuses the rest is what is tested.
        let read = unsafe { libc::read(file.as_raw_fd(), page.at.as_ptr(), page.all) };
        assert!(read < 0 || read.cast_unsigned() <= page.open, "{read}");
    }
}
