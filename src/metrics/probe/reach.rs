//! From the name of a host to a connection, or to an echo.
use crate::platform::{
    echo::Echo,
    lookup::{self, Lookup},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{net::TcpStream, time::sleep};

/// How long an address is tried alone before the next one is tried too: the recommended value of RFC 8305, section 5.
const AHEAD: Duration = Duration::from_millis(250);

/// Why a host is not reached.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error("its name could not be looked up")]
    Lookup { source: io::Error },
    #[error("its name has no address")]
    NoAddress,
    #[error("it could not be connected to")]
    Connect { source: io::Error },
    #[error("no ICMP echo can be sent")]
    Echo { source: io::Error },
}

/// A host whose name has still to be looked up, or has no need of that.
pub enum Host<'a> {
    Address(IpAddr),
    /// A lookup on its way. Borrowed, so that one that hangs is known the next time.
    Name(&'a mut Lookup),
    /// Looked up by now.
    Known(Result<Vec<IpAddr>, io::Error>),
}

impl Host<'static> {
    /// Looks the name up.
    pub async fn of(name: &str) -> Self {
        Self::Known(lookup::addresses(name).await)
    }
}

impl Host<'_> {
    async fn addresses(self) -> Result<Vec<IpAddr>, ReachError> {
        let found = match self {
            Self::Address(address) => return Ok(vec![address]),
            Self::Name(lookup) => lookup.await,
            Self::Known(found) => found,
        };
        match found {
            Ok(addresses) if addresses.is_empty() => Err(ReachError::NoAddress),
            Ok(addresses) => Ok(addresses),
            Err(source) => Err(ReachError::Lookup { source }),
        }
    }

    /// A connection to the first of its addresses that takes one.
    pub async fn connect(self, port: u16) -> Result<TcpStream, ReachError> {
        let connect =
            |address| -> BoxFuture<'static, _> { Box::pin(TcpStream::connect(SocketAddr::new(address, port))) };
        let stream = first(self.addresses().await?, connect).await;
        stream.map_err(|source| ReachError::Connect { source })
    }

    /// An echo of the first of its addresses that sends one.
    pub async fn echo(self) -> Result<(), ReachError> {
        let echo = |address| -> BoxFuture<'static, _> {
            Box::pin(async move { Echo::send(address, fastrand::u128(..).to_ne_bytes()).await?.reply().await })
        };
        let echo = first(self.addresses().await?, echo).await;
        echo.map_err(|source| ReachError::Echo { source })
    }
}

/// What the first address gives that gives anything; each is tried a little after the one before, at once when that one fails.
async fn first<T>(
    addresses: Vec<IpAddr>,
    attempt: impl Fn(IpAddr) -> BoxFuture<'static, io::Result<T>>,
) -> io::Result<T> {
    let (mut waiting, mut trying) = (addresses.into_iter(), FuturesUnordered::new());
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            trying.push(attempt(address));
        }
        tokio::select! {
            result = trying.next() => match result {
                Some(Ok(made)) => return Ok(made),
                Some(Err(error)) => failure = error,
                None => return Err(failure),
            },
            () = sleep(AHEAD), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::Instant;

    const HANGS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const REFUSES: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    const ANSWERS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));

    fn attempt(address: IpAddr) -> BoxFuture<'static, io::Result<IpAddr>> {
        Box::pin(async move {
            match address {
                HANGS => std::future::pending().await,
                REFUSES => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(address),
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_delays_the_next_one_a_little_and_one_that_refuses_not_at_all() {
        for (addresses, after) in [
            (vec![ANSWERS], 0),
            (vec![REFUSES, ANSWERS], 0),
            (vec![HANGS, ANSWERS], 250),
            (vec![HANGS, REFUSES, HANGS, ANSWERS], 500),
        ] {
            let begun = Instant::now();
            assert_eq!(first(addresses, attempt).await.expect("one answers"), ANSWERS);
            assert_eq!(begun.elapsed().as_millis() / 10 * 10, after);
        }
        let error = first(vec![REFUSES, REFUSES], attempt).await.expect_err("nobody answers");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
