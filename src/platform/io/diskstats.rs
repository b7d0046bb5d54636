//! `/proc/diskstats`: one line for each disk, followed by the lines of its partitions.
//!
//! Format: <https://docs.kernel.org/admin-guide/iostats.html>. What [`parse`] counts is every byte once, on the device that moved it:
//! - no partitions, because their disk counts them too;
//! - no loop devices, RAM disks and zram: they are files or memory;
//! - no device mapper, md, bcache, DRBD and ZFS volumes: they lie upon disks that count the same bytes.
//!
//! Who leaves out the partitions only, as the older publisher does, counts a write to an LVM volume twice.
use super::{Device, Traffic, malformed};
use std::io;

/// Sectors of this file have 512 bytes, whatever the disk's own sectors are (`Documentation/block/stat.rst`).
const SECTOR: u64 = 512;

/// Names, up to their number, of devices that are files, memory, or lie upon other disks.
const NOT_DISKS: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "bcache", "drbd", "zd"];

/// The whole disks of the text.
pub fn parse(text: &str) -> io::Result<Vec<Traffic>> {
    let mut disks = Vec::new();
    let mut whole = "";
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let name = fields.next().ok_or_else(|| malformed("/proc/diskstats", line))?;
        if is_partition(name, whole) {
            continue;
        }
        whole = name;
        if !is_disk(name) {
            continue;
        }
        // reads, merged, sectors, milliseconds; then the same four for writes.
        let mut numbers = [0u64; 7];
        for number in &mut numbers {
            *number = fields.next().and_then(|f| f.parse().ok()).ok_or_else(|| malformed("/proc/diskstats", line))?;
        }
        let [reads, _, sectors_read, _, writes, _, sectors_written] = numbers;
        disks.push(Traffic {
            device: name.to_owned(),
            bytes_in: sectors_read.saturating_mul(SECTOR),
            bytes_out: sectors_written.saturating_mul(SECTOR),
            count_in: reads,
            count_out: writes,
        });
    }
    Ok(disks)
}

/// Number, number and name; then eleven counters. Later kernels add more behind them.
const COUNTERS: usize = 11;

/// All devices of the text that have ever been used: those whose counters are all zero (loop devices that nobody set up) would only
/// cost money.
pub fn devices(text: &str) -> io::Result<Vec<Device>> {
    let mut devices = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let bad = || malformed("/proc/diskstats", line);
        let mut fields = line.split_ascii_whitespace().skip(2);
        let name = fields.next().ok_or_else(bad)?;
        let mut numbers = [0u64; COUNTERS];
        let mut count = 0;
        for (number, field) in numbers.iter_mut().zip(fields) {
            *number = field.parse().map_err(|_| bad())?;
            count += 1;
        }
        // Partitions of kernels before 2.6.25 have four numbers.
        if count < COUNTERS || numbers == [0; COUNTERS] {
            continue;
        }
        let [reads, _, sectors_read, read_time, writes, _, sectors_written, write_time, in_flight, busy_time, _] =
            numbers;
        devices.push(Device {
            name: name.to_owned(),
            reads,
            writes,
            bytes_read: sectors_read.saturating_mul(SECTOR),
            bytes_written: sectors_written.saturating_mul(SECTOR),
            read_time,
            write_time,
            busy_time,
            in_flight,
        });
    }
    Ok(devices)
}

/// Partitions follow their disk and carry its name: `sda1` of `sda`, `nvme0n1p1` of `nvme0n1`. By name alone `xvda1` could be
/// either; on some EC2 instances it is a disk.
fn is_partition(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk).filter(|_| !disk.is_empty()) else { return false };
    let number = if disk.ends_with(|c: char| c.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    number.is_some_and(is_number)
}

