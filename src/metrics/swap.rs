//! `swap`: the swap space of the host. Where there is none, everything is 0, the share too.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::Plugin,
    platform::ram::{self, Swap},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "swap", build };

struct Space {
    read: fn() -> io::Result<Swap>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Space { read: ram::swap })
}

impl Collector for Space {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let swap = (self.read)().map_err(CollectError::read("the swap space"))?;
        let mut out = out.of(&[]);
        out.push("free", swap.free as f64);
        out.push("used", swap.used as f64);
        out.push("used_percent", if swap.total == 0 { 0.0 } else { swap.used as f64 / swap.total as f64 * 100.0 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    fn published(read: fn() -> io::Result<Swap>) -> [Option<f64>; 3] {
        let points = Run::of("swap").read(&mut Space { read });
        ["swap_free", "swap_used", "swap_used_percent"].map(|name| found(&points, name, &[]))
    }

    #[test]
    fn the_share_is_of_the_total_and_zero_without_any() {
        assert_eq!(published(|| Ok(Swap { total: 80, free: 60, used: 20 })), [Some(60.0), Some(20.0), Some(25.0)]);
        assert_eq!(published(|| Ok(Swap::default())), [Some(0.0); 3]);
    }
}
