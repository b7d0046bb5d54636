//! One event out of its XML: what its position and its text need.
//!
//! <https://learn.microsoft.com/en-us/windows/win32/wes/eventschema-schema>
use crate::model::Timestamp;
use roxmltree::{Document, Node};

/// One event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    pub record: u64,
    pub at: Timestamp,
    pub level: Option<u8>,
    pub id: u16,
    pub provider: String,
    pub channel: String,
    pub computer: String,
    /// `RenderingInfo/Message`: the message in this host's language. `None` where the provider's metadata are not there.
    pub message: Option<String>,
    /// The values that the message has places for.
    pub values: Vec<String>,
    /// `EventData` or `UserData` as it stands: all that there is to say where no message is.
    pub data: Option<String>,
}

/// Why a text is no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("it is not XML")]
    Xml(#[from] roxmltree::Error),
    #[error("System/{0} is missing in the event, or cannot be read")]
    Missing(&'static str),
}

impl Event {
    /// Read the XML of one event.
    pub fn parse(xml: &str) -> Result<Self, EventError> {
        // Where Windows hands on a byte order mark, it is no part of the document.
        let document = Document::parse(xml.trim_start_matches('\u{feff}'))?;
        let root = document.root_element();
        let system = child(root, "System").ok_or(EventError::Missing("*"))?;
        let text = |name| child(system, name).and_then(|node| node.text()).map(str::trim);
        let number = |name| text(name).and_then(|text| text.parse::<u64>().ok());
        let attribute = |name, key| child(system, name).and_then(|node: Node<'_, '_>| node.attribute(key));
        let data = [child(root, "EventData"), child(root, "UserData")].into_iter().flatten();
        let data = data.max_by_key(|node| node.has_children());
        Ok(Self {
            record: number("EventRecordID").ok_or(EventError::Missing("EventRecordID"))?,
            at: attribute("TimeCreated", "SystemTime").and_then(time).ok_or(EventError::Missing("TimeCreated"))?,
            level: number("Level").and_then(|level| u8::try_from(level).ok()),
            id: number("EventID").and_then(|id| u16::try_from(id).ok()).ok_or(EventError::Missing("EventID"))?,
            provider: attribute("Provider", "Name").unwrap_or_default().to_owned(),
            channel: text("Channel").unwrap_or_default().to_owned(),
            computer: text("Computer").unwrap_or_default().to_owned(),
            message: message(root),
            values: values(root),
            data: data.map(|node| document.input_text()[node.range()].to_owned()),
        })
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn message(root: Node<'_, '_>) -> Option<String> {
    let message = child(child(root, "RenderingInfo")?, "Message")?;
    message.text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `EventData/Data` in their order; where there are none, what the first element of `UserData` holds.
fn values(root: Node<'_, '_>) -> Vec<String> {
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().to_owned();
    let data: Vec<_> = child(root, "EventData")
        .into_iter()
        .flat_map(|data| data.children())
        .filter(|node| node.tag_name().name() == "Data")
        .map(text)
        .collect();
    if !data.is_empty() {
        return data;
    }
    let first = child(root, "UserData").and_then(|data| data.first_element_child());
    first.into_iter().flat_map(|element| element.children()).filter(Node::is_element).map(text).collect()
}

/// `2024-05-13T08:12:13.1234567Z`.
fn time(text: &str) -> Option<Timestamp> {
    let time = chrono::DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(Timestamp::from_millis(time.timestamp_millis()))
}
