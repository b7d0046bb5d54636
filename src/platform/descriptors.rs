//! How many files this process may have open.
//!
//! Unix: the soft limit is often 1,024 or, on macOS, 256, for programs that use `select`; we do not, so we take what the hard limit grants.
//! Windows: there is no such limit.
use std::io;

/// Never more than this: the most that Linux grants unless told otherwise (`fs.nr_open`). Where the hard limit is without an end,
/// programs that we start and that close every possible descriptor would take minutes.
const MOST: u64 = 1 << 20;

/// What macOS takes where its hard limit says "no limit": `OPEN_MAX`, see `setrlimit(2)`.
const MAC: u64 = 10_240;

/// A limit that was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Raised {
    pub from: u64,
    pub to: u64,
}

/// Raise the soft limit to the hard one. `None`: it was there already.
///
/// # Errors
/// When the system refuses; the limit is then as before.
pub fn raise_limit() -> io::Result<Option<Raised>> {
    imp::raise_limit()
}

#[cfg(unix)]
mod imp {
    use super::{MAC, MOST, Raised, io};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    pub fn raise_limit() -> io::Result<Option<Raised>> {
        let limit = getrlimit(Resource::Nofile);
        let Some(from) = limit.current else { return Ok(None) };
        let to = limit.maximum.unwrap_or(MOST).min(MOST);
        if from >= to {
            return Ok(None);
        }
        let set = |to| setrlimit(Resource::Nofile, Rlimit { current: Some(to), maximum: limit.maximum }).map(|()| to);
        let to = set(to).or_else(|error| if from < MAC && MAC < to { set(MAC) } else { Err(error) })?;
        Ok(Some(Raised { from, to }))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn after_raising_there_is_nothing_to_raise() {
            raise_limit().expect("the hard limit may always be taken");
            assert_eq!(raise_limit().expect("as before"), None);
            let limit = getrlimit(Resource::Nofile);
            assert!(limit.current.is_none_or(|now| now >= limit.maximum.unwrap_or(MOST).min(MOST).min(MAC)));
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Raised, io};

    #[allow(clippy::unnecessary_wraps)] // the signature is the same on every system
    pub fn raise_limit() -> io::Result<Option<Raised>> {
        let _ = (super::MOST, super::MAC);
        Ok(None)
    }
}
