//! How worn storage is that is no drive with SMART: eMMC, SD cards, and what the file system ext4 counts itself.
//!
//! An eMMC tells its wear (`life_time`, `pre_eol_info` of <https://docs.kernel.org/driver-api/mmc/mmc-dev-attrs.html>, meanings in
//! JESD84-B51 7.4.116 to 7.4.118). An SD card has no such register: of it, only what ext4 counts tells anything. That is, for any
//! device, how much was ever written to the file system, and how often it met an error
//! (`Documentation/ABI/testing/sysfs-fs-ext4`).
use super::attributes;
use std::{io, path::Path};

/// What an eMMC says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flash {
    /// The block device, as `mmcblk0`; the card's place on its bus where it has none.
    pub device: String,
    /// How much of its life is used, of the more worn of its two kinds of memory, in percent: the upper end of the ten percent that
    /// it tells, so 10 for a new one, and 110 for one that is beyond its life.
    pub life_used: Option<u8>,
    /// How its spare blocks are: 1 normal, 2 four fifths are used, 3 nine tenths are used.
    pub spare_blocks: Option<u8>,
}

/// Every eMMC, below the root of `/sys`.
pub fn flash(sys: &Path) -> io::Result<Vec<Flash>> {
    let bus = sys.join("bus/mmc/devices");
    let mut found = vec![];
    for card in attributes::names(&bus)? {
        let folder = bus.join(&card);
        let life_used = attributes::text(&folder.join("life_time")).and_then(|text| life_used(&text));
        let spare_blocks = attributes::hexadecimal(&folder.join("pre_eol_info")).and_then(spare_blocks);
        if life_used.is_none() && spare_blocks.is_none() {
            continue;
        }
        let block = attributes::names(&folder.join("block")).unwrap_or_default().into_iter().next();
        found.push(Flash { device: block.unwrap_or(card), life_used, spare_blocks });
    }
    Ok(found)
}

/// Two numbers, of the two kinds of memory: 1 to 10 are tenths, 11 is beyond the end, 0 is not told.
fn life_used(text: &str) -> Option<u8> {
    let told = |word| attributes::parse_hexadecimal(word).filter(|tenths| (1..=11).contains(tenths));
    let tenths = text.split_ascii_whitespace().filter_map(told).max()?;
    u8::try_from(tenths * 10).ok()
}

fn spare_blocks(told: u32) -> Option<u8> {
    u8::try_from(told).ok().filter(|level| (1..=3).contains(level))
}

/// What ext4 keeps in each file system about its life. Both counters are kept on the disk and outlast the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileSystem {
    /// The block device, as `mmcblk0p2`.
    pub device: String,
    /// Errors since it was last checked.
    pub errors: Option<u64>,
    /// Bytes that were written to it since it was made.
    pub written: Option<u64>,
}

/// Every mounted ext4, below the root of `/sys`.
pub fn file_systems(sys: &Path) -> io::Result<Vec<FileSystem>> {
    let class = sys.join("fs/ext4");
    let mut found = vec![];
    for device in attributes::names(&class)? {
        let errors = attributes::number(&class.join(&device).join("errors_count"));
        let kilobytes = attributes::number::<u64>(&class.join(&device).join("lifetime_write_kbytes"));
        let written = kilobytes.and_then(|kilobytes| kilobytes.checked_mul(1024));
        if errors.is_some() || written.is_some() {
            found.push(FileSystem { device, errors, written });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::trees, *};

    #[test]
    fn an_emmc_tells_the_wear_of_its_more_worn_half() {
        let tree = trees::plant(trees::LAPTOP);
        let expected = Flash { device: "mmcblk0".into(), life_used: Some(110), spare_blocks: Some(2) };
        assert_eq!(flash(tree.path()).expect("read"), [expected]);
    }

    #[test]
    fn an_sd_card_tells_no_wear_but_its_file_system_does() {
        let tree = trees::plant(trees::RASPBERRY_PI_4);
        assert_eq!(flash(tree.path()).expect("read"), []);
        let written = Some(812_345_678 * 1024);
        let expected = FileSystem { device: "mmcblk0p2".into(), errors: Some(3), written };
        assert_eq!(file_systems(tree.path()).expect("read"), [expected]);
    }

    #[test]
    fn what_an_emmc_does_not_know_is_not_told() {
        assert_eq!(life_used("0x01 0x00"), Some(10));
        assert_eq!(life_used("0x0a 0x03"), Some(100));
        for unknown in ["", "0x00 0x00", "0x0c 0xff", "unknown", "0x100000000"] {
            assert_eq!(life_used(unknown), None, "{unknown:?}");
        }
        assert_eq!((spare_blocks(0), spare_blocks(1), spare_blocks(4), spare_blocks(257)), (None, Some(1), None, None));
    }

    #[test]
    fn hostile_counters_are_none() {
        let at = "fs/ext4/sda1";
        let tree = trees::plant(&format!("{at}/errors_count = -1\n{at}/lifetime_write_kbytes = {}", u64::MAX));
        assert_eq!(file_systems(tree.path()).expect("read"), []);
    }
}
