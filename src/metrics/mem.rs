//! `mem`: the memory of the host. What `used` and `available` mean on each system is written in `platform::ram`.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::Plugin,
    platform::ram::{self, Ram},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "mem", build };

struct Mem {
    read: fn() -> io::Result<Ram>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Mem { read: ram::ram })
}

impl Collector for Mem {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let ram = (self.read)().map_err(CollectError::read("the memory"))?;
        let mut out = out.of(&[]);
        let whole = [
            ("total", ram.total),
            ("free", ram.free),
            ("used", ram.used),
            ("available", ram.available),
            ("active", ram.active),
            ("inactive", ram.inactive),
        ];
        let known = [("buffered", ram.buffered), ("cached", ram.cached), ("shared", ram.shared)];
        let known = known.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        for (name, bytes) in whole.into_iter().chain(known) {
            out.push(name, bytes as f64);
        }
        for (name, bytes) in [("used_percent", ram.used), ("available_percent", ram.available)] {
            out.push(name, bytes as f64 / ram.total as f64 * 100.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    const RAM: Ram = Ram {
        total: 1_000,
        free: 100,
        available: 600,
        used: 250,
        active: 11,
        inactive: 12,
        buffered: Some(13),
        cached: Some(14),
        shared: Some(15),
    };

    #[test]
    fn every_amount_has_its_name_and_shares_are_of_the_total() {
        let points = Run::of("mem").read(&mut Mem { read: || Ok(RAM) });
        let expected = [
            ("total", 1_000.0),
            ("free", 100.0),
            ("used", 250.0),
            ("available", 600.0),
            ("active", 11.0),
            ("inactive", 12.0),
            ("buffered", 13.0),
            ("cached", 14.0),
            ("shared", 15.0),
            ("used_percent", 25.0),
            ("available_percent", 60.0),
        ];
        for (name, value) in expected {
            assert_eq!(found(&points, &format!("mem_{name}"), &[]), Some(value), "{name}");
        }
        assert_eq!(points.len(), expected.len());
    }

    #[test]
    fn what_a_system_does_not_know_is_not_published() {
        let read = || Ok(Ram { buffered: None, cached: None, shared: None, ..RAM });
        let points = Run::of("mem").read(&mut Mem { read });
        assert_eq!(points.len(), 8);
    }
}