fn is_disk(name: &str) -> bool {
    !NOT_DISKS.iter().any(|kind| name.strip_prefix(kind).is_some_and(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Composed by the kernel's Documentation/admin-guide/iostats.rst, with the devices that machines of these kinds have.

    /// Ubuntu on EC2 (Nitro): 20 fields, as kernels from 5.5 on print them.
    const NITRO: &str = "\
   7       0 loop0 11 0 28 0 0 0 0 0 0 4 0 0 0 0 0 0 0
 259       0 nvme0n1 48688 10257 9284714 28952 12773 64548 22724184 66044 0 11288 95818 5368 15 343888 811 317 9
 259       1 nvme0n1p1 48000 10000 9000000 28000 12000 64000 22000000 66000 0 11000 94000 0 0 0 0 0 0
 259       2 nvme0n1p14 200 0 1600 10 0 0 0 0 0 10 10 0 0 0 0 0 0
 259       3 nvme1n1 1 0 8 1 2 0 16 1 0 1 2 0 0 0 0 0 0
";
    /// Raspberry Pi OS with zram and a mirror of two USB disks under LVM: 14 fields, as kernels before 4.18 print them.
    const PI: &str = "\
   1       0 ram0 5 0 5 0 5 0 5 0 0 0 0
   8       0 sda 100 0 2000 10 50 0 1000 10 0 10 20
   8       1 sda1 90 0 1900 9 49 0 900 9 0 9 18
   8      16 sdb 10 0 200 10 5 0 100 10 0 10 20
   8      17 sdb1 9 0 190 9 4 0 90 9 0 9 18
   9     127 md127 99 0 2090 0 53 0 990 0 0 0 0
 253       0 dm-0 99 0 2090 0 53 0 990 0 0 0 0
 179       0 mmcblk0 7 0 70 1 3 0 30 1 0 1 2
 179       1 mmcblk0p1 6 0 60 1 2 0 20 1 0 1 2
 179       8 mmcblk0boot0 1 0 8 0 0 0 0 0 0 0 0
 252       0 zram0 1000 0 8000 1 1000 0 8000 1 0 1 2
";

    fn names(text: &str) -> Vec<String> {
        parse(text).expect("well formed").into_iter().map(|d| d.device).collect()
    }

    #[test]
    fn only_whole_disks_count() {
        assert_eq!(names(NITRO), ["nvme0n1", "nvme1n1"]);
        assert_eq!(names(PI), ["sda", "sdb", "mmcblk0", "mmcblk0boot0"]);
    }

    #[test]
    fn a_disk_that_is_named_like_a_partition_counts() {
        // A paravirtual EC2 instance: there is no xvda.
        assert_eq!(
            names(" 202 1 xvda1 1 0 8 0 1 0 8 0 0 0 0\n 202 16 xvdb 1 0 8 0 1 0 8 0 0 0 0\n"),
            ["xvda1", "xvdb"]
        );
    }

    #[test]
    fn sectors_are_512_bytes_and_operations_are_completed_ones() {
        let disk = &parse(NITRO).expect("well formed")[0];
        assert_eq!((disk.bytes_in, disk.bytes_out), (9_284_714 * 512, 22_724_184 * 512));
        assert_eq!((disk.count_in, disk.count_out), (48_688, 12_773));
    }

    /// An EC2 instance with kernel 4.14 (Amazon Linux 2, Xen): 14 fields. Behind it lines as kernels 4.18 (18 fields) print them.
    const XEN: &str = "\
 202       0 xvda 7846 22 342310 5196 81023 6912 2711480 101316 3 42920 106072
 202       1 xvda1 7790 22 338142 5168 79810 6912 2711480 100900 0 42500 105600
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
 253       0 dm-0 8 0 64 4 0 0 0 0 0 4 4 0 0 0 0
";

    #[test]
    fn all_devices_that_were_ever_used_are_read_with_their_times_and_partitions() {
        let found = devices(XEN).expect("well formed");
        assert_eq!(found.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["xvda", "xvda1", "dm-0"]);
        let expected = Device {
            name: "xvda".into(),
            reads: 7_846,
            writes: 81_023,
            bytes_read: 342_310 * 512,
            bytes_written: 2_711_480 * 512,
            read_time: 5_196,
            write_time: 101_316,
            busy_time: 42_920,
            in_flight: 3,
        };
        assert_eq!(found[0], expected);
        let names: Vec<_> = devices(NITRO).expect("well formed").into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["loop0", "nvme0n1", "nvme0n1p1", "nvme0n1p14", "nvme1n1"], "20 fields");
    }

    #[test]
    fn a_device_with_fewer_counters_is_left_out_and_one_with_other_words_is_an_error() {
        assert_eq!(devices(" 8 1 sda1 1 2 3 4\n\n").expect("as before 2.6.25"), []);
        let error = devices(" 8 0 sda 1 2 3 4 5 6 7 8 9 ten 11\n").expect_err("no number");
        assert!(error.to_string().contains("ten"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "( ?[0-9]{0,3} [0-9] (sd|loop|é)[a-z0-9]{0,3}( [0-9]{1,21}){0,20}\n){0,4}.{0,30}") {
            let _ = (parse(&text), devices(&text));
        }
    }

    #[test]
    fn a_line_of_another_form_is_an_error_that_shows_it() {
        for bad in ["   8       0\n", "   8       0 sda 1 2 three\n", "8 0 sda 1 0 2 0\n"] {
            let error = parse(bad).expect_err(bad);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("/proc/diskstats"), "{error}");
        }
        assert_eq!(parse("").expect("no disks at all"), []);
    }
}
