//! `/proc/net/dev`: two lines of headings, then one line for each interface of our network namespace, loopback included,
//! as the older publisher counts them. Format: `proc_pid_net(5)`.
use super::{Traffic, malformed};
use std::io;

/// The interfaces of the text.
pub fn parse(text: &str) -> io::Result<Vec<Traffic>> {
    text.lines().skip(2).filter(|l| !l.trim().is_empty()).map(interface).collect()
}

fn interface(line: &str) -> io::Result<Traffic> {
    let bad = || malformed("/proc/net/dev", line);
    // From the right: old kernels have interfaces with a colon in their name.
    let (name, numbers) = line.rsplit_once(':').ok_or_else(bad)?;
    // Eight numbers of what was received, then eight of what was sent; both start with bytes and packets.
    let mut fields = numbers.split_ascii_whitespace();
    let mut at = |skip: usize| fields.nth(skip).and_then(|f| f.parse::<u64>().ok()).ok_or_else(bad);
    let (bytes_in, count_in, bytes_out, count_out) = (at(0)?, at(0)?, at(6)?, at(0)?);
    Ok(Traffic { device: name.trim().to_owned(), bytes_in, bytes_out, count_in, count_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0:191900539   10518    1    2    3     4          5         6   590440    5813    7    0    0     0       0          0
eth0:1:       1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
";

    #[test]
    fn every_interface_counts_loopback_too() {
        let found = parse(CAPTURED).expect("captured");
        let names: Vec<_> = found.iter().map(|i| i.device.as_str()).collect();
        assert_eq!(names, ["lo", "eth0", "eth0:1"]);
    }

    #[test]
    fn a_number_may_touch_the_colon() {
        let eth0 = &parse(CAPTURED).expect("captured")[1];
        assert_eq!(
            (eth0.bytes_in, eth0.count_in, eth0.bytes_out, eth0.count_out),
            (191_900_539, 10_518, 590_440, 5_813)
        );
    }

    #[test]
    fn a_line_of_another_form_is_an_error_that_shows_it() {
        for bad in ["h\nh\nno colon here\n", "h\nh\neth0: 1 2 3\n", "h\nh\neth0: a b\n"] {
            assert!(parse(bad).expect_err(bad).to_string().contains("/proc/net/dev"));
        }
    }
}
