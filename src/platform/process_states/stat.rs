//! `/proc/[pid]/stat`: the number, the name in parentheses, then the state and many numbers. Format: `proc_pid_stat(5)`. The name
//! may be any bytes, parentheses and blanks too, so that only the last parenthesis ends it.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use super::States;

/// Behind the name: the state is the first, the number of threads the eighteenth (the twentieth of all).
const THREADS: usize = 17;

impl States {
    /// Count one more process. What has another form is not counted: a process that ends may leave half a line.
    pub(super) fn add(&mut self, line: &[u8]) {
        let Some(end) = line.iter().rposition(|&b| b == b')') else { return };
        let mut fields = line[end + 1..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let Some(state) = fields.next().and_then(|state| state.first()) else { return };
        // Later fields are not looked at, so that the state alone decides where a line is cut short.
        let threads = fields.nth(THREADS - 1).and_then(|field| std::str::from_utf8(field).ok()?.parse::<u64>().ok());
        self.total += 1;
        self.threads = self.threads.saturating_add(threads.unwrap_or_default());
        match state {
            b'R' => self.running += 1,
            b'S' => self.sleeping += 1,
            b'D' => self.blocked += 1,
            b'T' | b't' => self.stopped += 1,
            b'Z' => self.zombies += 1,
            b'I' => self.idle += 1,
            b'X' | b'x' => self.dead += 1,
            b'W' => self.paging += 1,
            // Parked, and what later kernels may bring.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Composed by `proc_pid_stat(5)`: whole lines, and such as end earlier, since older kernels have fewer numbers.
    const LINES: [&str; 6] = [
        "1 (systemd) S 0 1 1 0 -1 4194560 8712 212 100 3 5 50 1 1 20 0 1 0 3 172720128 2944 18446744073709551615 1 1 0 0 0 0 671173123 4096 1260 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0 4294967295 0 0 0 0 0 0 0 2147483647 0 0 0 0 0 0 0 0 0 0 0\n",
        "44 (kworker/0:1-events) I 2 0 0 0 -1 69238880 0 0 0 0 0 12 0 0 20 0 1 0 3 0 0 18446744073709551615 0 0 0\n",
        "712 (chrome (deleted) R) R 1 700 700 0 -1 4194304 1 0 0 0 5 5 0 0 20 0 31 0 500 1000 10 18446744073709551615 1 1 0\n",
        "800 (defunct) Z 1 800 800 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 1 0 600 0 0 18446744073709551615 0 0 0\n",
        "900 (dd) D 1 900 900 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 600 0 0 18446744073709551615 0 0 0\n",
    ];

    fn count<'a>(lines: impl IntoIterator<Item = &'a str>) -> States {
        let mut states = States::default();
        lines.into_iter().for_each(|line| states.add(line.as_bytes()));
        states
    }

    #[test]
    fn each_process_is_counted_by_its_state_and_with_its_threads() {
        let expected = States {
            running: 1,
            sleeping: 2,
            blocked: 1,
            zombies: 1,
            idle: 1,
            threads: 36,
            total: 6,
            ..States::default()
        };
        assert_eq!(count(LINES), expected);
    }

    #[test]
    fn the_last_parenthesis_ends_the_name() {
        let odd = count(["5 (a) Z 1 (b) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 7 0"]);
        assert_eq!((odd.sleeping, odd.zombies, odd.threads), (1, 0, 7));
    }

    #[test]
    fn both_letters_of_a_stopped_process_count_and_a_parked_one_is_only_in_the_total() {
        let states = count(["1 (a) T 0", "2 (a) t 0", "3 (a) P 0", "4 (a) X 0", "5 (a) W 0", "6 (a) ? 0"]);
        assert_eq!((states.stopped, states.dead, states.paging, states.total), (2, 1, 1, 6));
    }

    #[test]
    fn what_is_no_process_is_not_counted() {
        assert_eq!(count(["", "\n", "1 (a", "1 (a)", "1 (a) \n", "rubbish"]), States::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(prop_oneof![Just(b' '), Just(b')'), Just(b'9'), any::<u8>()], 0..100)) {
            States::default().add(&line);
        }
    }
}
