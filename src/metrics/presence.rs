//! Says once that what a plugin measures is not there, and once that it has come: most devices are optional, and a configuration
//! is often that of a whole fleet.
use std::collections::BTreeMap;

/// Whether the devices of one plugin were there when it was last read.
#[derive(Debug)]
pub struct Presence {
    collector: &'static str,
    there: Option<bool>,
}

impl Presence {
    /// Of this plugin; nothing was read yet.
    pub const fn of(collector: &'static str) -> Self {
        Self { collector, there: None }
    }

    /// What this reading found: anything at all, or why not. Says it where that is news; devices that were there from the
    /// beginning are none.
    pub fn saw(&mut self, there: bool, why: impl FnOnce() -> String) {
        if self.there == Some(there) {
            return;
        }
        match (self.there, there) {
            (_, false) => {
                tracing::info!(collector = self.collector, why = why(), "nothing to measure here at the moment")
            }
            (Some(_), true) => tracing::info!(collector = self.collector, "there is something to measure now"),
            (None, true) => {}
        }
        self.there = Some(there);
    }
}

/// The same of what a configuration chooses by name, like one of several disks: each name by itself.
#[derive(Debug)]
pub struct Chosen {
    collector: &'static str,
    there: BTreeMap<String, bool>,
}

impl Chosen {
    /// Of this plugin; nothing was read yet.
    pub const fn of(collector: &'static str) -> Self {
        Self { collector, there: BTreeMap::new() }
    }

    /// For each name whether this reading found anything by it. Names stand in the text, so that each is a line of its own.
    pub fn saw<'a>(&mut self, found: impl IntoIterator<Item = (&'a str, bool)>) {
        let collector = self.collector;
        for (name, there) in found {
            match (self.there.insert(name.to_owned(), there), there) {
                (None | Some(true), false) => {
                    tracing::info!(collector, "nothing to measure by the name `{name}` here at the moment");
                }
                (Some(false), true) => tracing::info!(collector, "`{name}` is there now"),
                (None | Some(true), true) | (Some(false), false) => {}
            }
        }
    }

    /// What was not found last.
    #[cfg(test)]
    pub fn missing(&self) -> Vec<&str> {
        self.there.iter().filter(|(_, there)| !**there).map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_missing_until_it_comes() {
        let mut chosen = Chosen::of("disk");
        chosen.saw([("/", true), ("/srv", false)]);
        assert_eq!(chosen.missing(), ["/srv"]);
        chosen.saw([("/", false), ("/srv", true)]);
        assert_eq!(chosen.missing(), ["/"]);
    }
}
