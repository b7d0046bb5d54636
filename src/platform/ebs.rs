//! The volumes of Amazon EBS that this machine sees, by the kernel's names of their disks. Asks no network.
use super::procfs;
use std::{fs, io, path::Path};

/// What the controller of each volume calls itself.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html>
const MODEL: &str = "Amazon Elastic Block Store";

/// Disk (`nvme0n1`) and volume (`vol-0123456789abcdef0`) of each, in the order of the disks.
///
/// Linux: the model and the serial number that the NVMe driver keeps of each controller, as all instances on Nitro have them; nothing is
/// asked of a device. Elsewhere, and on Xen, whose disks do not tell: none.
///
/// # Errors
/// When there are disks, but they may not be listed.
pub fn volumes() -> io::Result<Vec<(String, String)>> {
    volumes_in(&procfs::sys().join("block"))
}

fn volumes_in(blocks: &Path) -> io::Result<Vec<(String, String)>> {
    let disks = match fs::read_dir(blocks) {
        Ok(disks) => disks,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut volumes = vec![];
    for disk in disks {
        let Ok(name) = disk?.file_name().into_string() else { continue };
        if !name.starts_with("nvme") {
            continue;
        }
        // A disk that is being taken away has lost some of its files.
        let read = |file: &str| fs::read_to_string(blocks.join(&name).join("device").join(file)).unwrap_or_default();
        if read("model").trim() == MODEL
            && let Some(id) = volume_id(&read("serial"))
        {
            volumes.push((name, id));
        }
    }
    volumes.sort();
    Ok(volumes)
}

/// The serial number is the volume's id without its hyphen.
fn volume_id(serial: &str) -> Option<String> {
    let digits = serial.trim().strip_prefix("vol")?.trim_start_matches('-');
    let well_formed = matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed.then(|| format!("vol-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_the_disks_whose_controller_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (disk, model, serial) in [
            ("nvme1n1", "Amazon Elastic Block Store              ", "vol0fedcba9876543210"),
            ("nvme0n1", "Amazon Elastic Block Store\n", "vol0123456789abcdef0\n"),
            ("nvme2n1", "Amazon EC2 NVMe Instance Storage", "AWS0123456789ABCDEF0"),
            ("nvme3n1", "Amazon Elastic Block Store", "vol"),
            ("sda", "Amazon Elastic Block Store", "vol0123456789abcdef1"),
        ] {
            let device = folder.path().join(disk).join("device");
            fs::create_dir_all(&device).expect("ours");
            fs::write(device.join("model"), model).expect("ours");
            fs::write(device.join("serial"), serial).expect("ours");
        }
        fs::create_dir_all(folder.path().join("nvme4n1")).expect("ours");
        let volumes = volumes_in(folder.path()).expect("readable");
        let expected = [("nvme0n1", "vol-0123456789abcdef0"), ("nvme1n1", "vol-0fedcba9876543210")];
        assert_eq!(volumes, expected.map(|(disk, id)| (disk.to_owned(), id.to_owned())));
    }

    #[test]
    fn where_there_is_no_list_of_disks_there_is_no_volume() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(volumes_in(&folder.path().join("nothing")).expect("no fault"), []);
    }

    #[test]
    fn only_a_serial_number_of_a_volume_is_one() {
        assert_eq!(volume_id("vol1234abcd").as_deref(), Some("vol-1234abcd"));
        assert_eq!(volume_id("vol-0123456789abcdef0").as_deref(), Some("vol-0123456789abcdef0"));
        for other in ["", "vol", "vol0123", "volxyzxyzxy", "AWS0123456789abcdef"] {
            assert_eq!(volume_id(other), None, "{other:?}");
        }
    }
}
