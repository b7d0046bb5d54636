//! Controllers of NVMe drives, and two pages of their logs.
//!
//! The statistics of EC2 are a page of the vendor that EBS volumes and instance store volumes of Nitro instances have:
//! <https://docs.aws.amazon.com/ebs/latest/userguide/nvme-detailed-performance-stats.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/nvme-detailed-performance-stats.html>. The health of a drive is a page of
//! the NVMe base specification (SMART / Health Information, log identifier 2).
//!
//! Linux: the command Get Log Page through `NVME_IOCTL_ADMIN_CMD`, for which the kernel asks for `CAP_SYS_ADMIN`. Elsewhere reading a
//! page says `Unsupported`. The pages are understood on every system.
use super::attributes;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A controller, below `/sys/class/nvme`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Controller {
    /// The kernel's name, as `nvme0`.
    pub name: String,
    /// What it says of itself, without the blanks that fill it up.
    pub model: String,
    pub serial: String,
    /// It stands in another machine: what its drive is like is told there.
    pub remote: bool,
}

/// The two models of EC2.
const EBS: &str = "Amazon Elastic Block Store";
const INSTANCE_STORE: &str = "Amazon EC2 NVMe Instance Storage";

/// What a controller of EC2 stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Amazon {
    /// A volume of EBS, with its id: `vol-` and hexadecimal digits.
    Ebs { volume: String },
    /// A volume of the instance, with its serial number.
    InstanceStore { serial: String },
}

/// All controllers, below the root of `/sys`. Empty without such drives.
pub fn controllers(sys: &Path) -> io::Result<Vec<Controller>> {
    let class = sys.join("class/nvme");
    let controller = |name: String| {
        let of = |what: &str| attributes::text(&class.join(&name).join(what));
        let remote = matches!(of("transport").as_deref(), Some("tcp" | "rdma" | "fc" | "loop"));
        let (model, serial) = (of("model")?, of("serial").unwrap_or_default());
        Some(Controller { name, model, serial, remote })
    };
    Ok(attributes::names(&class)?.into_iter().filter_map(controller).collect())
}

impl Controller {
    /// What this is of EC2; `None` for every other drive.
    pub fn amazon(&self) -> Option<Amazon> {
        match self.model.as_str() {
            EBS => Some(Amazon::Ebs { volume: volume_id(&self.serial) }),
            INSTANCE_STORE => Some(Amazon::InstanceStore { serial: self.serial.clone() }),
            _ => None,
        }
    }

    /// The names in `/dev` through which it is asked, in the order in which that is tried: its namespaces, itself, and partitions;
    /// in a container only some of them may be there.
    pub fn devices(&self, dev: &Path) -> io::Result<Vec<String>> {
        let mut all = attributes::names(dev)?;
        all.retain(|name| kind(name, &self.name).is_some());
        all.sort_by_key(|name| kind(name, &self.name));
        Ok(all)
    }

    /// The page with the statistics of EC2, read through the first of these devices that can be opened.
    ///
    /// # Errors
    /// `PermissionDenied` without privileges; what the drive itself refuses says so.
    pub fn amazon_page(&self, dev: &Path, devices: &[String]) -> io::Result<Statistics> {
        // The page belongs to a namespace, and there is one.
        let page = imp::page(&through(dev, devices), 0xd0, 1, 4096)?;
        statistics(&page).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the page is not one of EC2"))
    }

