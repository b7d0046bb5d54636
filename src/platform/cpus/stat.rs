//! `/proc/stat`: a line `cpu` with the sums, then a line for each processor that is switched on, then other things.
//! Format: `proc_stat(5)`; a kernel adds numbers at the end of the lines, and never takes one away.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use super::{Cpus, Times};
use crate::platform::procfs::malformed;
use std::io;

/// user, nice, system, idle: older kernels have no more (before 2.6).
const LEAST: usize = 4;

/// What the text says, with the ticks of a second that it counts in.
pub fn parse(text: &str, per_second: f64) -> io::Result<Cpus> {
    let mut cpus = Cpus { per_second, ..Cpus::default() };
    let mut whole = false;
    // They stand in front; the rest of the file is long.
    for line in text.lines().take_while(|line| line.starts_with("cpu")) {
        let bad = || malformed("/proc/stat", line);
        let mut fields = line.split_ascii_whitespace();
        let number = fields.next().and_then(|name| name.strip_prefix("cpu")).ok_or_else(bad)?;
        let times = times(fields).ok_or_else(bad)?;
        if number.is_empty() {
            (cpus.total, whole) = (times, true);
        } else {
            cpus.each.push((number.parse().map_err(|_| bad())?, times));
        }
    }
    if whole { Ok(cpus) } else { Err(malformed("/proc/stat", text.lines().next().unwrap_or_default())) }
}

fn times<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Times> {
    let mut numbers = [0u64; 10];
    let mut count = 0;
    for (number, field) in numbers.iter_mut().zip(fields) {
        *number = field.parse().ok()?;
        count += 1;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice] = numbers;
    (count >= LEAST).then_some(Times { user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Composed by `proc_stat(5)`, each as a machine of its kind would show it.

    /// Two processors of an EC2 instance, kernel 6.1.
    const NITRO: &str = "\
cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 1200 34
cpu0 1393280 32966 572056 13343292 6130 0 17875 23933 600 17
cpu1 8738873 257730 2512663 33485191 10553 0 7320 151695 600 17
intr 1462898 18446744073709551615
ctxt 115315
btime 1690000000
softirq 9 1 2 3
";
    /// One processor, as of a Raspberry Pi Zero (armv6, kernel 4.9).
    const PI_ZERO: &str =
        "cpu  4705 150 1120 16250 520 0 56 0 0 0\ncpu0 4705 150 1120 16250 520 0 56 0 0 0\nintr 123\n";
    /// The second processor is switched off.
    const HOLE: &str = "cpu  8 0 8 80 0 0 0 0 0 0\ncpu0 4 0 4 40 0 0 0 0 0 0\ncpu2 4 0 4 40 0 0 0 0 0 0\nintr 1\n";

    #[test]
    fn the_sum_and_each_processor_are_read() {
        let cpus = parse(NITRO, 100.0).expect("well formed");
        let total = Times {
            user: 10_132_153,
            nice: 290_696,
            system: 3_084_719,
            idle: 46_828_483,
            iowait: 16_683,
            irq: 0,
            softirq: 25_195,
            steal: 175_628,
            guest: 1_200,
            guest_nice: 34,
        };
        assert_eq!(cpus.total, total);
        assert_eq!(cpus.each.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(cpus.each[1].1.steal, 151_695);
        assert_eq!(parse(PI_ZERO, 100.0).expect("well formed").each.len(), 1);
    }

    #[test]
    fn guests_are_within_user_and_counted_once() {
        let times = parse(NITRO, 100.0).expect("well formed").total;
        assert_eq!(times.active(), 10_132_153 + 290_696 + 3_084_719 + 16_683 + 25_195 + 175_628);
        assert_eq!(times.total(), times.active() + 46_828_483);
    }

    #[test]
    fn a_processor_that_is_switched_off_leaves_a_hole_in_the_numbers() {
        let cpus = parse(HOLE, 100.0).expect("well formed");
        assert_eq!(cpus.each.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn an_old_kernel_counts_less_and_a_new_one_more() {
        let old = parse("cpu 1 2 3 4\n", 100.0).expect("as before 2.6");
        assert_eq!((old.total.idle, old.total.steal), (4, 0));
        assert!(parse("cpu 1 2 3 4 5 6 7 8 9 10 11 12\n", 100.0).is_ok());
    }

    #[test]
    fn a_text_of_another_form_is_an_error_that_shows_it() {
        for bad in
            ["", "\n", "intr 1\n", "cpu 1 2 3\n", "cpu 1 2 3 x\n", "cpu0 1 2 3 4\n", "cpu 1 2 3 4\ncpux 1 2 3 4\n"]
        {
            let error = parse(bad, 100.0).expect_err(bad);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bad:?}");
            assert!(error.to_string().contains("/proc/stat"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(cpu[0-9x]{0,3}( [0-9]{0,25}){0,12}\n){0,4}.{0,40}") {
            if let Ok(cpus) = parse(&text, 100.0) {
                let _ = cpus.total.total();
            }
        }
    }
}
