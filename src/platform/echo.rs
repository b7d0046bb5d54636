//! ICMP echo ("ping") without rights where the system allows it.
//!
//! Linux and macOS have datagram sockets for it; Linux for the groups of `net.ipv4.ping_group_range` only, which is none at all on some
//! systems. Where that is refused a raw socket is tried, which root may have. Windows has neither for us.
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, UdpSocket},
};

/// Bytes that tell our echo from all others.
const TOKEN: usize = 16;

/// What was sent, still without its answer.
pub struct Echo {
    socket: tokio::net::UdpSocket,
    token: [u8; TOKEN],
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    Four,
    Six,
}

/// RFC 792 and RFC 4443: the types of request and reply.
impl Version {
    const fn request(self) -> u8 {
        match self {
            Self::Four => 8,
            Self::Six => 128,
        }
    }

    const fn reply(self) -> u8 {
        match self {
            Self::Four => 0,
            Self::Six => 129,
        }
    }
}

/// Whether the system refuses us such a socket, and not the network the packet.
pub fn is_forbidden(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Forbidden>())
}

/// Neither of the two sockets is for us.
#[derive(Debug, thiserror::Error)]
#[error("this system allows no ICMP echo to this user")]
struct Forbidden;

impl Echo {
    /// Sends an echo request to this host. `token`: what nobody else sends.
    ///
    /// # Errors
    /// [`is_forbidden`] where the system has no such socket for this user, else what the network says at once.
    pub async fn send(to: IpAddr, token: [u8; TOKEN]) -> io::Result<Self> {
        let version = if to.is_ipv4() { Version::Four } else { Version::Six };
        let socket = socket(version)?;
        socket.set_nonblocking(true)?;
        // From here on only what comes from there is received, errors of the way there included.
        socket.connect(&SockAddr::from(SocketAddr::new(to, 0)))?;
        // Its methods are those of any datagram socket.
        let socket = tokio::net::UdpSocket::from_std(UdpSocket::from(socket))?;
        socket.send(&request(version, &token)).await?;
        Ok(Self { socket, token, version })
    }

    /// Waits for the reply, without an end.
    ///
    /// # Errors
    /// What the network says of it: unreachable, for example.
    pub async fn reply(&self) -> io::Result<()> {
        // The longest header of IPv4 before our packet; what does not fit is none of ours.
        let mut buffer = [0; 60 + 8 + TOKEN];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            if is_reply(self.version, &buffer[..length], &self.token) {
                return Ok(());
            }
        }
    }
}

fn socket(version: Version) -> io::Result<Socket> {
    if cfg!(windows) {
        return Err(io::Error::new(ErrorKind::Unsupported, Forbidden));
    }
    let (domain, protocol) = match version {
        Version::Four => (Domain::IPV4, Protocol::ICMPV4),
        Version::Six => (Domain::IPV6, Protocol::ICMPV6),
    };
    let datagrams = Socket::new(domain, Type::DGRAM, Some(protocol));
    datagrams.or_else(|first| match Socket::new(domain, Type::RAW, Some(protocol)) {
        Ok(raw) => Ok(raw),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(io::Error::new(error.kind(), Forbidden)),
        Err(_) => Err(first),
    })
}

/// Type, code, checksum, identifier, sequence, and the token. Linux puts an identifier of its own in and works out both checksums again.
fn request(version: Version, token: &[u8; TOKEN]) -> [u8; 8 + TOKEN] {
    let mut packet = [0; 8 + TOKEN];
    packet[0] = version.request();
    packet[4..6].copy_from_slice(&token[..2]);
    packet[7] = 1;
    packet[8..].copy_from_slice(token);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|two| u32::from(two[0]) << 8 | two.get(1).map_or(0, |low| u32::from(*low)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// Whether this is the reply with our token. Raw sockets, and macOS, give the header of IPv4 too.
fn is_reply(version: Version, packet: &[u8], token: &[u8; TOKEN]) -> bool {
    let is_ours = |packet: &[u8]| packet.first() == Some(&version.reply()) && packet.get(8..) == Some(&token[..]);
    let header = packet.first().filter(|first| **first >> 4 == 4).map_or(0, |first| usize::from(first & 0xf) * 4);
    is_ours(packet) || packet.get(header..).is_some_and(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{net::Ipv4Addr, time::Duration};

    const OURS: [u8; TOKEN] = *b"amazon-publisher";

    #[tokio::test]
    async fn this_host_answers_where_it_may_be_asked() {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), std::net::Ipv6Addr::LOCALHOST.into()] {
            let sent = Echo::send(address, OURS).await;
            match sent {
                Ok(echo) => {
                    let reply = tokio::time::timeout(Duration::from_secs(60), echo.reply()).await;
                    reply.expect("in time").expect("it is here");
                }
                // As in a container without the right, or without IPv6.
                Err(error) => assert!(is_forbidden(&error) || address.is_ipv6(), "{error}"),
            }
        }
    }

    #[test]
    fn only_the_reply_with_our_token_counts_with_and_without_a_header() {
        let mut reply = request(Version::Four, &OURS).to_vec();
        assert!(!is_reply(Version::Four, &reply, &OURS), "it is the request");
        reply[0] = 0;
        assert!(is_reply(Version::Four, &reply, &OURS) && !is_reply(Version::Six, &reply, &OURS));
        let mut headed = vec![0; 24];
        headed[0] = 0x46;
        headed.extend(&reply);
        assert!(is_reply(Version::Four, &headed, &OURS));
        assert!(!is_reply(Version::Four, &reply, b"somebody-else's!"));
        reply[0] = 129;
        assert!(is_reply(Version::Six, &reply, &OURS));
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // The example of RFC 1071, section 3: the sum is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        let packet = request(Version::Four, &OURS);
        assert_eq!(checksum(&packet), 0, "with its own checksum in it");
        assert_eq!(checksum(&[0xff; 3]), !0xffff_u16.wrapping_add(0xff00).wrapping_add(1));
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(packet in prop::collection::vec(any::<u8>(), 0..90)) {
            let _ = (is_reply(Version::Four, &packet, &OURS), is_reply(Version::Six, &packet, &OURS));
        }
    }
}
