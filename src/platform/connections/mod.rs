//! How many sockets there are in which state, of all processes.
//!
//! | | from |
//! |---|---|
//! | Linux | `/proc/net/{tcp,tcp6,udp,udp6,unix}` of our network namespace |
//! | macOS | `sysctl net.inet.tcp.pcblist_n` and `net.inet.udp.pcblist_n` |
//! | Windows | not read here: its performance counters have it |
mod pcblist;
mod tables;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use std::io;

/// The states of a TCP connection (RFC 9293, 3.3.2), and none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    /// Sockets that have no states: UNIX sockets but datagram ones.
    None,
}

impl State {
    pub const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::None,
    ];
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sockets {
    streams: [u64; State::ALL.len()],
    /// UDP sockets, and on Linux UNIX datagram sockets.
    pub datagrams: u64,
}

impl Sockets {
    /// How many are in this state.
    pub fn of(&self, state: State) -> u64 {
        self.streams[state as usize]
    }

    fn count(&mut self, state: State) {
        self.streams[state as usize] += 1;
    }
}

/// Count now. On Linux sockets of the same type, addresses and state count once, as the CloudWatch Agent counts them: all that share a
/// port through `SO_REUSEPORT`, and all UNIX sockets without a name.
///
/// # Errors
/// When the kernel does not answer, or not in the known form; `Unsupported` on Windows.
pub fn sockets() -> io::Result<Sockets> {
    imp::sockets()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn sockets_of_this_process_are_among_those_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let _near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let _udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let sockets = sockets().expect("any host answers");
        assert!(sockets.of(State::Listen) >= 1 && sockets.of(State::Established) >= 2, "{sockets:?}");
        assert!(sockets.datagrams >= 1, "{sockets:?}");
    }

    #[test]
    fn each_state_has_a_place_of_its_own() {
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
    }
}
