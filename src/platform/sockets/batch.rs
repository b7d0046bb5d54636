//! Many datagrams by one call of the system, where it has such a call (Linux: `recvmmsg`); elsewhere one after another.
//!
//! A batch is a row of slots of one size. Memory of a slot that never held much is never touched, so that a row of large slots
//! costs what the datagrams that come need.
#![cfg_attr(target_os = "linux", allow(unsafe_code))]
use socket2::Socket;
use std::io;

/// Slots of a batch. More save little: a call for 32 costs a few hundred nanoseconds beside what the datagrams cost.
const SLOTS: usize = 32;

/// Room for datagrams, and what the last call put there.
pub struct Batch {
    memory: Box<[u8]>,
    size: usize,
    /// Length of each datagram that is there, and whether it was longer than its slot.
    filled: Vec<(usize, bool)>,
}

/// One datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram<'a> {
    pub bytes: &'a [u8],
    /// It was longer, and its rest is gone.
    pub cut: bool,
}

impl Batch {
    /// Of slots that take so many bytes each.
    pub fn new(size: usize) -> Self {
        Self { memory: vec![0; SLOTS * size].into_boxed_slice(), size, filled: Vec::with_capacity(SLOTS) }
    }

    /// What was received, in the order in which it came.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        let slots = self.memory.chunks_exact(self.size).zip(&self.filled);
        slots.map(|(slot, (length, cut))| Datagram { bytes: &slot[..*length], cut: *cut })
    }

    /// Whether the last call found none.
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Whether there may be more of them already.
    pub fn is_full(&self) -> bool {
        self.filled.len() == SLOTS
    }

    /// One after another, until there is none, which is told as `WouldBlock` beside what came before, or no more room.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "Linux takes many at once"))]
    fn fill_singly(&mut self, mut next: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        self.filled.clear();
        for slot in self.memory.chunks_exact_mut(self.size) {
            match next(slot) {
                // One that fills its slot was longer, as far as anybody can tell.
                Ok(length) => self.filled.push((length, length == self.size)),
                // Any other error with something in hand is found by the next call.
                Err(error) if self.filled.is_empty() || error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => break,
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{Batch, SLOTS, Socket, io};
    use std::{mem, os::fd::AsRawFd, ptr};

    impl Batch {
        /// What there is, by <https://man7.org/linux/man-pages/man2/recvmmsg.2.html>. Where that is less than there is room for, the
        /// socket is empty, which is told as `WouldBlock`: so the runtime waits for the next datagram without one more call to
        /// find that out.
        pub(in super::super) fn fill(&mut self, socket: &Socket) -> io::Result<()> {
            let size = self.size;
            self.filled.clear();
            let mut parts: [libc::iovec; SLOTS] =
                std::array::from_fn(|_| libc::iovec { iov_base: ptr::null_mut(), iov_len: size });
            for (part, slot) in parts.iter_mut().zip(self.memory.chunks_exact_mut(size)) {
                part.iov_base = slot.as_mut_ptr().cast();
            }
            // SAFETY: the structure is plain data of C, for which zeros are a value: no address, no control data, no flags.
            let mut messages: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };
            for (message, part) in messages.iter_mut().zip(&mut parts) {
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
            }
            // SAFETY: there are SLOTS messages, each with one part, each part a slot of `size` bytes of our own; all of them live
            // until the call has returned, and it keeps none. Without a time limit none is read.
            let count = unsafe {
                let first = messages.as_mut_ptr();
                libc::recvmmsg(socket.as_raw_fd(), first, SLOTS as libc::c_uint, FLAGS, ptr::null_mut())
            };
            let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
            let filled = messages.iter().take(count);
            self.filled.extend(filled.map(|message| {
                ((message.msg_len as usize).min(size), message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0)
            }));
            if self.is_full() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        }
    }

    /// Its type differs between the C libraries.
    #[allow(clippy::unnecessary_cast)]
    const FLAGS: FlagsType = libc::MSG_DONTWAIT as FlagsType;
    #[cfg(target_env = "musl")]
    type FlagsType = libc::c_uint;
    #[cfg(not(target_env = "musl"))]
    type FlagsType = libc::c_int;

    /// Asks for a receive buffer. With the right to it (`CAP_NET_ADMIN`) also beyond `net.core.rmem_max`:
    /// <https://man7.org/linux/man-pages/man7/socket.7.html>, `SO_RCVBUFFORCE`. What the system grants is said by the socket.
    pub fn widen(socket: &Socket, bytes: usize) {
        let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        // SAFETY: the option takes one number, whose place and size are given.
        let forced = unsafe {
            let (place, size) = (ptr::from_ref(&wanted).cast(), size_of::<libc::c_int>() as libc::socklen_t);
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, place, size)
        };
        if forced != 0 {
            let _ = socket.set_recv_buffer_size(bytes);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::{Batch, Socket, io};
    use std::io::Read;

    impl Batch {
        /// What there is. Where that is less than there is room for, the socket is empty, which is told as `WouldBlock`.
        pub(in super::super) fn fill(&mut self, mut socket: &Socket) -> io::Result<()> {
            self.fill_singly(|slot| socket.read(slot))
        }
    }

    /// Asks for a receive buffer. What the system grants is said by the socket.
    pub fn widen(socket: &Socket, bytes: usize) {
        let _ = socket.set_recv_buffer_size(bytes);
    }
}

pub(super) use imp::widen;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::sockets::Datagrams;

    async fn bound() -> (Datagrams, std::net::UdpSocket) {
        let socket = Datagrams::udp(([127, 0, 0, 1], 0).into(), 1 << 20).expect("bound");
        let Datagrams::Udp(udp) = &socket else { unreachable!() };
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        sender.connect(udp.local_addr().expect("bound")).expect("connected");
        (socket, sender)
    }

    #[tokio::test]
    async fn a_batch_has_all_that_came_in_order_and_says_what_was_cut() {
        let (socket, sender) = bound().await;
        let mut batch = Batch::new(16);
        socket.recv_batch_now(&mut batch).expect("asked");
        assert!(batch.is_empty());
        for text in ["one", "", "a long one that does not fit"] {
            sender.send(text.as_bytes()).expect("sent");
        }
        socket.recv_batch(&mut batch).await.expect("received");
        let found: Vec<_> = batch.datagrams().map(|d| (d.bytes.to_vec(), d.cut)).collect();
        assert_eq!(found, [(b"one".to_vec(), false), (vec![], false), (b"a long one that ".to_vec(), true)]);
        assert!(!batch.is_full());
        sender.send(b"two").expect("sent");
        socket.recv_batch(&mut batch).await.expect("received");
        assert_eq!(batch.datagrams().next(), Some(Datagram { bytes: b"two", cut: false }));
    }

    #[tokio::test]
    async fn more_than_a_batch_takes_comes_in_several() {
        let (socket, sender) = bound().await;
        let (mut batch, mut seen) = (Batch::new(64), vec![]);
        for number in 0..SLOTS * 2 + 3 {
            sender.send(number.to_string().as_bytes()).expect("sent");
        }
        while seen.len() < SLOTS * 2 + 3 {
            socket.recv_batch(&mut batch).await.expect("received");
            seen.extend(batch.datagrams().map(|d| String::from_utf8_lossy(d.bytes).into_owned()));
        }
        assert!(seen.iter().enumerate().all(|(at, text)| *text == at.to_string()));
    }

    #[tokio::test]
    async fn what_the_runtime_has_not_heard_of_is_there_too() {
        let (socket, sender) = bound().await;
        sender.send(b"one").expect("sent");
        let mut batch = Batch::new(64);
        socket.recv_batch_now(&mut batch).expect("asked");
        assert_eq!(batch.datagrams().len(), 1);
        // And it waits for the next one as if nothing had been.
        sender.send(b"two").expect("sent");
        socket.recv_batch(&mut batch).await.expect("received");
        assert_eq!(batch.datagrams().next().map(|d| d.bytes), Some(&b"two"[..]));
    }

    #[test]
    fn one_after_another_stops_where_there_is_none_and_tells_another_error_only_with_nothing_in_hand() {
        let mut batch = Batch::new(8);
        let mut left = vec![Ok(3), Ok(8)];
        left.reverse();
        let none = || Err(io::ErrorKind::WouldBlock.into());
        let told = batch.fill_singly(|_| left.pop().unwrap_or_else(none)).expect_err("no more");
        assert_eq!((told.kind(), &*batch.filled), (io::ErrorKind::WouldBlock, &[(3, false), (8, true)][..]));
        assert!(batch.fill_singly(|_| none()).is_err() && batch.filled.is_empty());
    }
}
