//! The calls of `wevtapi.dll`: a pull subscription that is asked now and then, and the rendering of its events.
//!
//! <https://learn.microsoft.com/en-us/windows/win32/wes/subscribing-to-events#pull-subscriptions>
#![allow(unsafe_code)]
use super::{EventLog, EventLogError, Which, provider};
use std::{collections::HashMap, io};
use windows::{
    Win32::{
        Foundation::{
            CloseHandle, ERROR_ACCESS_DENIED, ERROR_EVT_CHANNEL_NOT_FOUND, ERROR_EVT_INVALID_QUERY,
            ERROR_EVT_MAX_INSERTS_REACHED, ERROR_EVT_UNRESOLVED_PARAMETER_INSERT, ERROR_EVT_UNRESOLVED_VALUE_INSERT,
            ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_OPERATION, ERROR_NO_MORE_ITEMS, ERROR_TIMEOUT, HANDLE,
            WIN32_ERROR,
        },
        System::{
            EventLog::{
                EVT_HANDLE, EvtClose, EvtCreateBookmark, EvtFormatMessage, EvtFormatMessageXml, EvtNext,
                EvtOpenPublisherMetadata, EvtQuery, EvtQueryChannelPath, EvtQueryForwardDirection,
                EvtQueryReverseDirection, EvtRender, EvtRenderEventXml, EvtSubscribe, EvtSubscribeStartAfterBookmark,
                EvtSubscribeStartAtOldestRecord,
            },
            Threading::CreateEventW,
        },
    },
    core::{Error, HRESULT, HSTRING, PCWSTR},
};

/// UTF-16 units of a first buffer; one that is too small is made larger once.
const BUFFER: usize = 16 * 1024;
/// `RPC_S_INVALID_BOUND`: the answer to `EvtNext` is too large.
const INVALID_BOUND: WIN32_ERROR = WIN32_ERROR(1734);
/// Providers whose metadata stay open.
const PROVIDERS: usize = 256;

/// Closed when it is dropped.
struct Handle(EVT_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, is open, and nobody uses it after this.
        let _ = unsafe { EvtClose(self.0) };
    }
}

/// The event that a pull subscription signals. Nobody waits for it, but the call asks for one.
struct Signal(HANDLE);

// SAFETY: an event object may be used, and closed, by any thread.
unsafe impl Send for Signal {}

impl Drop for Signal {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, is open, and nobody uses it after this.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

/// The event log of this host.
#[derive(Default)]
pub struct Api {
    /// In this order: the subscription must be closed before what it signals.
    subscription: Option<(Handle, Signal)>,
    channel: String,
    /// `None`: it has no metadata here.
    providers: HashMap<String, Option<Handle>>,
}

impl EventLog for Api {
    fn subscribe(&mut self, channel: &str, query: &str, after: u64) -> Result<(), EventLogError> {
        self.subscription = None;
        // A program that was installed since may have brought its metadata.
        self.providers.clear();
        let fails = |error: Error| said(&error, channel, query);
        // SAFETY: no attributes, no name; the handle is owned by `Signal` from here on.
        let signal = Signal(unsafe { CreateEventW(None, true, true, PCWSTR::null()) }.map_err(fails)?);
        let bookmark = (after > 0).then(|| bookmark(channel, after)).transpose().map_err(fails)?;
        let flags = if after > 0 { EvtSubscribeStartAfterBookmark } else { EvtSubscribeStartAtOldestRecord };
        let (path, text) = (HSTRING::from(channel), HSTRING::from(query));
        // SAFETY: the strings, the bookmark and the event outlive the call, and the event the subscription; no callback is given.
        let handle = unsafe {
            EvtSubscribe(
                None,
                Some(signal.0),
                &path,
                &text,
                bookmark.as_ref().map(|bookmark| bookmark.0),
                None,
                None,
                flags.0,
            )
        };
        channel.clone_into(&mut self.channel);
        self.subscription = Some((Handle(handle.map_err(fails)?), signal));
        Ok(())
    }

    fn next(&mut self, most: usize) -> Result<Vec<String>, EventLogError> {
        let Some((subscription, _)) = &self.subscription else {
            return Err(EventLogError::Failed { source: io::ErrorKind::NotConnected.into() });
        };
        let events = next_of(subscription, most).map_err(|error| said(&error, &self.channel, ""))?;
        // One that cannot be rendered is handed on as an empty text: the reader counts it, and it holds up no other.
        Ok(events.iter().map(|event| self.xml(event).unwrap_or_default()).collect())
    }

