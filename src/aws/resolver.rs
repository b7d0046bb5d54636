//! Names to addresses, by the operating system, with a bound.
//!
//! The system's call blocks a thread, for up to half a minute where a resolver does not answer, long after whoever asked has given
//! up. The threads for what blocks are few, and the spool and the positions need them, too: so at most [`AT_ONCE`] of them ask.
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use std::{
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
};
use tokio::sync::Semaphore;

/// Names that are looked up at once, in the whole process: half of the threads for what blocks. Connections are kept, so names are
/// rarely asked for.
const AT_ONCE: usize = 2;

/// One for all clients.
static LOOKUPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// The operating system's resolver (`getaddrinfo`).
#[derive(Clone, Debug)]
pub(super) struct Resolver;

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let name = name.to_owned();
        DnsFuture::new(bounded(LOOKUPS.clone(), move || {
            // The port is only there because the call wants one.
            (name.as_str(), 0).to_socket_addrs().map(|addresses| addresses.map(|address| address.ip()).collect())
        }))
    }
}

/// One lookup, when it is its turn. It keeps its turn until the system has answered, whoever still waits for it.
async fn bounded(
    lookups: Arc<Semaphore>,
    lookup: impl FnOnce() -> std::io::Result<Vec<IpAddr>> + Send + 'static,
) -> Result<Vec<IpAddr>, ResolveDnsError> {
    let turn = lookups.acquire_owned().await.expect("nobody closes it");
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        lookup()
    });
    answer.await.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, sync::mpsc};

    #[tokio::test]
    async fn a_name_becomes_its_addresses() {
        let addresses = Resolver.resolve_dns("localhost").await.expect("every system knows it");
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
        Resolver.resolve_dns("a name with blanks").await.expect_err("there is none");
    }

    #[tokio::test]
    async fn lookups_that_hang_leave_threads_for_others_though_nobody_waits_for_them_any_more() {
        let lookups = Arc::new(Semaphore::new(AT_ONCE));
        let (answer, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..AT_ONCE {
            let (hang, began) = (hang.clone(), began.clone());
            let lookup = bounded(lookups.clone(), move || {
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
        let found = bounded(lookups, || Ok(vec![Ipv4Addr::LOCALHOST.into()])).await.expect("its turn comes");
        assert_eq!(found, [Ipv4Addr::LOCALHOST]);
    }
}
