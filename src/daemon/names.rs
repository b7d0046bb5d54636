//! Finds out, beside everything else, what the names of log groups and streams still lack: what only EC2's instance metadata, AWS or
//! a network that is not there yet can tell. Nothing is ever made up: what is not known is waited for.
//!
//! Each question is asked until it is answered, with growing pauses. What the instance metadata said is remembered in `names.json` of the
//! state folder, together with which machine that was; at a later start it is used when the service takes longer than [`GRACE`]. Where the
//! service does not answer for [`PATIENCE`], as in many a container, the host's own name and address serve.
use super::Identity;
use crate::{
    aws::{Facts, Inquiry},
    config::placeholder::{ACCOUNT, REGION},
    platform::{self, disk},
    publish::chain,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

/// Usually the instance metadata answers within milliseconds. So long it is waited for, before what it said last time is used.
const GRACE: Duration = Duration::from_secs(2);
/// So long it is waited for, before the host's own name and address are used.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pauses between two attempts grow from the one to the other.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of the note: five names.
const MOST: u64 = 64 * 1024;

/// Answers the questions.
pub trait Asks: Send + Sync {
    fn metadata(&self) -> BoxFuture<'_, Result<Facts, String>>;
    fn region(&self) -> BoxFuture<'_, Result<String, String>>;
    fn account(&self) -> BoxFuture<'_, Result<String, String>>;
}

impl Asks for Inquiry {
    fn metadata(&self) -> BoxFuture<'_, Result<Facts, String>> {
        async { Inquiry::metadata(self).await.map_err(|error| chain(&error)) }.boxed()
    }

    fn region(&self) -> BoxFuture<'_, Result<String, String>> {
        async { Inquiry::region(self).await.map_err(|error| chain(&error)) }.boxed()
    }

    fn account(&self) -> BoxFuture<'_, Result<String, String>> {
        async { Inquiry::account(self).await.map_err(|error| chain(&error)) }.boxed()
    }
}

/// What is known of this machine, and what is being found out.
pub struct Names {
    pub identity: Identity,
    missing: BTreeSet<&'static str>,
    asks: Option<Arc<dyn Asks>>,
    asking: FuturesUnordered<BoxFuture<'static, Learned>>,
    memory: Memory,
    /// Names that were taken from there.
    remembered: BTreeSet<&'static str>,
}

/// An answer, or that there was none for so long.
enum Learned {
    Metadata(Facts),
    MetadataIsSlow,
    MetadataIsSilent,
    Address(String),
    Region(String),
    Account(String),
}

impl Names {
    /// `missing`: the placeholders that have no value yet. `asks`: `None` where nobody is to be asked.
    pub fn new(identity: Identity, missing: BTreeSet<&'static str>, asks: Option<Arc<dyn Asks>>, state: &Path) -> Self {
        let memory = Memory { file: state.join("names.json"), machine: platform::host::fingerprint() };
        Self::with(identity, missing, asks, memory)
    }

    fn with(identity: Identity, missing: BTreeSet<&'static str>, asks: Option<Arc<dyn Asks>>, memory: Memory) -> Self {
        let names =
            Self { identity, missing, asks, asking: FuturesUnordered::new(), memory, remembered: BTreeSet::new() };
        match names.asks.clone().filter(|_| names.identity.on_ec2) {
            Some(asks) if names.missing.iter().any(|name| *name != REGION) => {
                names.asking.push(sleep(GRACE).map(|()| Learned::MetadataIsSlow).boxed());
                names.asking.push(sleep(PATIENCE).map(|()| Learned::MetadataIsSilent).boxed());
                names.ask("the EC2 instance metadata", move || {
                    let asks = asks.clone();
                    async move { asks.metadata().await.map(Learned::Metadata) }.boxed()
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
                async move { asks.region().await.map(Learned::Region) }.boxed()
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
            Learned::Metadata(facts) => {
                self.compare(&facts);
                self.use_facts(&facts);
                self.memory.keep(facts);
                self.ask_for_the_address();
                self.ask_for_the_account();
            }
            Learned::MetadataIsSlow => {
                if let Some(facts) = self.memory.recall() {
                    tracing::info!("the EC2 instance metadata is slow: names are those of the last start");
                    let missing = self.missing.clone();
                    self.use_facts(&facts);
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

    fn use_facts(&mut self, facts: &Facts) {
        for (name, value) in placeholders(facts) {
            if let Some(value) = value {
                self.know(name, value.clone());
            }
        }
    }

    /// Names that are in use stay as they are until the next start.
    fn compare(&self, facts: &Facts) {
        for (name, now) in placeholders(facts) {
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
                async move { asks.account().await.map(Learned::Account) }.boxed()
            });
        }
    }

    /// Ask until there is an answer. Why there is none is said once.
    fn ask(
        &self,
        what: &'static str,
        question: impl Fn() -> BoxFuture<'static, Result<Learned, String>> + Send + 'static,
    ) {
        let asking = async move {
            let mut pause = FIRST_PAUSE;
            loop {
                match question().await {
                    Ok(answer) => return answer,
                    Err(why) if pause == FIRST_PAUSE => {
                        tracing::warn!("log names need {what}, which is asked for again: {why}");
                    }
                    Err(why) => tracing::debug!("log names need {what}, which is asked for again: {why}"),
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        self.asking.push(asking.boxed());
    }
}

/// What each fact is called in a name.
fn placeholders(facts: &Facts) -> [(&'static str, &Option<String>); 4] {
    [
        ("instance_id", &facts.instance_id),
        ("hostname", &facts.hostname),
        ("ip_address", &facts.ip_address),
        (ACCOUNT, &facts.account_id),
    ]
}

/// What the instance metadata said at an earlier start.
struct Memory {
    file: PathBuf,
    /// What tells this machine from one that was made of its disk.
    machine: String,
}

#[derive(Deserialize, Serialize)]
struct Note {
    machine: String,
    #[serde(flatten)]
    facts: Facts,
}

impl Memory {
    /// `None`: nothing, or not of this machine.
    fn recall(&self) -> Option<Facts> {
        let bytes = disk::read_regular(&self.file, MOST).ok()?;
        let note: Note = serde_json::from_slice(&bytes).ok()?;
        (note.machine == self.machine).then_some(note.facts)
    }

    fn keep(&self, facts: Facts) {
        if self.recall().as_ref() == Some(&facts) {
            return;
        }
        let note = serde_json::to_vec(&Note { machine: self.machine.clone(), facts }).map_err(io::Error::from);
        if let Err(error) = note.and_then(|bytes| disk::replace(&self.file, &bytes)) {
            tracing::warn!(file = %self.file.display(), %error, "cannot note the names of this machine");
        }
    }
}

#[cfg(test)]
mod tests;