    fn find(&mut self, channel: &str, which: Which) -> Result<Option<String>, EventLogError> {
        let (query, direction) = match which {
            Which::Oldest => ("*".to_owned(), EvtQueryForwardDirection),
            Which::Newest => ("*".to_owned(), EvtQueryReverseDirection),
            Which::Record(record) => (format!("*[System[EventRecordID={record}]]"), EvtQueryForwardDirection),
        };
        let fails = |error: Error| said(&error, channel, &query);
        let (path, text) = (HSTRING::from(channel), HSTRING::from(query.as_str()));
        // SAFETY: the strings outlive the call.
        let results = unsafe { EvtQuery(None, &path, &text, EvtQueryChannelPath.0 | direction.0) };
        let results = Handle(results.map_err(fails)?);
        let found = next_of(&results, 1).map_err(fails)?;
        found.first().map(raw_xml).transpose().map_err(fails)
    }
}

impl Api {
    /// With its message, where its provider's metadata are there; else as it was logged.
    fn xml(&mut self, event: &Handle) -> Result<String, Error> {
        let raw = raw_xml(event)?;
        let Some(name) = provider(&raw) else { return Ok(raw) };
        if !self.providers.contains_key(name) {
            if self.providers.len() >= PROVIDERS {
                self.providers.clear();
            }
            let text = HSTRING::from(name);
            // SAFETY: the string outlives the call.
            let opened = unsafe { EvtOpenPublisherMetadata(None, &text, PCWSTR::null(), 0, 0) };
            self.providers.insert(name.to_owned(), opened.ok().map(Handle));
        }
        let Some(Some(metadata)) = self.providers.get(name) else { return Ok(raw) };
        let mut used = 0;
        let formatted = filled(&mut used, |buffer, used| {
            // SAFETY: both handles are open, and the buffer is as long as its slice says.
            unsafe {
                EvtFormatMessage(Some(metadata.0), Some(event.0), 0, None, EvtFormatMessageXml.0, Some(buffer), used)
            }
        });
        Ok(formatted.unwrap_or(raw))
    }
}

/// The next results; none where there are none now.
fn next_of(results: &Handle, most: usize) -> Result<Vec<Handle>, Error> {
    let (mut handles, mut returned) = (vec![0_isize; most], 0);
    // SAFETY: the handle is open; the slice is written to its length at most, and `returned` says how far.
    match unsafe { EvtNext(results.0, &mut handles, 0, 0, &mut returned) } {
        Ok(()) => Ok(handles.into_iter().take(returned as usize).map(|handle| Handle(EVT_HANDLE(handle))).collect()),
        Err(error) if is(&error, ERROR_NO_MORE_ITEMS) || is(&error, ERROR_TIMEOUT) => Ok(Vec::new()),
        // Some versions call it invalid to ask a subscription that has nothing.
        Err(error) if is(&error, ERROR_INVALID_OPERATION) && returned == 0 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The event as it was logged.
fn raw_xml(event: &Handle) -> Result<String, Error> {
    let mut used = 0;
    filled(&mut used, |buffer, used| {
        let (mut bytes, mut properties) = (0, 0);
        let size = u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX);
        // SAFETY: the handle is open, and the buffer is as large as `size` says.
        let result = unsafe {
            EvtRender(
                None,
                event.0,
                EvtRenderEventXml.0,
                size,
                Some(buffer.as_mut_ptr().cast()),
                &mut bytes,
                &mut properties,
            )
        };
        *used = bytes.div_ceil(2);
        result
    })
}

/// What a call wrote into a buffer that is large enough. `used` counts UTF-16 units.
fn filled(used: &mut u32, mut call: impl FnMut(&mut [u16], &mut u32) -> Result<(), Error>) -> Result<String, Error> {
    let mut buffer = vec![0_u16; BUFFER];
    let mut result = call(&mut buffer, used);
    if result.as_ref().is_err_and(|error| is(error, ERROR_INSUFFICIENT_BUFFER)) {
        buffer.resize(*used as usize + 1, 0);
        result = call(&mut buffer, used);
    }
    match result {
        // The text is there, with `%1` where a value was missing.
        Err(error)
            if is(&error, ERROR_EVT_UNRESOLVED_VALUE_INSERT)
                || is(&error, ERROR_EVT_UNRESOLVED_PARAMETER_INSERT)
                || is(&error, ERROR_EVT_MAX_INSERTS_REACHED) => {}
        other => other?,
    }
    // Some versions count bytes, some characters: the text itself ends with a zero.
    let end = buffer.iter().position(|unit| *unit == 0).unwrap_or(buffer.len());
    Ok(String::from_utf16_lossy(&buffer[..end]))
}

/// A bookmark at a record.
fn bookmark(channel: &str, record: u64) -> Result<Handle, Error> {
    let channel = channel.replace('&', "&amp;").replace('\'', "&apos;").replace('<', "&lt;");
    let xml =
        format!("<BookmarkList><Bookmark Channel='{channel}' RecordId='{record}' IsCurrent='true'/></BookmarkList>");
    let text = HSTRING::from(xml);
    // SAFETY: the string outlives the call.
    unsafe { EvtCreateBookmark(&text) }.map(Handle)
}

fn is(error: &Error, code: WIN32_ERROR) -> bool {
    error.code() == HRESULT::from_win32(code.0)
}

fn said(error: &Error, channel: &str, query: &str) -> EventLogError {
    let channel = channel.to_owned();
    if is(error, ERROR_EVT_CHANNEL_NOT_FOUND) {
        EventLogError::NoChannel { channel }
    } else if is(error, ERROR_ACCESS_DENIED) {
        EventLogError::Forbidden { channel }
    } else if is(error, ERROR_EVT_INVALID_QUERY) {
        EventLogError::Query { channel, query: query.to_owned() }
    } else if is(error, INVALID_BOUND) {
        EventLogError::TooLarge
    } else {
        let (code, message) = (error.code().0, error.message());
        EventLogError::Failed { source: io::Error::other(format!("{message} ({code:#010x})")) }
    }
}
