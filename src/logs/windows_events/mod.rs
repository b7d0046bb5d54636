//! Channels of the Windows event log; the record id is the position.
//!
//! Owned here: the [`query`], reading events out of their XML ([`event`]), their text ([`render`]), and what to do when a channel
//! was cleared or its service has ended. Left to others: the calls of Windows (`platform::windows_events`), chunks and lanes
//! (`supervised`), who spawns [`run`]. All of it but those calls is tested on every system, against a log that the tests make up.
//!
//! | situation | what is read |
//! |---|---|
//! | nothing is saved | the events of the last two weeks; CloudWatch Logs takes no older ones |
//! | a position is saved, and its event is there | what comes after it, whatever its age |
//! | nothing is saved, and the CloudWatch Agent sent this channel to this stream | what comes after its last event |
//! | its event was overwritten | what is left after it; `WINDOWS_GAPS` where more than it is missing |
//! | the channel was cleared: ids are lower, or that event is another one | everything that is there; `WINDOWS_GAPS` |
//!
//! A pull subscription is asked each second, and again at once while it has something. When it fails (the service of the event log
//! was restarted, the channel is gone) it is begun anew behind the last event that was read, with ever longer waits
//! (`WINDOWS_RESTARTS`); where only a person can help, that is said once and tried seldom. When the lane is full nothing is asked:
//! the channel is the buffer, as far as its size goes.
pub mod event;
pub mod query;
mod render;
#[cfg(test)]
mod tests;

use super::{
    imported::agent,
    supervised::{About, Closed, Entry, Site, Source},
};
use crate::{
    config::settings::{EventFormat, WindowsItem},
    model::{Target, Timestamp, WindowsPosition},
    platform::windows_events::{EventLog, EventLogError, Which},
    telemetry::counters,
};
use event::{Event, EventError};
use query::Wanted;
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Events of one call: the agent's number.
const MOST: usize = 170;
/// How long to wait when a channel has nothing new.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads the channel of one item until told to stop. What was not sent then is read again. `agent`: where the CloudWatch Agent may have left
/// its state.
pub async fn run(
    item: WindowsItem,
    target: Arc<Target>,
    log: Box<dyn EventLog>,
    site: Site,
    agent: Option<PathBuf>,
    stop: CancellationToken,
) {
    let reader = Reader::new(item, target, log, site, agent.as_deref());
    stop.run_until_cancelled(reader.read()).await;
}

/// One channel while it is read.
struct Reader {
    /// `None` while it is asked something.
    log: Option<Box<dyn EventLog>>,
    channel: Arc<str>,
    wanted: Wanted,
    format: EventFormat,
    source: Source<WindowsPosition>,
    /// How many events to ask for.
    most: usize,
    /// The last record that the CloudWatch Agent delivered, until its place is known.
    imported: Option<u64>,
    /// The record behind which a gap was said.
    gap: Option<u64>,
}

/// Why reading ended.
enum End {
    Log(EventLogError),
    /// Nobody takes chunks any more.
    Closed,
}

impl From<EventLogError> for End {
    fn from(error: EventLogError) -> Self {
        Self::Log(error)
    }
}

impl From<Closed> for End {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

/// The last record of a channel that the CloudWatch Agent sent to this target.
fn left_by_agent(folder: &Path, target: &Target, channel: &str) -> Option<u64> {
    agent::windows_event(folder, &target.group, &target.stream, channel).unwrap_or_else(|error| {
        tracing::warn!(folder = %folder.display(), channel, %error,
            "the state of the CloudWatch Agent cannot be read: this channel counts as seen for the first time");
        None
    })
}

impl Reader {
    fn new(item: WindowsItem, target: Arc<Target>, log: Box<dyn EventLog>, site: Site, agent: Option<&Path>) -> Self {
        let WindowsItem { item, text, channel, levels, ids, format, .. } = item;
        let name = format!("Windows events: {channel}");
        let what = "a channel of the event log";
        let goes_to = target.clone();
        let about = About { name, what, item: item.into(), target, text, restarts: &counters::WINDOWS_RESTARTS };
        let mut source = Source::new(about, site);
        let channel: Arc<str> = channel.into();
        let agent = agent.filter(|_| !source.is_open());
        let imported = agent.and_then(|folder| left_by_agent(folder, &goes_to, &channel)).filter(|record| *record > 0);
        if !source.is_open() && imported.is_none() {
            // The two weeks are counted anew at each start until something is delivered.
            let (channel, item) = (channel.clone(), source.item());
            source.open_at(WindowsPosition { channel, record: 0, at: Timestamp::default(), item });
        }
        let wanted = Wanted { levels, ids };
        Self { log: Some(log), channel, wanted, format, source, most: MOST, imported, gap: None }
    }

    async fn read(mut self) {
        loop {
            match self.read_once().await {
                Err(End::Closed) => return,
                Err(End::Log(EventLogError::TooLarge)) => self.most = (self.most / 2).max(1),
                Err(End::Log(error)) => {
                    if self.source.send().await.is_err() {
                        return;
                    }
                    self.source.rest_after(&error, error.needs_a_person()).await;
                }
                Ok(never) => match never {},
            }
        }
    }

