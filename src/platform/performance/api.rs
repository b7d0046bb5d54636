//! The calls of `pdh.dll`: a query with its counters.
//!
//! <https://learn.microsoft.com/windows/win32/perfctrs/using-the-pdh-functions-to-consume-counter-data>
#![allow(unsafe_code)]
use super::{CounterError, Counters};
use std::io;
use windows::{
    Win32::{
        Foundation::ERROR_SUCCESS,
        System::Performance::{
            PDH_CALC_NEGATIVE_DENOMINATOR, PDH_CALC_NEGATIVE_TIMEBASE, PDH_CALC_NEGATIVE_VALUE,
            PDH_CSTATUS_BAD_COUNTERNAME, PDH_CSTATUS_INVALID_DATA, PDH_CSTATUS_NEW_DATA, PDH_CSTATUS_NO_COUNTER,
            PDH_CSTATUS_NO_COUNTERNAME, PDH_CSTATUS_NO_INSTANCE, PDH_CSTATUS_NO_OBJECT, PDH_CSTATUS_VALID_DATA,
            PDH_FMT, PDH_FMT_COUNTERVALUE, PDH_FMT_COUNTERVALUE_ITEM_W, PDH_FMT_DOUBLE, PDH_HCOUNTER, PDH_HQUERY,
            PDH_INVALID_DATA, PDH_MORE_DATA, PDH_NO_DATA, PdhAddEnglishCounterW, PdhCloseQuery, PdhCollectQueryData,
            PdhGetFormattedCounterArrayW, PdhGetFormattedCounterValue, PdhOpenQueryW,
        },
    },
    core::{HSTRING, PCWSTR},
};

/// Shares of several processors add up to more than a hundred (`PDH_FMT_NOCAP100` of `pdh.h`).
const UNCAPPED: u32 = 0x8000;
const FORMAT: PDH_FMT = PDH_FMT(PDH_FMT_DOUBLE.0 | UNCAPPED);
/// An array that grew while it was asked for is asked for again, but not for ever.
const TRIES: usize = 4;

struct Watched {
    handle: PDH_HCOUNTER,
    path: String,
    /// Whether the path names all instances, so that there is a list of values.
    list: bool,
}

/// A query; its counters end with it.
pub struct Query {
    handle: PDH_HQUERY,
    counters: Vec<Watched>,
    /// What the system fills in; kept, since it is asked for much of the same size again and again.
    items: Vec<PDH_FMT_COUNTERVALUE_ITEM_W>,
}

// SAFETY: a query may be used by any thread, one at a time, which `&mut self` sees to. The pointers in `items` are followed only
// within the call that filled them in.
unsafe impl Send for Query {}

impl Drop for Query {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, is open, and nobody uses it after this.
        unsafe { PdhCloseQuery(self.handle) };
    }
}

impl Query {
    pub fn open() -> Result<Self, CounterError> {
        let mut handle = PDH_HQUERY::default();
        // SAFETY: no source means the running system; the place outlives the call.
        let status = unsafe { PdhOpenQueryW(PCWSTR::null(), 0, &raw mut handle) };
        if status != ERROR_SUCCESS.0 {
            return Err(said(status, ""));
        }
        Ok(Self { handle, counters: Vec::new(), items: Vec::new() })
    }
}

impl Counters for Query {
    fn add(&mut self, path: &str) -> Result<usize, CounterError> {
        let text = HSTRING::from(path);
        let mut handle = PDH_HCOUNTER::default();
        // SAFETY: the query is open, and the text and the place outlive the call.
        let status = unsafe { PdhAddEnglishCounterW(self.handle, &text, 0, &raw mut handle) };
        if status != ERROR_SUCCESS.0 {
            return Err(said(status, path));
        }
        self.counters.push(Watched { handle, path: path.to_owned(), list: path.contains("(*)") });
        Ok(self.counters.len() - 1)
    }

    fn sample(&mut self) -> Result<(), CounterError> {
        // SAFETY: the query is open.
        match unsafe { PdhCollectQueryData(self.handle) } {
            // Nothing is watched, or no instance is there now.
            status if status == ERROR_SUCCESS.0 || status == PDH_NO_DATA => Ok(()),
            status => Err(said(status, "")),
        }
    }

