//! The tables of `/proc/net`: a heading, then a line for each socket. Formats: `proc_pid_net(5)`, `Documentation/networking/proc_net_tcp`.
//!
//! ```text
//!   sl  local_address rem_address   st ...                        Num  RefCount Protocol Flags Type St Inode Path
//!    0: 0100007F:0CEA 00000000:0000 0A ...                        ffff: 00000002 00000000 00010000 0001 01 11 /run/x
//! ```
//! The tables may be long (100,000 connections are 15 MB): they are read line by line, and of each socket only a hash is kept.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
use super::{Sockets, State};
use crate::platform::procfs::malformed;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead},
};

/// Which kind of table it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Table {
    Tcp,
    Udp,
    Unix,
}

/// `SOCK_DGRAM` (`linux/net.h`), as the table of UNIX sockets writes it.
const DATAGRAM: &str = "0002";

/// Counts what it is given, each socket once.
#[derive(Default)]
pub struct Counter {
    pub sockets: Sockets,
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Counter {
    /// Count the lines of a table. `file` is its name for errors.
    pub fn read(&mut self, table: Table, file: &str, mut text: impl BufRead) -> io::Result<()> {
        let mut line = Vec::with_capacity(256);
        // The heading.
        text.read_until(b'\n', &mut line)?;
        loop {
            line.clear();
            if text.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let shown = String::from_utf8_lossy(&line);
            match table {
                Table::Tcp | Table::Udp => self.internet(table, &shown).ok_or_else(|| malformed(file, &shown))?,
                // The kernel writes the names of these as they are, line feeds included: what follows one is no line of its own.
                Table::Unix => _ = self.unix(&shown),
            }
        }
    }

    fn internet(&mut self, table: Table, line: &str) -> Option<()> {
        let mut fields = line.split_ascii_whitespace();
        let (local, remote, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
        if table == Table::Udp {
            self.datagram((local, remote));
        } else if self.first((table, local, remote, state))
            && let Some(state) = tcp_state(state)?
        {
            self.sockets.count(state);
        }
        Some(())
    }

    fn unix(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split_ascii_whitespace();
        let kind = fields.nth(4)?;
        // Its state and inode; then its path, if it has one.
        fields.nth(1)?;
        let path = fields.next().unwrap_or_default();
        if kind == DATAGRAM {
            self.datagram(path);
        } else if self.first((Table::Unix, kind, path)) {
            self.sockets.count(State::None);
        }
        Some(())
    }

    fn datagram(&mut self, key: impl std::hash::Hash) {
        self.sockets.datagrams += u64::from(self.first((Table::Udp, key)));
    }

    fn first(&mut self, key: impl std::hash::Hash) -> bool {
        self.seen.insert(self.hasher.hash_one(key))
    }
}

/// The numbers of `net/tcp_states.h`. A state that a later kernel brings belongs to none of ours.
fn tcp_state(hex: &str) -> Option<Option<State>> {
    Some(match u8::from_str_radix(hex, 16).ok()? {
        0x01 => Some(State::Established),
        0x02 => Some(State::SynSent),
        0x03 => Some(State::SynReceived),
        0x04 => Some(State::FinWait1),
        0x05 => Some(State::FinWait2),
        0x06 => Some(State::TimeWait),
        0x07 => Some(State::Close),
        0x08 => Some(State::CloseWait),
        0x09 => Some(State::LastAck),
        0x0A => Some(State::Listen),
        0x0B => Some(State::Closing),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Composed by `proc_net(5)` and the headings that the kernel prints.

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18411 1 ffff8881 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 18500 1 ffff8881 100 0 0 10 0
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 18501 1 ffff8881 100 0 0 10 0
   3: 0F02000A:0016 0202000A:D2F6 01 00000000:00000000 02:00093C2B 00000000     0        0 40122 4 ffff8881 20 4 31 10 -1
   4: 0F02000A:9C40 0202000A:01BB 06 00000000:00000000 03:00001770 00000000     0        0 0 3 ffff8881
   5: 0F02000A:9C41 0202000A:01BB 0C 00000000:00000000 01:00000030 00000000     0        0 0 1 ffff8881
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18413 1 ffff8881 100 0 0 10 0
   1: 0000000000000000FFFF00000F02000A:1F90 0000000000000000FFFF00000302000A:D2F7 08 00000000:00000000 00:00000000 00000000     0        0 18414 1 ffff8881 100 0 0 10 0
";
    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  117: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 17010 2 ffff8881 0
  118: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 17011 2 ffff8881 0
  118: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 17012 2 ffff8881 0
";
    const UNIX: &str = "\
Num       RefCount Protocol Flags    Type St Inode Path
ffff8881: 00000002 00000000 00010000 0001 01 15077 /run/systemd/private
ffff8882: 00000002 00000000 00000000 0002 01 15079 /run/systemd/notify
ffff8883: 00000003 00000000 00000000 0001 03 18000
ffff8884: 00000003 00000000 00000000 0001 03 18001
ffff8885: 00000002 00000000 00000000 0002 01 18002
ffff8886: 00000002 00000000 00000000 0002 01 18003
ffff8887: 00000002 00000000 00010000 0005 01 18004 /run/udev/control
ffff8888: 00000003 00000000 00000000 0001 03 18005 /run/systemd/private
ffff8889: 00000003 00000000 00000000 0001 03 18006 @/tmp/.X11-unix/X0
";

    fn count(tables: &[(Table, &str)]) -> Sockets {
        let mut counter = Counter::default();
        for (table, text) in tables {
            counter.read(*table, "/proc/net/x", text.as_bytes()).expect("well formed");
        }
        counter.sockets
    }

    #[test]
    fn connections_of_both_families_are_counted_by_state() {
        let sockets = count(&[(Table::Tcp, TCP), (Table::Tcp, TCP6)]);
        assert_eq!(sockets.of(State::Listen), 3, "two share a port, and IPv6 has its own");
        let ones = [State::Established, State::TimeWait, State::CloseWait];
        assert!(ones.into_iter().all(|state| sockets.of(state) == 1), "{sockets:?}");
        let all: u64 = State::ALL.into_iter().map(|state| sockets.of(state)).sum();
        assert_eq!((all, sockets.datagrams), (6, 0), "an unknown state is none of ours");
    }

    #[test]
    fn sockets_of_the_same_type_addresses_and_state_count_once() {
        assert_eq!(count(&[(Table::Udp, UDP)]).datagrams, 2);
        assert_eq!(count(&[(Table::Udp, UDP), (Table::Udp, UDP)]).datagrams, 2);
    }

    #[test]
    fn unix_sockets_have_no_state_and_those_without_a_name_count_once_for_each_type() {
        let sockets = count(&[(Table::Unix, UNIX)]);
        assert_eq!(sockets.of(State::None), 4, "private, unnamed streams, udev's and X11's");
        assert_eq!(sockets.datagrams, 2, "notify and the unnamed ones");
    }

    #[test]
    fn a_line_feed_in_the_name_of_a_unix_socket_costs_nobody_the_reading() {
        let hostile = format!("{}x\ny z\n\n", UNIX.trim_end());
        assert_eq!(count(&[(Table::Unix, &hostile)]).datagrams, count(&[(Table::Unix, UNIX)]).datagrams);
    }

    #[test]
    fn a_line_of_another_form_is_an_error_that_shows_it() {
        for (table, bad) in [(Table::Tcp, "0: a b"), (Table::Tcp, "0: a:1 b:2 XY")] {
            let text = format!("heading\n{bad}\n");
            let error = Counter::default().read(table, "/proc/net/x", text.as_bytes()).expect_err(bad);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("/proc/net/x") && error.to_string().contains(bad), "{error}");
        }
        assert_eq!(count(&[(Table::Tcp, ""), (Table::Udp, "heading\n")]), Sockets::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'\n'), Just(b'0'), any::<u8>()], 0..300)) {
            for table in [Table::Tcp, Table::Udp, Table::Unix] {
                let _ = Counter::default().read(table, "x", text.as_slice());
            }
        }
    }
}
