//! Finds out, beside everything else, what the names of log groups and streams still lack: what only EC2's instance metadata, AWS or
//! a network that is not there yet can tell. Nothing is ever made up: what is not known is waited for.
//!
//! Each question is asked until it is answered, with growing pauses. What the instance metadata said is remembered in `names.json` of the
//! state folder, together with which machine that was; at a later start it is used when the service takes longer than [`GRACE`]. Where the
//! service does not answer for [`PATIENCE`], as in many a container, the host's own name and address serve.
use super::{
    Identity,
    asking::{Asks, said, until_answered},
    memory::Memory,
};
use crate::{
    aws::Metadata,
    config::placeholder::{ACCOUNT, REGION},
    platform,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Usually the instance metadata answers within milliseconds. So long it is waited for, before what it said last time is used.
const GRACE: Duration = Duration::from_secs(2);
/// So long it is waited for, before the host's own name and address are used.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is known of this machine, and what is being found out.
pub struct Names {
    pub identity: Identity,
    missing: BTreeSet<&'static str>,
    asks: Option<Arc<dyn Asks>>,
    asking: FuturesUnordered<BoxFuture<'static, Learned>>,
    memory: Arc<Memory>,
    /// Names that were taken from there.
    remembered: BTreeSet<&'static str>,
}

/// An answer, or that there was none for so long.
enum Learned {
    Metadata(Metadata),
    MetadataIsSlow,
    MetadataIsSilent,
    Address(String),
    Region(String),
    Account(String),
}

impl Names {
    /// `missing`: the placeholders that have no value yet. `asks`: `None` where nobody is to be asked.
    pub fn new(
        identity: Identity,
        missing: BTreeSet<&'static str>,
        asks: Option<Arc<dyn Asks>>,
        memory: Arc<Memory>,
    ) -> Self {
        let names =
            Self { identity, missing, asks, asking: FuturesUnordered::new(), memory, remembered: BTreeSet::new() };
        match names.asks.clone().filter(|_| names.identity.on_ec2) {
            Some(asks) if names.missing.iter().any(|name| *name != REGION) => {
                names.asking.push(sleep(GRACE).map(|()| Learned::MetadataIsSlow).boxed());
                names.asking.push(sleep(PATIENCE).map(|()| Learned::MetadataIsSilent).boxed());
                names.ask("the EC2 instance metadata", move || {
                    let asks = asks.clone();
                    async move { asks.metadata().await.map(Learned::Metadata).map_err(said) }.boxed()
                });
            }
            _ => {
                names.ask_for_the_address();
                names.ask_for_the_account();
            }
        }
        if let Some(asks) = names.asks.clone().filter(|_| names.missing.contains(REGION)) {
            names.ask("the region", move || {
                let asks = asks.clone();
                async move { asks.region().await.map(Learned::Region).map_err(said) }.boxed()
            });
        }
        names
    }

    /// Ends when more is known than before; waits for ever when nothing is missing.
    pub async fn next(&mut self) {
        loop {
            match self.asking.next().await {
                Some(learned) => {
                    if self.take(learned) {
                        return;
                    }
                }
                None => return std::future::pending().await,
            }
        }
    }

    /// Whether that was news.
    fn take(&mut self, learned: Learned) -> bool {
        let before = self.missing.len();
        match learned {
            Learned::Metadata(metadata) => {
                self.compare(&metadata);
                self.adopt(&metadata);
                self.memory.keep(|all| all.metadata = metadata);
                self.ask_for_the_address();
                self.ask_for_the_account();
            }
            Learned::MetadataIsSlow => {
                if let Some(remembered) = self.memory.recall() {
                    tracing::info!("the EC2 instance metadata is slow: names are those of the last start");
                    let missing = self.missing.clone();
                    self.adopt(&remembered.metadata);
                    self.remembered = missing.difference(&self.missing).copied().collect();
                }
            }
            Learned::MetadataIsSilent => self.do_without_metadata(),
            Learned::Address(ip) => self.know("ip_address", ip),
            Learned::Region(region) => self.know(REGION, region),
            Learned::Account(account) => self.know(ACCOUNT, account),
        }
        self.missing.len() < before
    }

    fn adopt(&mut self, metadata: &Metadata) {
        for (name, value) in placeholders(metadata) {
            if let Some(value) = value {
                self.know(name, value.clone());
            }
        }
    }

    /// Names that are in use stay as they are until the next start.
    fn compare(&self, metadata: &Metadata) {
        for (name, now) in placeholders(metadata) {
            let used = self.identity.value(name).filter(|_| self.remembered.contains(name));
            if let (Some(used), Some(now)) = (used, now)
                && used != *now
            {
                tracing::warn!(
                    name,
                    used,
                    now,
                    "the EC2 instance metadata has another name now: it counts from the next start on"
                );
            }
        }
    }

    /// A container, often, that is too many hops away from the service.
    fn do_without_metadata(&mut self) {
        if self.missing.contains("hostname") {
            let hostname = self.identity.hostname.clone();
            tracing::warn!(hostname, "the EC2 instance metadata does not answer: the host's own name is used");
            self.know("hostname", hostname);
        }
        self.ask_for_the_address();
        self.ask_for_the_account();
    }

    fn know(&mut self, name: &'static str, value: String) {
        if self.missing.remove(name) {
            self.identity.learn(name, value);
        }
    }

    fn ask_for_the_address(&self) {
        if self.missing.contains("ip_address") {
            self.ask("an address of this host", || {
                let address = platform::host::ipv4_address();
                let answer = address.map(|ip| Learned::Address(ip.to_string()));
                async move { answer.ok_or_else(|| "it has none yet".to_owned()) }.boxed()
            });
        }
    }

    fn ask_for_the_account(&self) {
        if let Some(asks) = self.asks.clone().filter(|_| self.missing.contains(ACCOUNT)) {
            self.ask("the account", move || {
                let asks = asks.clone();
                async move { asks.account().await.map(Learned::Account).map_err(said) }.boxed()
            });
        }
    }

    /// Ask until there is an answer.
    fn ask(
        &self,
        what: &'static str,
        question: impl Fn() -> BoxFuture<'static, Result<Learned, String>> + Send + 'static,
    ) {
        self.asking.push(async move { until_answered("log names", what, question).await }.boxed());
    }
}

/// What each of them is called in a name.
fn placeholders(metadata: &Metadata) -> [(&'static str, &Option<String>); 4] {
    [
        ("instance_id", &metadata.instance_id),
        ("hostname", &metadata.hostname),
        ("ip_address", &metadata.ip_address),
        (ACCOUNT, &metadata.account_id),
    ]
}

#[cfg(test)]
mod tests;
