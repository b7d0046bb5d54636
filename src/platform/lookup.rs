//! Names of hosts to addresses, by the operating system, with a bound for the whole process.
//!
//! The system's call blocks a thread, for up to half a minute where a resolver does not answer, long after whoever asked has given
//! up. The threads for what blocks are few, and the spool and the positions need them, too: so at most [`AT_ONCE`] of them ask.
use std::{
    future::Future,
    io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

/// Names that are looked up at once: half of the threads for what blocks.
const AT_ONCE: usize = 2;

/// One for all who ask.
static LOOKUPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// The addresses of a host, in the system's order of preference (`getaddrinfo`). An address is its own, without asking anybody.
///
/// # Errors
/// What the system says where it knows none.
pub async fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    match name.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => turn().await.look_up(name).await,
    }
}

/// The right to look up one name. For who must tell the wait for it from the lookup itself.
pub struct Turn(OwnedSemaphorePermit);

/// A lookup on its way. It keeps its turn until the system has answered, whoever still waits for it.
pub struct Lookup(JoinHandle<io::Result<Vec<IpAddr>>>);

/// Waits until fewer names than [`AT_ONCE`] are being looked up; first come, first served.
pub async fn turn() -> Turn {
    turn_among(&LOOKUPS).await
}

async fn turn_among(lookups: &Arc<Semaphore>) -> Turn {
    Turn(lookups.clone().acquire_owned().await.expect("nobody closes it"))
}

impl Turn {
    /// Begin. The same as [`addresses`] from here on.
    pub fn look_up(self, name: &str) -> Lookup {
        let name = name.to_owned();
        self.begin(move || {
            // The port is only there because the call wants one. Some systems name an address once for each kind of socket.
            let mut found: Vec<IpAddr> = Vec::new();
            for address in (name.as_str(), 0).to_socket_addrs()? {
                if !found.contains(&address.ip()) {
                    found.push(address.ip());
                }
            }
            Ok(found)
        })
    }

    fn begin(self, lookup: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static) -> Lookup {
        Lookup(tokio::task::spawn_blocking(move || {
            let _turn = self.0;
            lookup()
        }))
    }
}

impl Lookup {
    /// Whether the system has not answered yet.
    pub fn hangs(&self) -> bool {
        !self.0.is_finished()
    }
}

impl Future for Lookup {
    type Output = io::Result<Vec<IpAddr>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.map_err(io::Error::other)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, sync::mpsc};

    #[tokio::test]
    async fn a_name_becomes_its_addresses_and_an_address_is_one() {
        let found = addresses("localhost").await.expect("every system knows it");
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
        assert_eq!(addresses("192.0.2.7").await.expect("an address"), [Ipv4Addr::new(192, 0, 2, 7)]);
        assert_eq!(addresses("::1").await.expect("an address").len(), 1);
        addresses("a name with blanks").await.expect_err("there is none");
    }

    #[tokio::test]
    async fn lookups_that_hang_leave_threads_for_others_though_nobody_waits_for_them_any_more() {
        let lookups = Arc::new(Semaphore::new(AT_ONCE));
        let (answer, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..AT_ONCE {
            let (hang, began) = (hang.clone(), began.clone());
            let lookup = turn_among(&lookups).await.begin(move || {
                let _ = began.send(());
                let _ = hang.lock().map(|hang| hang.recv());
                Ok(vec![])
            });
            tokio::select! {
                _ = lookup => unreachable!("nothing answers yet"),
                _ = begun.recv() => {}
            }
        }
        assert_eq!(lookups.available_permits(), 0, "given up, and still on their threads");
        drop(answer);
        let turn = turn_among(&lookups).await;
        let found = turn.begin(|| Ok(vec![Ipv4Addr::LOCALHOST.into()])).await.expect("its turn comes");
        assert_eq!(found, [Ipv4Addr::LOCALHOST]);
    }
}