    /// Subscribe, and read until the subscription fails.
    async fn read_once(&mut self) -> Result<Infallible, End> {
        self.import().await?;
        let after = self.beginning().await?;
        self.subscribe(after).await?;
        loop {
            let most = self.most;
            let events = match self.ask(move |log| log.next(most)).await {
                // Even alone it is too large: pass over it.
                Err(error @ EventLogError::TooLarge) if most == 1 => {
                    self.source.unreadable(&counters::WINDOWS_EVENTS_UNREADABLE, &error);
                    self.most = MOST;
                    let over = self.source.last().map_or(1, |last| last.record + 1);
                    self.subscribe(over).await?;
                    continue;
                }
                other => other?,
            };
            let more = !events.is_empty();
            for xml in events {
                self.take(&xml).await?;
            }
            if !more {
                self.source.send().await?;
                self.source.caught_up();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Begin behind the last event that the CloudWatch Agent delivered. It notes no time, by which the event would be known again.
    async fn import(&mut self) -> Result<(), EventLogError> {
        let Some(record) = self.imported else { return Ok(()) };
        let at = match self.find(Which::Record(record)).await? {
            Some(Ok(event)) => event.at,
            // Nothing is there to be compared with.
            Some(Err(_)) | None => Timestamp::default(),
        };
        let (channel, item) = (self.channel.clone(), self.source.item());
        tracing::info!(%channel, record, "continues where the CloudWatch Agent stopped");
        self.source.go_on_at(WindowsPosition { channel, record, at, item });
        self.imported = None;
        Ok(())
    }

    async fn subscribe(&mut self, after: u64) -> Result<(), EventLogError> {
        let only_recent = self.source.last().is_none_or(|last| last.record == 0);
        let (channel, query) = (self.channel.clone(), self.wanted.query(only_recent));
        self.ask(move |log| log.subscribe(&channel, &query, after)).await
    }

    /// Behind which record to begin: 0 for the oldest one. Notices what happened to the channel meanwhile.
    async fn beginning(&mut self) -> Result<u64, EventLogError> {
        let Some(last) = self.source.last().filter(|last| last.record > 0).cloned() else { return Ok(0) };
        match self.find(Which::Record(last.record)).await? {
            // One that cannot be read now could not have been delivered then, but its place is here.
            Some(Err(_)) => return Ok(last.record),
            Some(Ok(event)) if event.at == last.at => return Ok(last.record),
            Some(Ok(_)) => {
                self.tell_gap(&last, "the channel was cleared");
                return Ok(0);
            }
            None => {}
        }
        let (oldest, newest) = (self.find(Which::Oldest).await?, self.find(Which::Newest).await?);
        match (oldest, newest) {
            // All that is left came after it.
            (Some(Ok(oldest)), Some(Ok(newest))) if newest.record > last.record => {
                if oldest.record > last.record + 1 {
                    self.tell_gap(&last, "events were overwritten before they could be read");
                }
            }
            _ => self.tell_gap(&last, "the channel was cleared"),
        }
        Ok(0)
    }

    fn tell_gap(&mut self, last: &WindowsPosition, why: &str) {
        if self.gap.replace(last.record) != Some(last.record) {
            counters::WINDOWS_GAPS.add(1);
            let (channel, record, since) = (&self.channel, last.record, last.at.rfc3339());
            tracing::warn!(%channel, record, %since, "{why}: reading goes on with what is there; events after this record may be missing");
        }
    }

    async fn find(&mut self, which: Which) -> Result<Option<Result<Event, EventError>>, EventLogError> {
        let channel = self.channel.clone();
        let xml = self.ask(move |log| log.find(&channel, which)).await?;
        Ok(xml.map(|xml| Event::parse(&xml)))
    }

    /// Its calls block, so another thread makes them.
    async fn ask<T: Send + 'static>(&mut self, ask: impl FnOnce(&mut dyn EventLog) -> T + Send + 'static) -> T {
        let mut log = self.log.take().expect("given back by each call, and a reader makes one at a time");
        let asked = tokio::task::spawn_blocking(move || {
            let answer = ask(log.as_mut());
            (log, answer)
        });
        match asked.await {
            Ok((log, answer)) => {
                self.log = Some(log);
                answer
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only when the runtime ends, and this with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn take(&mut self, xml: &str) -> Result<(), Closed> {
        let event = match Event::parse(xml) {
            Ok(event) => event,
            Err(error) => {
                self.source.unreadable(&counters::WINDOWS_EVENTS_UNREADABLE, &error);
                return Ok(());
            }
        };
        if let Some(last) = self.source.last().cloned() {
            if event.record == last.record && event.at == last.at {
                return Ok(());
            }
            if event.record <= last.record {
                self.tell_gap(&last, "the channel was cleared");
            }
        }
        let wanted = self.wanted.takes(event.level, event.id);
        let text = wanted.then(|| render::text(&event, xml, self.format));
        let (channel, item) = (self.channel.clone(), self.source.item());
        let place = WindowsPosition { channel, record: event.record, at: event.at, item };
        self.source.take(Entry { place, at: event.at, text, mended: false, unit: String::new() }).await
    }
}
