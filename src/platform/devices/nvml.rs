//! GPUs of NVIDIA, through the NVIDIA Management Library (NVML) that comes with the driver and that `nvidia-smi` asks, too:
//! <https://docs.nvidia.com/deploy/nvml-api/>. It is loaded while the program runs; a machine without it has no such GPU.
//!
//! Each function is looked up by its name when it is called, which costs less than a microsecond: an older driver that lacks one
//! lacks that one value only. What a GPU does not support is `None`.
#![allow(unsafe_code)]
use super::library::Library;
use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void},
    io,
    path::Path,
    ptr,
};

/// What the loader is asked for.
#[cfg(not(windows))]
pub const LIBRARY: &str = "libnvidia-ml.so.1";
/// What the loader is asked for.
#[cfg(windows)]
pub const LIBRARY: &str = "nvml.dll";

/// `NVML_DEVICE_UUID_V2_BUFFER_SIZE`, and `NVML_DEVICE_NAME_V2_BUFFER_SIZE`.
const TEXT: usize = 96;
const SUCCESS: c_int = 0;
const NOT_FOUND: c_int = 13;

type Device = *mut c_void;

/// One reading of one GPU.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gpu {
    /// Its number, counted from 0 in the order of the bus.
    pub index: u32,
    pub name: Option<String>,
    /// Stays with the card, as `GPU-8a0c...`.
    pub uuid: Option<String>,
    /// The name of its generation, as `Ampere`; `None` also for one that this list does not have yet.
    pub architecture: Option<&'static str>,
    /// Percent of the last sample period (a sixth of a second to a second) in which it worked, and in which its memory was used.
    pub utilization: Option<[u32; 2]>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// Milliwatts.
    pub power: Option<u32>,
    /// Percent of the fan's full speed.
    pub fan: Option<u32>,
    pub memory: Option<Memory>,
    /// Of its PCIe link at the moment.
    pub link_generation: Option<u32>,
    pub link_width: Option<u32>,
    /// Sessions of the video encoder, their frames in a second, their latency in microseconds.
    pub encoder: Option<[u32; 3]>,
    /// MHz at the moment: graphics, streaming multiprocessors, memory, video.
    pub clocks: [Option<u32>; 4],
}

/// Memory of a GPU in bytes. What the driver keeps for itself is neither used nor free where it tells it apart (since 510).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Memory {
    pub total: u64,
    pub used: u64,
    pub free: u64,
}

/// What one reading found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub gpus: Vec<Gpu>,
    /// A GPU that could not be asked, and why: it has fallen off its bus, or is not ours.
    pub lost: Option<(u32, String)>,
}

/// The library, started.
#[derive(Debug)]
pub struct Nvml {
    library: Library,
    started: bool,
}

impl Nvml {
    /// Load and start it. The driver sets up all GPUs with that, which may take seconds.
    ///
    /// # Errors
    /// `NotFound`: there is no such library. Anything else is what it answers, as that no driver is loaded.
    pub fn open(library: &Path) -> io::Result<Self> {
        let mut nvml = Self { library: Library::open(library)?, started: false };
        // SAFETY: `nvmlReturn_t nvmlInit_v2(void)`
        let answer = unsafe {
            call::<unsafe extern "C" fn() -> c_int>(&nvml.library, c"nvmlInit_v2").map_or(NOT_FOUND, |start| start())
        };
        nvml.started = answer == SUCCESS;
        if nvml.started { Ok(nvml) } else { Err(io::Error::other(nvml.why(answer))) }
    }

    /// All GPUs as they are now.
    ///
    /// # Errors
    /// When not even their number is told, as after an update of the driver: then it has to be opened anew.
    pub fn read(&self) -> io::Result<Found> {
        let mut count: c_uint = 0;
        // SAFETY: `nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *)`
        let answer = unsafe {
            let get = call::<unsafe extern "C" fn(*mut c_uint) -> c_int>(&self.library, c"nvmlDeviceGetCount_v2");
            get.map_or(NOT_FOUND, |get| get(&raw mut count))
        };
        if answer != SUCCESS {
            return Err(io::Error::other(self.why(answer)));
        }
        let mut found = Found::default();
        for index in 0..count {
            match self.device(index) {
                Ok(device) => found.gpus.push(self.gpu(index, device)),
                Err(answer) => found.lost = Some((index, self.why(answer))),
            }
        }
        Ok(found)
    }

