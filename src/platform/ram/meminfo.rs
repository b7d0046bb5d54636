//! `/proc/meminfo`: one line for each amount. Format: `proc_meminfo(5)`. Which lines there are depends on the kernel and its build.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use super::{Ram, Swap};
use crate::platform::procfs::malformed;
use std::io;

/// The lines that we ask for.
#[derive(Debug, Default)]
struct Lines {
    total: Option<u64>,
    free: Option<u64>,
    available: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
    reclaimable: Option<u64>,
    shared: Option<u64>,
    active: Option<u64>,
    inactive: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

/// The memory that the text describes. `used` is the total without what is free, buffers and cache, the cache with what the kernel
/// could give back of its own ones (`SReclaimable`), as `free(1)` and the CloudWatch Agent count it.
pub fn ram(text: &str) -> io::Result<Ram> {
    let lines = lines(text)?;
    let (Some(total), Some(free)) = (lines.total, lines.free) else { return Err(incomplete(text)) };
    if total == 0 {
        return Err(incomplete(text));
    }
    let buffers = lines.buffers.unwrap_or_default();
    let cached = lines.cached.unwrap_or_default().saturating_add(lines.reclaimable.unwrap_or_default());
    let idle = free.saturating_add(buffers).saturating_add(cached);
    // In some containers the parts are those of the host and the total is not: then as `free(1)` does.
    let used = total.checked_sub(idle).unwrap_or_else(|| total.saturating_sub(free));
    // Kernels before 3.14 estimate nothing.
    let available = lines.available.unwrap_or_else(|| free.saturating_add(cached));
    let available = if available > total { free.min(total) } else { available };
    Ok(Ram {
        total,
        free,
        available,
        used,
        active: lines.active.unwrap_or_default(),
        inactive: lines.inactive.unwrap_or_default(),
        buffered: Some(buffers),
        cached: Some(cached),
        shared: Some(lines.shared.unwrap_or_default()),
    })
}

/// The swap space that the text describes. A kernel that is built without it says nothing of it.
pub fn swap(text: &str) -> io::Result<Swap> {
    let lines = lines(text)?;
    let total = lines.swap_total.unwrap_or_default();
    let free = lines.swap_free.unwrap_or_default().min(total);
    Ok(Swap { total, free, used: total - free })
}

fn lines(text: &str) -> io::Result<Lines> {
    let mut lines = Lines::default();
    for line in text.lines() {
        let Some((name, amount)) = line.split_once(':') else { continue };
        let place = match name {
            "MemTotal" => &mut lines.total,
            "MemFree" => &mut lines.free,
            "MemAvailable" => &mut lines.available,
            "Buffers" => &mut lines.buffers,
            "Cached" => &mut lines.cached,
            "SReclaimable" => &mut lines.reclaimable,
            "Shmem" => &mut lines.shared,
            "Active" => &mut lines.active,
            "Inactive" => &mut lines.inactive,
            "SwapTotal" => &mut lines.swap_total,
            "SwapFree" => &mut lines.swap_free,
            _ => continue,
        };
        *place = Some(bytes(amount).ok_or_else(|| malformed("/proc/meminfo", line))?);
    }
    Ok(lines)
}

/// The kernel writes `kB` and means 1,024 bytes.
fn bytes(amount: &str) -> Option<u64> {
    amount.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1_024)
}

