//! UDP datagrams with the address of who sent them, at an address of this host or from a multicast group.
use super::sockets;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::UdpSocket;

/// Receives datagrams.
pub struct Udp(UdpSocket);

impl Udp {
    /// At this address, `[::]` being all of both families. A multicast group is joined on the interface that the system chooses, and
    /// shared with other programs of this host. Asks the system for a receive buffer of so many bytes; it may give less.
    pub fn bind(address: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_nonblocking(true)?;
        // What the system grants is said by `buffer`.
        let _ = socket.set_recv_buffer_size(buffer);
        if address.ip().is_multicast() {
            socket.set_reuse_address(true)?;
            socket.bind(&SockAddr::from(SocketAddr::new(shared(address.ip()), address.port())))?;
            match address.ip() {
                IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?,
                IpAddr::V6(group) => socket.join_multicast_v6(&group, 0)?,
            }
        } else {
            socket.bind(&SockAddr::from(address))?;
        }
        Ok(Self(UdpSocket::from_std(socket.into())?))
    }

    /// Where it is bound.
    #[cfg(test)]
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Bytes that the system keeps for us between two reads, its own notes included.
    pub fn buffer(&self) -> Option<usize> {
        SockRef::from(&self.0).recv_buffer_size().ok()
    }

    /// The next datagram and its sender. What does not fit the buffer is cut off.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer).await.map(plainly)
    }

    /// The next datagram and its sender, if there is one now.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.try_recv_from(buffer).map(plainly)
    }

    /// How many datagrams the system has dropped here because nobody read them in time. `None`: it does not say.
    pub fn dropped(&self) -> Option<u64> {
        sockets::dropped(&self.0)
    }
}

/// With an IPv4 address as that, which a socket of both families wraps.
fn plainly((length, from): (usize, SocketAddr)) -> (usize, SocketAddr) {
    (length, SocketAddr::new(from.ip().to_canonical(), from.port()))
}

/// Where a group's socket is bound. At the group itself nothing else arrives that is sent to its port; Windows has no such address.
fn shared(group: IpAddr) -> IpAddr {
    match group {
        group if !cfg!(windows) => group,
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as Sender;

    #[tokio::test]
    async fn a_datagram_comes_with_its_sender() {
        let udp = Udp::bind(([127, 0, 0, 1], 0).into(), 1 << 16).expect("bound");
        let sender = Sender::bind("127.0.0.1:0").expect("bound");
        sender.send_to(b"text", udp.address().expect("bound")).expect("sent");
        let mut buffer = [0; 8];
        let (length, from) = udp.recv(&mut buffer).await.expect("received");
        assert_eq!((&buffer[..length], from), (&b"text"[..], sender.local_addr().expect("bound")));
        assert!(udp.try_recv(&mut buffer).is_err());
    }

    /// collectd's own group. Hosts without a way to it cannot show more than that.
    #[tokio::test]
    async fn what_is_sent_to_a_group_arrives_with_all_who_joined_it() {
        let group = [239, 192, 74, 66];
        let Ok(one) = Udp::bind((group, 0).into(), 1 << 16) else { return };
        let port = one.address().expect("bound").port();
        let other = Udp::bind((group, port).into(), 1 << 16).expect("shared");
        let sender = Sender::bind("0.0.0.0:0").expect("bound");
        sender.set_multicast_loop_v4(true).expect("set");
        if sender.send_to(b"text", (Ipv4Addr::from(group), port)).is_err() {
            return;
        }
        for udp in [one, other] {
            let mut buffer = [0; 8];
            assert_eq!(udp.recv(&mut buffer).await.expect("received").0, 4);
        }
    }
}
