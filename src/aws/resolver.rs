//! Names to addresses for the SDK's clients, within the bound that the whole process has.
use crate::platform::lookup;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

/// The operating system's resolver.
#[derive(Clone, Debug)]
pub(super) struct Resolver;

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { lookup::addresses(name).await.map_err(ResolveDnsError::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[tokio::test]
    async fn a_name_becomes_its_addresses() {
        let addresses = Resolver.resolve_dns("localhost").await.expect("every system knows it");
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
        Resolver.resolve_dns("a name with blanks").await.expect_err("there is none");
    }
}