    /// The health of the drive, read in the same way.
    ///
    /// # Errors
    /// As above.
    pub fn health(&self, dev: &Path, devices: &[String]) -> io::Result<Health> {
        // That of the whole controller.
        let page = imp::page(&through(dev, devices), 0x02, u32::MAX, 512)?;
        health(&page).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

fn through(dev: &Path, devices: &[String]) -> Vec<PathBuf> {
    devices.iter().map(|name| dev.join(name)).collect()
}

/// What a name in `/dev` is of this controller: a namespace (0), the controller (1), a partition (2).
fn kind(name: &str, controller: &str) -> Option<u8> {
    let rest = name.strip_prefix(controller)?;
    if rest.is_empty() {
        return Some(1);
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match rest.strip_prefix('n')?.split_once('p') {
        None => digits(&rest[1..]).then_some(0),
        Some((namespace, partition)) => (digits(namespace) && digits(partition)).then_some(2),
    }
}

/// The serial number is the id of the volume without its dash.
fn volume_id(serial: &str) -> String {
    match serial.strip_prefix("vol") {
        Some(rest) if !rest.starts_with('-') => format!("vol-{rest}"),
        _ => serial.to_owned(),
    }
}

/// What EC2 counts of a volume since it was attached. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    pub read_ops: u64,
    pub write_ops: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_time: u64,
    pub write_time: u64,
    /// How long more was asked for than the volume's IOPS; only of EBS.
    pub volume_iops_exceeded: u64,
    /// The same of its throughput.
    pub volume_throughput_exceeded: u64,
    /// How long more was asked for than the instance's IOPS.
    pub instance_iops_exceeded: u64,
    /// The same of its throughput.
    pub instance_throughput_exceeded: u64,
    /// Operations that wait at the moment: the one that is not counted up.
    pub queue_length: u64,
}

/// First four bytes of the page of an EBS volume, and of an instance store volume.
const MAGICS: [u32; 2] = [0x3c23_b510, 0xec2c_0d7e];

/// Understand a page: its mark, four bytes of no meaning, and the numbers in the order above, little endian. Histograms of
/// latencies follow from byte 96 on, which nobody asks for.
pub fn statistics(page: &[u8]) -> Option<Statistics> {
    let mark = u32::from_le_bytes(page.get(..4)?.try_into().ok()?);
    if !MAGICS.contains(&mark) {
        return None;
    }
    let mut numbers = page[4..].get(4..)?.chunks_exact(8).map(|b| b.try_into().map(u64::from_le_bytes));
    let mut next = || numbers.next()?.ok();
    Some(Statistics {
        read_ops: next()?,
        write_ops: next()?,
        read_bytes: next()?,
        write_bytes: next()?,
        read_time: next()?,
        write_time: next()?,
        volume_iops_exceeded: next()?,
        volume_throughput_exceeded: next()?,
        instance_iops_exceeded: next()?,
        instance_throughput_exceeded: next()?,
        queue_length: next()?,
    })
}

/// What a drive says of its health.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Health {
    /// Bits, zero where all is well: 0 spare is low, 1 temperature, 2 unreliable, 3 read only, 4 the backup of its memory failed,
    /// 5 its persistent memory is read only.
    pub critical_warning: u8,
    /// Spare blocks that are left, in percent.
    pub available_spare: u8,
    /// Of the life that the maker expects, in percent; more than 100 is possible, and 255 means that or more.
    pub percentage_used: u8,
    /// Errors of the data or the medium that could not be corrected, ever.
    pub media_errors: u128,
}

/// Understand a page of health.
pub fn health(page: &[u8]) -> Option<Health> {
    Some(Health {
        critical_warning: *page.first()?,
        available_spare: *page.get(3)?,
        percentage_used: *page.get(5)?,
        media_errors: u128::from_le_bytes(page.get(160..176)?.try_into().ok()?),
    })
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod imp {
    use std::{fs::File, io, os::fd::AsRawFd, path::PathBuf};

    /// `struct nvme_admin_cmd` of `include/uapi/linux/nvme_ioctl.h`.
    #[repr(C)]
    #[derive(Default)]
    struct Command {
        opcode: u8,
        flags: u8,
        reserved: u16,
        namespace: u32,
        words_2_3: [u32; 2],
        metadata: u64,
        address: u64,
        metadata_length: u32,
        length: u32,
        words_10_15: [u32; 6],
        timeout_ms: u32,
        result: u32,
    }

    const GET_LOG_PAGE: u8 = 0x02;
    /// `NVME_IOCTL_ADMIN_CMD`: `_IOWR('N', 0x41, struct nvme_admin_cmd)`.
    const REQUEST: u32 = 3 << 30 | (size_of::<Command>() as u32) << 16 | (b'N' as u32) << 8 | 0x41;
    /// An EBS volume answers at once; the kernel's own bound would be a minute.
    const PATIENCE_MS: u32 = 5_000;

    /// So many bytes of a log page, through the first device that can be opened; `length` is a multiple of four.
    pub fn page(devices: &[PathBuf], log: u8, namespace: u32, length: u16) -> io::Result<Vec<u8>> {
        let mut refused = io::ErrorKind::NotFound.into();
        for device in devices {
            match File::open(device) {
                Ok(device) => return read(&device, log, namespace, length),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn read(device: &File, log: u8, namespace: u32, length: u16) -> io::Result<Vec<u8>> {
        let mut page = vec![0u8; usize::from(length)];
        let words = u32::from(length) / 4;
        let mut command = Command {
            opcode: GET_LOG_PAGE,
            namespace,
            address: page.as_mut_ptr() as u64,
            length: length.into(),
            // Number of double words, less one, and the identifier of the page.
            words_10_15: [(words - 1) << 16 | u32::from(log), 0, 0, 0, 0, 0],
            timeout_ms: PATIENCE_MS,
            ..Command::default()
        };
        // SAFETY: the kernel reads and writes a structure of this size, and writes at most `length` bytes to `page`; both outlive
        // the call. A device of another kind does not know the request, which has the size of its structure in it.
        let answer = unsafe { libc::ioctl(device.as_raw_fd(), REQUEST as _, &raw mut command) };
        match answer {
            0 => Ok(page),
            // What the controller itself answered, as in the NVMe base specification, "Status Code".
            1.. => Err(io::Error::new(io::ErrorKind::Unsupported, format!("the drive refused it: status {answer:#x}"))),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_request_is_the_one_of_the_kernels_header() {
            assert_eq!((size_of::<Command>(), REQUEST), (72, 0xc048_4e41));
        }

        #[test]
        fn a_device_of_another_kind_is_an_error_and_so_is_none() {
            assert!(page(&["/nowhere".into(), "/dev/null".into()], 2, 1, 512).is_err());
            assert_eq!(page(&[], 2, 1, 512).expect_err("none").kind(), io::ErrorKind::NotFound);
            assert_eq!(page(&["/nowhere".into()], 2, 1, 512).expect_err("none").kind(), io::ErrorKind::NotFound);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::{io, path::PathBuf};

    pub fn page(_: &[PathBuf], _: u8, _: u32, _: u16) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests;
