//! Cursors of the journal: what they name, and where two readings join.
//!
//! A cursor is text that journalctl made: `s=` id of the sequence, `i=` number in it, `b=` boot, `m=` monotonic and
//! `t=` realtime microseconds, `x=` a hash of the entry; numbers are hexadecimal. `sd_journal_seek_cursor(3)` also
//! takes one with some parts only, and seeks by the best that is there: sequence, else boot and monotonic time, else
//! realtime.

/// The parts of a cursor. Anything unknown in it is passed over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Cursor {
    sequence: Option<(String, u64)>,
    boot: Option<(String, u64)>,
    realtime: Option<u64>,
    hash: Option<u64>,
}

impl Cursor {
    /// Take a cursor apart; never fails, since a useless one has no parts.
    pub(super) fn parse(text: &str) -> Self {
        let part = |key: &str| text.split(';').find_map(|part| part.strip_prefix(key));
        let number = |key: &str| part(key).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let id = |key: &str| part(key).filter(|id| !id.is_empty()).map(str::to_owned);
        Self {
            sequence: id("s=").zip(number("i=")),
            boot: id("b=").zip(number("m=")),
            realtime: number("t="),
            hash: number("x="),
        }
    }

    /// Whether journalctl can seek to it.
    pub(super) fn usable(&self) -> bool {
        self.sequence.is_some() || self.boot.is_some() || self.realtime.is_some()
    }

    /// A cursor that names no entry and lies just before this one: the position of a journal of which nothing is
    /// delivered yet.
    pub(super) fn just_before(&self) -> String {
        let mut parts = Vec::new();
        if let Some((boot, at)) = &self.boot {
            parts.push(format!("b={boot};m={:x}", at.saturating_sub(1)));
        }
        if let Some(at) = self.realtime {
            parts.push(format!("t={:x}", at.saturating_sub(1)));
        }
        parts.join(";")
    }

    /// A cursor that names no entry and lies at this time, in microseconds since 1970.
    pub(super) fn at_time(micros: u64) -> String {
        format!("t={micros:x}")
    }

    fn is_of_boot(&self, boot: &str) -> bool {
        self.boot.as_ref().is_some_and(|(id, _)| id == boot)
    }

    /// The same entry, also where it has been copied into another file with a sequence of its own
    /// (the journal of early boot is, from `/run` to `/var`).
    fn same_entry(&self, other: &Self) -> bool {
        match (&self.sequence, &other.sequence) {
            (Some(own), Some(others)) if own.0 == others.0 => own.1 == others.1,
            _ => {
                let copied = self.boot == other.boot && self.realtime == other.realtime && self.hash == other.hash;
                copied && self.boot.is_some() && self.hash.is_some()
            }
        }
    }
}

/// Where a reading that continues an earlier one joins it. Sees the entries in order and says which are new.
///
/// Readings begin *at* the saved cursor, not after it: the entry itself shows that nothing is missing in between.
/// `--after-cursor` leaves out one entry too many where the cursor's own is gone
/// (<https://github.com/systemd/systemd/issues/30288>, <https://github.com/systemd/systemd/issues/38912>).
#[derive(Debug)]
pub(super) struct Seam {
    after: Cursor,
    /// The boot that is running, in which every entry is newer than what an earlier boot delivered.
    running: Option<String>,
    seen: Seen,
}

/// What the first entry showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    Nothing,
    /// It is the saved one, or follows from a cursor that names none.
    Whole,
    /// The saved one is gone; what is left of its sequence follows.
    Vacuumed,
    /// Not even its sequence is there: the journal began anew.
    Replaced,
}

impl Seam {
    /// To continue after the entry at `after`.
    pub(super) fn new(after: &str, running: Option<String>) -> Self {
        Self { after: Cursor::parse(after), running, seen: Seen::Nothing }
    }

    /// Whether the entry at this cursor is new.
    pub(super) fn is_new(&mut self, cursor: &str) -> bool {
        let cursor = Cursor::parse(cursor);
        if self.seen == Seen::Nothing {
            if self.after.same_entry(&cursor) {
                self.seen = Seen::Whole;
                return false;
            }
            self.seen = match (&self.after.sequence, &cursor.sequence) {
                (None, _) => Seen::Whole,
                (Some(saved), Some(found)) if saved.0 == found.0 => Seen::Vacuumed,
                (Some(_), _) => Seen::Replaced,
            };
        }
        // The running boot is read by itself then, from its beginning: see `boot_must_be_read`.
        !(self.boot_must_be_read() && self.running.as_ref().is_some_and(|boot| cursor.is_of_boot(boot)))
    }