    fn values(&mut self, counter: usize, each: &mut dyn FnMut(&str, f64)) -> Result<(), CounterError> {
        let Some(watched) = self.counters.get(counter) else { return Ok(()) };
        let status = if watched.list {
            list(watched.handle, &mut self.items, each)
        } else {
            one(watched.handle).map(|value| {
                if let Some(value) = number(&value) {
                    each("", value);
                }
            })
        };
        match status {
            Ok(()) => Ok(()),
            Err(status) if is_passing(status) => Ok(()),
            // None is there now.
            Err(PDH_CSTATUS_NO_INSTANCE) if watched.list => Ok(()),
            Err(status) => Err(said(status, &watched.path)),
        }
    }
}

fn one(counter: PDH_HCOUNTER) -> Result<PDH_FMT_COUNTERVALUE, u32> {
    let mut value = PDH_FMT_COUNTERVALUE::default();
    // SAFETY: the counter's query is open, and the place outlives the call.
    match unsafe { PdhGetFormattedCounterValue(counter, FORMAT, None, &raw mut value) } {
        status if status == ERROR_SUCCESS.0 => Ok(value),
        status => Err(status),
    }
}

/// The items are followed by the names that they point to, all in the same buffer.
fn list(
    counter: PDH_HCOUNTER,
    items: &mut Vec<PDH_FMT_COUNTERVALUE_ITEM_W>,
    each: &mut dyn FnMut(&str, f64),
) -> Result<(), u32> {
    const ITEM: usize = size_of::<PDH_FMT_COUNTERVALUE_ITEM_W>();
    for _ in 0..TRIES {
        let (mut bytes, mut count) = (u32::try_from(items.len() * ITEM).unwrap_or(0), 0);
        let place = (bytes > 0).then_some(items.as_mut_ptr());
        // SAFETY: the counter's query is open; the buffer has as many bytes as we say, or is none with a size of zero.
        let status = unsafe { PdhGetFormattedCounterArrayW(counter, FORMAT, &raw mut bytes, &raw mut count, place) };
        if status == PDH_MORE_DATA {
            // What it says of its need is not to be relied on where the buffer was only too small.
            let needed = (bytes as usize).div_ceil(ITEM).max(items.len() * 2);
            items.resize(needed, PDH_FMT_COUNTERVALUE_ITEM_W::default());
            continue;
        }
        if status != ERROR_SUCCESS.0 {
            return Err(status);
        }
        for item in items.iter().take(count as usize) {
            let Some(value) = number(&item.FmtValue) else { continue };
            // SAFETY: a filled item points to a name in the buffer, which ends with a zero and is there until the next call.
            let name = unsafe { item.szName.to_string() }.unwrap_or_default();
            each(&name, value);
        }
        return Ok(());
    }
    Err(PDH_MORE_DATA)
}

fn number(value: &PDH_FMT_COUNTERVALUE) -> Option<f64> {
    let valid = matches!(value.CStatus, PDH_CSTATUS_VALID_DATA | PDH_CSTATUS_NEW_DATA);
    // SAFETY: the format asked for a floating point number, and any bits are one.
    let number = unsafe { value.Anonymous.doubleValue };
    (valid && number.is_finite()).then_some(number)
}

/// There will be a value again: a rate with one sample, or a counter that began anew.
fn is_passing(status: u32) -> bool {
    matches!(
        status,
        PDH_CSTATUS_INVALID_DATA
            | PDH_INVALID_DATA
            | PDH_NO_DATA
            | PDH_CALC_NEGATIVE_DENOMINATOR
            | PDH_CALC_NEGATIVE_TIMEBASE
            | PDH_CALC_NEGATIVE_VALUE
    )
}

fn said(status: u32, path: &str) -> CounterError {
    let path = path.to_owned();
    match status {
        PDH_CSTATUS_NO_OBJECT | PDH_CSTATUS_NO_COUNTER | PDH_CSTATUS_NO_COUNTERNAME | PDH_CSTATUS_BAD_COUNTERNAME => {
            CounterError::NoCounter { path }
        }
        PDH_CSTATUS_NO_INSTANCE if !path.contains("(*)") => CounterError::NeedsInstance { path },
        code => {
            let why = format!("{path}: status {code:#010x} of the performance data helper");
            CounterError::Failed { source: io::Error::other(why.trim_start_matches(": ").to_owned()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        // Where the library itself is missing parts, opening says so.
        let Ok(mut query) = Query::open() else { return };
        let path = r"\No Such Object\No Such Counter";
        let error = query.add(path).expect_err("not there").to_string();
        assert!(error.contains(path), "{error}");
    }
}
