//! `/proc/net/dev`: two lines of headings, then one line for each interface of our network namespace, loopback included,
//! as the older publisher counts them. Format: `proc_pid_net(5)`.
use super::{Link, Traffic, malformed};
use std::io;

/// The interfaces of the text.
pub fn parse(text: &str) -> io::Result<Vec<Traffic>> {
    let traffic = |link: Link| Traffic {
        device: link.name,
        bytes_in: link.bytes_in,
        bytes_out: link.bytes_out,
        count_in: link.packets_in,
        count_out: link.packets_out,
    };
    Ok(links(text)?.into_iter().map(traffic).collect())
}

/// The interfaces of the text with all that is counted. The text does not say whether they are up or loopback.
pub fn links(text: &str) -> io::Result<Vec<Link>> {
    text.lines().skip(2).filter(|l| !l.trim().is_empty()).map(link).collect()
}

fn link(line: &str) -> io::Result<Link> {
    let bad = || malformed("/proc/net/dev", line);
    // From the right: old kernels have interfaces with a colon in their name.
    let (name, fields) = line.rsplit_once(':').ok_or_else(bad)?;
    // Eight numbers of what was received, then eight of what was sent; both begin with bytes, packets, errors and drops.
    let mut fields = fields.split_ascii_whitespace();
    let mut numbers = [0u64; 12];
    for number in &mut numbers {
        *number = fields.next().and_then(|field| field.parse().ok()).ok_or_else(bad)?;
    }
    let [bytes_in, packets_in, errors_in, drops_in, .., bytes_out, packets_out, errors_out, drops_out] = numbers;
    Ok(Link {
        name: name.trim().to_owned(),
        bytes_in,
        bytes_out,
        packets_in,
        packets_out,
        errors_in,
        errors_out,
        drops_in,
        drops_out,
        ..Link::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPOSED: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0:191900539   10518    1    2    3     4          5         6   590440    5813    7    0    0     0       0          0
eth0:1:       1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
";

    #[test]
    fn every_interface_counts_loopback_too() {
        let found = parse(COMPOSED).expect("well formed");
        let names: Vec<_> = found.iter().map(|i| i.device.as_str()).collect();
        assert_eq!(names, ["lo", "eth0", "eth0:1"]);
    }

    #[test]
    fn a_number_may_touch_the_colon() {
        let eth0 = &parse(COMPOSED).expect("well formed")[1];
        assert_eq!(
            (eth0.bytes_in, eth0.count_in, eth0.bytes_out, eth0.count_out),
            (191_900_539, 10_518, 590_440, 5_813)
        );
    }

    #[test]
    fn errors_and_drops_have_a_place_on_each_side() {
        let text = "h\nh\n wlan0: 10 11 12 13 14 15 16 17 20 21 22 23 24 25 26 27\n";
        let wlan = &links(text).expect("well formed")[0];
        assert_eq!((wlan.bytes_in, wlan.packets_in, wlan.errors_in, wlan.drops_in), (10, 11, 12, 13));
        assert_eq!((wlan.bytes_out, wlan.packets_out, wlan.errors_out, wlan.drops_out), (20, 21, 22, 23));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\n\n( ?[a-zé0:]{0,5}:? ?([0-9]{1,21} ?){0,17}\n){0,3}.{0,30}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn a_line_of_another_form_is_an_error_that_shows_it() {
        for bad in ["h\nh\nno colon here\n", "h\nh\neth0: 1 2 3\n", "h\nh\neth0: a b\n"] {
            assert!(parse(bad).expect_err(bad).to_string().contains("/proc/net/dev"));
        }
    }
}