    fn device(&self, index: u32) -> Result<Device, c_int> {
        let mut device = ptr::null_mut();
        // SAFETY: `nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int, nvmlDevice_t *)`
        let answer = unsafe {
            let name = c"nvmlDeviceGetHandleByIndex_v2";
            let get = call::<unsafe extern "C" fn(c_uint, *mut Device) -> c_int>(&self.library, name);
            get.map_or(NOT_FOUND, |get| get(index, &raw mut device))
        };
        if answer == SUCCESS { Ok(device) } else { Err(answer) }
    }

    fn gpu(&self, index: u32, device: Device) -> Gpu {
        let clock = |kind| self.number_of(c"nvmlDeviceGetClockInfo", device, kind);
        Gpu {
            index,
            name: self.text(c"nvmlDeviceGetName", device),
            uuid: self.text(c"nvmlDeviceGetUUID", device),
            architecture: self.number(c"nvmlDeviceGetArchitecture", device).and_then(architecture),
            utilization: self.utilization(device),
            // `NVML_TEMPERATURE_GPU`
            temperature: self.number_of(c"nvmlDeviceGetTemperature", device, 0),
            power: self.number(c"nvmlDeviceGetPowerUsage", device),
            fan: self.number(c"nvmlDeviceGetFanSpeed", device),
            memory: self.memory(device),
            link_generation: self.number(c"nvmlDeviceGetCurrPcieLinkGeneration", device),
            link_width: self.number(c"nvmlDeviceGetCurrPcieLinkWidth", device),
            encoder: self.encoder(device),
            // `nvmlClockType_t`
            clocks: [clock(0), clock(1), clock(2), clock(3)],
        }
    }

