//! The Windows event log: subscribing to a channel, and events as XML. On other systems every call says that there is none.
//!
//! Calls block for as long as the service of the event log takes, usually a few milliseconds.
use std::io;

#[cfg(windows)]
mod api;

/// One reading of one channel. A trait, so that a reader can be tried with a log that a test makes up.
pub trait EventLog: Send {
    /// Begin behind this record, or at the oldest one for 0, with those that the XPath query takes. Ends the reading before it.
    ///
    /// # Errors
    /// When the channel cannot be read like this.
    fn subscribe(&mut self, channel: &str, query: &str, after: u64) -> Result<(), EventLogError>;

    /// The next events in their order, at most so many; none where none are there yet.
    ///
    /// # Errors
    /// When the reading is broken, and must be begun anew.
    fn next(&mut self, most: usize) -> Result<Vec<String>, EventLogError>;

    /// The XML of one event of the channel, without its message.
    ///
    /// # Errors
    /// When the channel cannot be read.
    fn find(&mut self, channel: &str, which: Which) -> Result<Option<String>, EventLogError>;
}

/// Which event to find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    Oldest,
    Newest,
    /// The one of this `EventRecordID`.
    Record(u64),
}

/// Why nothing comes from a channel.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(windows), allow(dead_code, reason = "some are said on Windows only"))]
pub enum EventLogError {
    #[error("there is no channel {channel} on this host: `wevtutil el` lists those that there are")]
    NoChannel { channel: String },
    #[error(
        "this user may not read the channel {channel}: add it to the group Event Log Readers, or run as LocalSystem (for Security)"
    )]
    Forbidden { channel: String },
    #[error("the channel {channel} does not take the query {query}: name fewer event_levels or event_ids")]
    Query { channel: String, query: String },
    /// `EvtNext` fails where the events of one call do not fit into its answer.
    #[error("the next events are too large for one answer of the event log")]
    TooLarge,
    #[error("the event log cannot be read")]
    Failed { source: io::Error },
}

impl EventLogError {
    /// Whether only a person can help, so that trying seldom is enough.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::NoChannel { .. } | Self::Forbidden { .. } | Self::Query { .. } => true,
            Self::TooLarge => false,
            Self::Failed { source } => source.kind() == io::ErrorKind::Unsupported,
        }
    }
}

/// The event log of this host.
#[cfg(windows)]
pub fn open() -> Box<dyn EventLog> {
    Box::new(api::Api::default())
}

/// The event log of this host: there is none.
#[cfg(not(windows))]
pub fn open() -> Box<dyn EventLog> {
    Box::new(Nothing)
}

#[cfg(not(windows))]
struct Nothing;

#[cfg(not(windows))]
impl EventLog for Nothing {
    fn subscribe(&mut self, _: &str, _: &str, _: u64) -> Result<(), EventLogError> {
        Err(EventLogError::Failed { source: io::ErrorKind::Unsupported.into() })
    }

    fn next(&mut self, _: usize) -> Result<Vec<String>, EventLogError> {
        Err(EventLogError::Failed { source: io::ErrorKind::Unsupported.into() })
    }

    fn find(&mut self, _: &str, _: Which) -> Result<Option<String>, EventLogError> {
        Err(EventLogError::Failed { source: io::ErrorKind::Unsupported.into() })
    }
}

/// The provider that an event's XML names, whose metadata has the event's message.
#[cfg_attr(not(windows), allow(dead_code, reason = "asked on Windows only"))]
fn provider(xml: &str) -> Option<&str> {
    let (_, rest) = xml.split_once("<Provider ")?;
    let (attributes, _) = rest.split_once('>')?;
    let (_, value) = attributes.split_once("Name=")?;
    let quote = value.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    value[1..].split(quote).next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_found_in_the_xml_as_windows_writes_it() {
        let xml = "<Event xmlns='x'><System><Provider Name='Service Control Manager' Guid='{5}' EventSourceName='S'/><EventID>1";
        assert_eq!(provider(xml), Some("Service Control Manager"));
        assert_eq!(provider("<Provider Guid='{5}' Name=\"A\"/>"), Some("A"));
        for none in ["", "<Provider/>", "<Provider Name=''/>", "<Provider Name=", "<Provider Name=x>"] {
            assert_eq!(provider(none), None, "{none}");
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn elsewhere_there_is_none_and_nobody_tries_often() {
        let error = open().subscribe("System", "*", 0).expect_err("no Windows");
        assert!(error.needs_a_person());
    }
}
