//! `os`: load, uptime and file handles of the whole system. Windows has an uptime only.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::Plugin,
    platform::{os, procfs},
};
use std::path::PathBuf;

pub(super) const ENTRY: Entry = Entry { key: "os", build };

struct Os {
    proc: PathBuf,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Os { proc: procfs::proc().to_owned() })
}

impl Collector for Os {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let load = os::load_average(&self.proc);
        let uptime = os::uptime(&self.proc);
        let handles = os::file_handles(&self.proc);
        let mut system = out.of(&[]);
        for (field, load) in ["load1", "load5", "load15"].into_iter().zip(load.into_iter().flatten()) {
            system.push(field, load);
        }
        if let Some(seconds) = uptime {
            system.push("uptime", seconds);
        }
        if let Some(handles) = handles {
            let (allocated, maximum) = (handles.allocated as f64, handles.maximum as f64);
            system.push("file_handles_allocated", allocated);
            system.push("file_handles_maximum", maximum);
            if handles.maximum > 0 {
                system.push("file_handles_used_percent", allocated / maximum * 100.0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};

    #[test]
    fn this_system_tells_what_its_table_says() {
        let told = offered(&mut Os { proc: procfs::proc().to_owned() }, "os");
        assert_eq!(told.len(), if cfg!(windows) { 1 } else { 7 }, "{told:?}");
    }
}
