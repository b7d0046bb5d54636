//! `processes`: how many processes are doing what. Zeros are published, too. `wait` is known by name and never measured, as in the
//! agent.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::Plugin,
    platform::process_states::{self, States},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "processes", build };

struct Processes {
    read: fn() -> io::Result<States>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Processes { read: process_states::states })
}

impl Collector for Processes {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let states = (self.read)().map_err(CollectError::read("the states of the processes"))?;
        let mut out = out.of(&[]);
        let counts = [
            ("running", states.running),
            ("sleeping", states.sleeping),
            ("stopped", states.stopped),
            ("idle", states.idle),
            ("blocked", states.blocked),
            ("total", states.total),
            ("zombies", states.zombies),
            ("dead", states.dead),
            ("paging", states.paging),
            ("total_threads", states.threads),
        ];
        for (name, count) in counts {
            out.push(name, count as f64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    #[test]
    fn every_state_has_its_name_and_zeros_are_published() {
        let read = || {
            Ok(States {
                running: 1,
                sleeping: 2,
                stopped: 3,
                idle: 4,
                blocked: 5,
                total: 20,
                threads: 30,
                ..States::default()
            })
        };
        let points = Run::of("processes").read(&mut Processes { read });
        let expected = [
            ("running", 1.0),
            ("sleeping", 2.0),
            ("stopped", 3.0),
            ("idle", 4.0),
            ("blocked", 5.0),
            ("zombies", 0.0),
            ("dead", 0.0),
            ("paging", 0.0),
            ("total", 20.0),
            ("total_threads", 30.0),
        ];
        for (name, value) in expected {
            assert_eq!(found(&points, &format!("processes_{name}"), &[]), Some(value), "{name}");
        }
        assert_eq!(points.len(), expected.len(), "and never `wait`");
    }
}
