//! What `net.inet.tcp.pcblist_n` of macOS answers: records, each with its length and kind in front and padded to eight bytes, between
//! two of the kind-less `xinpgen`. Each socket has several; those of kind `XSO_TCPCB` hold the state of a connection.
//!
//! Structures: `xnu/bsd/netinet/in_pcb.h` (`xinpgen`, `xgen_n`), `tcp_var.h` (`xtcpcb_n`), `tcp_fsm.h` (the states), as `netstat(1)`
//! reads them.
#![cfg_attr(not(target_os = "macos"), allow(dead_code))]
use super::{Sockets, State};

/// Length of `struct xinpgen`: a count and two generations. A record that is no longer ends the list.
const GENERATION: usize = 24;
/// `XSO_INPCB`: one for each socket of an internet family.
const INTERNET: u32 = 0x010;
/// `XSO_TCPCB`.
const TCP: u32 = 0x020;
/// Where the state is in `struct xtcpcb_n`: behind length, kind, a pointer, a counter and four timers.
const STATE: usize = 36;

/// Count the connections of the answer by their state.
pub fn streams(answer: &[u8], sockets: &mut Sockets) {
    for (_, record) in records(answer).filter(|(kind, _)| *kind == TCP) {
        if let Some(state) = number(record, STATE).and_then(state) {
            sockets.count(state);
        }
    }
}

/// How many sockets the answer has.
pub fn datagrams(answer: &[u8]) -> u64 {
    records(answer).filter(|(kind, _)| *kind == INTERNET).count() as u64
}

/// Kind and bytes of each record behind the first.
fn records(answer: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = skip(answer, length(answer));
    std::iter::from_fn(move || {
        let length = length(rest).filter(|length| *length > GENERATION)?;
        let record = rest.get(..length)?;
        rest = skip(rest, Some(length));
        Some((number(record, 4)?, record))
    })
}

fn length(record: &[u8]) -> Option<usize> {
    number(record, 0).and_then(|length| length.try_into().ok())
}

fn skip(bytes: &[u8], length: Option<usize>) -> &[u8] {
    length.and_then(|length| bytes.get(length.checked_next_multiple_of(8)?..)).unwrap_or_default()
}

/// Four bytes of this machine's own order.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn state(number: u32) -> Option<State> {
    Some(match number {
        0 => State::Close,
        1 => State::Listen,
        2 => State::SynSent,
        3 => State::SynReceived,
        4 => State::Established,
        5 => State::CloseWait,
        6 => State::FinWait1,
        7 => State::Closing,
        8 => State::LastAck,
        9 => State::FinWait2,
        10 => State::TimeWait,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u32, length: usize, state: u32) -> Vec<u8> {
        let mut bytes = vec![0; length.next_multiple_of(8)];
        bytes[..4].copy_from_slice(&(length as u32).to_ne_bytes());
        bytes[4..8].copy_from_slice(&kind.to_ne_bytes());
        if length >= STATE + 4 {
            bytes[STATE..STATE + 4].copy_from_slice(&state.to_ne_bytes());
        }
        bytes
    }

    /// The records of one connection have these lengths on macOS 15.
    fn connection(state: u32) -> Vec<u8> {
        [
            record(INTERNET, 104, 4),
            record(0x001, 68, 4),
            record(0x002, 32, 0),
            record(0x004, 32, 0),
            record(0x008, 136, 4),
            record(TCP, 204, state),
        ]
        .concat()
    }

    #[test]
    fn connections_are_counted_by_state_and_only_between_the_ends() {
        let end = record(7, GENERATION, 0);
        let answer =
            [end.clone(), connection(1), connection(4), connection(4), connection(99), end, connection(4)].concat();
        let mut sockets = Sockets::default();
        streams(&answer, &mut sockets);
        assert_eq!((sockets.of(State::Listen), sockets.of(State::Established)), (1, 2));
        assert_eq!(State::ALL.into_iter().map(|state| sockets.of(state)).sum::<u64>(), 3);
        assert_eq!(datagrams(&answer), 4);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_for_ever(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..300), cut in 0usize..900) {
            let mut whole = [record(7, GENERATION, 0), connection(4), bytes].concat();
            whole.truncate(cut);
            streams(&whole, &mut Sockets::default());
            let _ = datagrams(&whole);
        }
    }
}
