//! `cpu`: what share of its time each processor, and all together, spent with what; and the seconds themselves.
//!
//! Shares are of the time between two readings, so the first reading has none. Times are seconds since the system was started. `user` and
//! `nice` do not hold what guests used: that stands by itself, as the agent has it.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::cpus::{self, Cpus, Times},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "cpu", build };

struct Cpu {
    each: bool,
    total: bool,
    read: Box<dyn FnMut() -> io::Result<Cpus> + Send>,
    before: Option<Cpus>,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let (each, total) = match plugin.options {
        Options::Cpu { each, total } => (each, total),
        _ => (false, true),
    };
    Box::new(Cpu { each, total, read: Box::new(cpus::read), before: None })
}

impl Collector for Cpu {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let now = (self.read)().map_err(CollectError::read("the processors' times"))?;
        let before = self.before.as_ref();
        if self.total {
            offer(out, "cpu-total", before.map(|before| &before.total), &now.total, now.per_second);
        }
        if self.each {
            for (number, times) in &now.each {
                let before = before.and_then(|before| before.each.iter().find(|(other, _)| other == number));
                offer(out, &format!("cpu{number}"), before.map(|(_, times)| times), times, now.per_second);
            }
        }
        self.before = Some(now);
        Ok(())
    }
}

/// What the agent tells apart, each without the others.
fn parts(times: &Times) -> [(&'static str, &'static str, u64); 11] {
    [
        ("usage_active", "time_active", times.active()),
        ("usage_idle", "time_idle", times.idle),
        ("usage_iowait", "time_iowait", times.iowait),
        ("usage_irq", "time_irq", times.irq),
        ("usage_nice", "time_nice", times.nice.saturating_sub(times.guest_nice)),
        ("usage_softirq", "time_softirq", times.softirq),
        ("usage_steal", "time_steal", times.steal),
        ("usage_system", "time_system", times.system),
        ("usage_user", "time_user", times.user.saturating_sub(times.guest)),
        ("usage_guest", "time_guest", times.guest),
        ("usage_guest_nice", "time_guest_nice", times.guest_nice),
    ]
}

fn offer(out: &mut Readings<'_>, name: &str, before: Option<&Times>, now: &Times, per_second: f64) {
    let mut cpu = out.of(&[("cpu", name)]);
    for (_, time, ticks) in parts(now) {
        cpu.push(time, ticks as f64 / per_second);
    }
    let Some(before) = before else { return };
    // No time has passed, or a virtual machine was moved: then there is no share.
    let Some(passed) = now.total().checked_sub(before.total()).filter(|passed| *passed > 0) else { return };
    for ((usage, _, now), (_, _, before)) in parts(now).into_iter().zip(parts(before)) {
        cpu.push(usage, now.saturating_sub(before) as f64 / passed as f64 * 100.0);
    }
}