fn incomplete(text: &str) -> io::Error {
    let first = text.lines().next().unwrap_or_default();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc/meminfo does not say how much memory there is; it begins with {first:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Composed by `proc_meminfo(5)`, with the lines that kernels of these versions print on machines of these kinds.

    /// An EC2 instance (x86-64, kernel 6.18), without swap.
    const NITRO: &str = "\
MemTotal:       24684092 kB
MemFree:        12084564 kB
MemAvailable:   24010748 kB
Buffers:          339536 kB
Cached:         10970808 kB
SwapCached:            0 kB
Active:          1985760 kB
Inactive:        9334060 kB
Active(anon):       1580 kB
Inactive(anon):    16704 kB
Unevictable:       21316 kB
SwapTotal:             0 kB
SwapFree:              0 kB
Zswap:                 0 kB
Shmem:              8864 kB
KReclaimable:    1025928 kB
Slab:            1120908 kB
SReclaimable:    1025928 kB
VmallocTotal:   34359738367 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
DirectMap1G:    25165824 kB
";
    /// A Raspberry Pi 4 (arm64, kernel 6.1, Raspberry Pi OS): CMA, 100 MiB of swap.
    const PI4: &str = "\
MemTotal:        3884336 kB
MemFree:          127504 kB
MemAvailable:    3143400 kB
Buffers:          146972 kB
Cached:          2825016 kB
SwapCached:          148 kB
Active:          1142508 kB
Inactive:        2285620 kB
Active(anon):      81796 kB
SwapTotal:        102396 kB
SwapFree:         101116 kB
Shmem:             13192 kB
KReclaimable:     206112 kB
SReclaimable:     206112 kB
SecPageTables:         0 kB
CmaTotal:         524288 kB
CmaFree:           18608 kB
";
    /// A Raspberry Pi Zero (armv6, kernel 4.9): no huge pages, no `KReclaimable`, narrow.
    const PI_ZERO: &str = "\
MemTotal:         444448 kB
MemFree:          282584 kB
MemAvailable:     371520 kB
Buffers:           16744 kB
Cached:           100888 kB
SwapCached:            0 kB
Active:            77104 kB
Inactive:          65608 kB
HighTotal:             0 kB
LowTotal:         444448 kB
SwapTotal:        102396 kB
SwapFree:         102396 kB
Shmem:              6104 kB
Slab:              13344 kB
SReclaimable:       6476 kB
VmallocTotal:     573440 kB
CmaTotal:           8192 kB
";
    /// Debian 7 (kernel 3.2): nothing is estimated, no `MemAvailable`.
    const OLD: &str = "\
MemTotal:        1020560 kB
MemFree:          100000 kB
Buffers:           50000 kB
Cached:           400000 kB
Active:           500000 kB
Inactive:         300000 kB
Shmem:              1000 kB
SReclaimable:      20000 kB
";

    #[test]
    fn used_is_what_is_neither_free_nor_buffers_nor_cache() {
        for (text, used) in [
            (NITRO, 24_684_092 - 12_084_564 - 339_536 - 10_970_808 - 1_025_928_u64),
            (PI4, 3_884_336 - 127_504 - 146_972 - 2_825_016 - 206_112),
            (PI_ZERO, 444_448 - 282_584 - 16_744 - 100_888 - 6_476),
        ] {
            assert_eq!(ram(text).expect("well formed").used, used * 1_024);
        }
    }

    #[test]
    fn amounts_are_bytes_and_names_are_whole() {
        let ram = ram(PI4).expect("well formed");
        assert_eq!((ram.total, ram.free, ram.available), (3_884_336 << 10, 127_504 << 10, 3_143_400 << 10));
        assert_eq!((ram.active, ram.inactive), (1_142_508 << 10, 2_285_620 << 10));
        let cached = (2_825_016 + 206_112) << 10;
        assert_eq!((ram.buffered, ram.cached, ram.shared), (Some(146_972 << 10), Some(cached), Some(13_192 << 10)));
    }

    #[test]
    fn swap_is_zero_where_there_is_none() {
        assert_eq!(swap(NITRO).expect("well formed"), Swap::default());
        assert_eq!(swap(OLD).expect("a kernel without swap"), Swap::default());
        let pi = swap(PI4).expect("well formed");
        assert_eq!((pi.total, pi.used), (102_396 << 10, (102_396 - 101_116) << 10));
        assert_eq!(pi.used + pi.free, pi.total);
    }

    #[test]
    fn what_an_old_kernel_does_not_estimate_is_what_is_free_and_cache() {
        assert_eq!(ram(OLD).expect("well formed").available, (100_000 + 400_000 + 20_000) << 10);
    }

    #[test]
    fn a_container_that_sees_parts_of_its_host_has_neither_negative_nor_impossible_amounts() {
        let odd = "MemTotal: 100 kB\nMemFree: 60 kB\nMemAvailable: 5000 kB\nBuffers: 10 kB\nCached: 900 kB\n";
        let ram = ram(odd).expect("complete");
        assert_eq!((ram.used, ram.available), (40 << 10, 60 << 10));
        let more = swap("SwapTotal: 1 kB\nSwapFree: 5 kB\n").expect("complete");
        assert_eq!((more.free, more.used), (1_024, 0));
    }

    #[test]
    fn a_text_of_another_form_is_an_error_that_shows_it() {
        for bad in ["", "MemTotal: 5 kB\n", "MemTotal: 5 MB\nMemFree: 1 kB\n", "MemTotal: 0 kB\nMemFree: 0 kB\n"] {
            let error = ram(bad).expect_err(bad);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bad:?}");
            assert!(error.to_string().contains("/proc/meminfo"), "{error}");
        }
        assert!(ram("MemTotal: 99999999999999999999 kB\nMemFree: 1 kB\n").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((MemTotal|MemFree|MemAvailable|Cached|SwapTotal|SwapFree|x):? *[0-9]{0,21} ?(kB)?\n){0,8}.{0,20}") {
            let _ = (ram(&text), swap(&text));
        }
    }
}
