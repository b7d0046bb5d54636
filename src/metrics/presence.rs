//! Says once that what a plugin measures is not there, and once that it has come: most devices are optional, and a configuration
//! is often that of a whole fleet.

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