    /// Whether the saved entry is gone, and maybe others between it and the first one seen.
    pub(super) fn has_gap(&self) -> bool {
        match self.seen {
            Seen::Nothing => self.after.sequence.is_some(),
            Seen::Whole => false,
            Seen::Vacuumed | Seen::Replaced => true,
        }
    }

    /// Whether the running boot must be read from its beginning. In a journal that began anew journalctl could only
    /// seek by the clock, and a machine without a battery for its clock may run behind what it saved before the reboot.
    pub(super) fn boot_must_be_read(&self) -> bool {
        let replaced = match self.seen {
            Seen::Nothing => self.after.sequence.is_some(),
            Seen::Replaced => true,
            Seen::Whole | Seen::Vacuumed => false,
        };
        replaced && self.running.as_ref().is_some_and(|boot| !self.after.is_of_boot(boot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As journalctl 252 prints it.
    const CURSOR: &str = "s=91d8fb7f84334e21b4133e9b4bc26c9d;i=65;b=0a3f35eec6f548d6b4b2b11a5e4a2b0c;m=6052340;t=649b6facf0bc7;x=528afc256ae31a09";
    const BOOT: &str = "0a3f35eec6f548d6b4b2b11a5e4a2b0c";

    fn with(part: &str) -> String {
        let key = &part[..2];
        let parts: Vec<_> = CURSOR.split(';').map(|p| if p.starts_with(key) { part } else { p }).collect();
        parts.join(";")
    }

    #[test]
    fn the_saved_entry_itself_is_not_new_and_what_follows_is() {
        let mut seam = Seam::new(CURSOR, None);
        assert!(!seam.is_new(CURSOR));
        assert!(seam.is_new(&with("i=66")));
        assert!(!seam.has_gap());
    }

    #[test]
    fn an_entry_that_was_copied_into_another_file_is_known_again() {
        let mut seam = Seam::new(CURSOR, None);
        assert!(!seam.is_new(&with("s=ffffffffffffffffffffffffffffffff")));
        assert!(!seam.has_gap());
    }

    #[test]
    fn a_vacuumed_entry_is_a_gap_and_no_entry_after_it_is_skipped() {
        let mut seam = Seam::new(CURSOR, Some("f".repeat(32)));
        assert!(seam.is_new(&with("i=66")));
        assert!(seam.has_gap() && !seam.boot_must_be_read());
    }

    #[test]
    fn a_journal_that_began_anew_leaves_the_running_boot_to_a_reading_of_its_own() {
        let running = "c".repeat(32);
        let mut seam = Seam::new(CURSOR, Some(running.clone()));
        assert!(seam.is_new(&format!("s={};i=1;b={};m=1;t=649b6facf0bc8;x=1", "d".repeat(32), "e".repeat(32))));
        assert!(!seam.is_new(&format!("s={};i=2;b={running};m=1;t=649b6facf0bc9;x=2", "d".repeat(32))));
        assert!(seam.has_gap() && seam.boot_must_be_read());
    }

    #[test]
    fn an_empty_journal_where_something_was_saved_is_a_gap() {
        let seam = Seam::new(CURSOR, Some("c".repeat(32)));
        assert!(seam.has_gap() && seam.boot_must_be_read());
        let same_boot = Seam::new(CURSOR, Some(BOOT.to_owned()));
        assert!(same_boot.has_gap() && !same_boot.boot_must_be_read());
    }

    #[test]
    fn a_cursor_that_names_no_entry_lies_before_its_entry_and_makes_no_gap() {
        let before = Cursor::parse(CURSOR).just_before();
        assert_eq!(before, format!("b={BOOT};m=605233f;t=649b6facf0bc6"));
        let mut seam = Seam::new(&before, None);
        assert!(!seam.has_gap());
        assert!(seam.is_new(CURSOR));
        assert!(!seam.has_gap());
        assert_eq!(Cursor::at_time(0x0006_49b6_facf_0bc6), "t=649b6facf0bc6");
    }

    #[test]
    fn rubbish_is_no_cursor() {
        for rubbish in ["", "rubbish", "s=;i=1", "s=a;i=xyz", ";;;", "t=", "\u{1f600}=1"] {
            assert!(!Cursor::parse(rubbish).usable(), "{rubbish}");
        }
        assert!(Cursor::parse(CURSOR).usable());
    }
}