    /// Of the functions that give one number.
    fn number(&self, name: &CStr, device: Device) -> Option<u32> {
        let mut value: c_uint = 0;
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, unsigned int *)`, as each name that is given here says in the documentation
        let answer = unsafe {
            call::<unsafe extern "C" fn(Device, *mut c_uint) -> c_int>(&self.library, name)?(device, &raw mut value)
        };
        (answer == SUCCESS).then_some(value)
    }

    /// Of the functions that give one number of several kinds.
    fn number_of(&self, name: &CStr, device: Device, kind: c_uint) -> Option<u32> {
        let mut value: c_uint = 0;
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, an enumeration, unsigned int *)`, as above
        let answer = unsafe {
            call::<unsafe extern "C" fn(Device, c_uint, *mut c_uint) -> c_int>(&self.library, name)?(
                device,
                kind,
                &raw mut value,
            )
        };
        (answer == SUCCESS).then_some(value)
    }

    /// Of the functions that give a text.
    fn text(&self, name: &CStr, device: Device) -> Option<String> {
        let mut bytes = [0u8; TEXT];
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, char *, unsigned int)`, as above: at most so many bytes are written
        let answer = unsafe {
            let get = call::<unsafe extern "C" fn(Device, *mut c_char, c_uint) -> c_int>(&self.library, name)?;
            get(device, bytes.as_mut_ptr().cast(), TEXT as c_uint)
        };
        let text = CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok()?.trim();
        (answer == SUCCESS && !text.is_empty()).then(|| text.to_owned())
    }

    fn utilization(&self, device: Device) -> Option<[u32; 2]> {
        let mut rates: [c_uint; 2] = [0; 2];
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, nvmlUtilization_t *)`, a structure of two unsigned int
        let answer = unsafe {
            let name = c"nvmlDeviceGetUtilizationRates";
            call::<unsafe extern "C" fn(Device, *mut [c_uint; 2]) -> c_int>(&self.library, name)?(
                device,
                &raw mut rates,
            )
        };
        (answer == SUCCESS).then_some(rates)
    }

    fn encoder(&self, device: Device) -> Option<[u32; 3]> {
        let mut stats: [c_uint; 3] = [0; 3];
        let [sessions, frames, latency] = &mut stats;
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, unsigned int *, unsigned int *, unsigned int *)`
        let answer = unsafe {
            type Get = unsafe extern "C" fn(Device, *mut c_uint, *mut c_uint, *mut c_uint) -> c_int;
            call::<Get>(&self.library, c"nvmlDeviceGetEncoderStats")?(device, sessions, frames, latency)
        };
        (answer == SUCCESS).then_some(stats)
    }

    /// As `nvidia-smi` tells it: where there is the second version, without what the driver keeps for itself.
    fn memory(&self, device: Device) -> Option<Memory> {
        let mut second =
            Memory2 { version: size_of::<Memory2>() as c_uint | 2 << 24, total: 0, reserved: 0, free: 0, used: 0 };
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, nvmlMemory_v2_t *)`; the structure says its own size and version
        let answer = unsafe {
            call::<unsafe extern "C" fn(Device, *mut Memory2) -> c_int>(&self.library, c"nvmlDeviceGetMemoryInfo_v2")
                .map_or(NOT_FOUND, |get| get(device, &raw mut second))
        };
        if answer == SUCCESS {
            return Some(Memory { total: second.total, used: second.used, free: second.free });
        }
        let mut first: [c_ulonglong; 3] = [0; 3];
        // SAFETY: `nvmlReturn_t (nvmlDevice_t, nvmlMemory_t *)`, a structure of three unsigned long long
        let answer = unsafe {
            let name = c"nvmlDeviceGetMemoryInfo";
            call::<unsafe extern "C" fn(Device, *mut [c_ulonglong; 3]) -> c_int>(&self.library, name)?(
                device,
                &raw mut first,
            )
        };
        let [total, free, used] = first;
        (answer == SUCCESS).then_some(Memory { total, used, free })
    }

    /// The library's words for what it answered.
    fn why(&self, answer: c_int) -> String {
        // SAFETY: `const char *nvmlErrorString(nvmlReturn_t)`: it ends with a zero, stays as long as the library, and is copied here
        let words = unsafe {
            call::<unsafe extern "C" fn(c_int) -> *const c_char>(&self.library, c"nvmlErrorString")
                .and_then(|say| say(answer).as_ref().map(|words| CStr::from_ptr(words).to_string_lossy().into_owned()))
        };
        words.unwrap_or_else(|| format!("NVML answered {answer}"))
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        if !self.started {
            return;
        }
        // SAFETY: `nvmlReturn_t nvmlShutdown(void)`; it was started once
        unsafe {
            if let Some(stop) = call::<unsafe extern "C" fn() -> c_int>(&self.library, c"nvmlShutdown") {
                stop();
            }
        }
    }
}

/// `nvmlMemory_v2_t`
#[repr(C)]
struct Memory2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// A function of the library.
///
/// # Safety
/// `F` is the type of the function of this name, a pointer to it; and it is not used after the library.
unsafe fn call<F: Copy>(library: &Library, name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<ptr::NonNull<()>>()) };
    let function = library.find(name)?;
    // SAFETY: both have the same size, which was just checked; the type is the caller's promise.
    Some(unsafe { std::mem::transmute_copy(&function) })
}

/// `nvmlDeviceArchitecture_t` in the words of `nvidia-smi`.
fn architecture(number: u32) -> Option<&'static str> {
    const NAMES: [&str; 9] =
        ["Kepler", "Maxwell", "Pascal", "Volta", "Turing", "Ampere", "Ada Lovelace", "Hopper", "Blackwell"];
    NAMES.get(usize::try_from(number.checked_sub(2)?).ok()?).copied()
}

#[cfg(all(test, unix))]
mod tests;
