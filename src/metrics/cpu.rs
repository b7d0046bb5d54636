//! `cpu`: what share of its time each processor, and all together, spent with what; and the seconds themselves.
//!
//! Shares are of the time between two readings, so the first reading has none. Times are seconds since the system was started, as the
//! kernel counts them. It counts what guests used within `user` and `nice`, too: the shares of these two are without it, the times are
//! with it, as the agent has both.
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

/// What is told apart: the names of the share and of the time, the ticks of the share and those of the time.
fn parts(times: &Times) -> [(&'static str, &'static str, u64, u64); 11] {
    let same = |usage, time, ticks| (usage, time, ticks, ticks);
    let (user, nice) = (times.user.saturating_sub(times.guest), times.nice.saturating_sub(times.guest_nice));
    [
        same("usage_active", "time_active", times.active()),
        same("usage_idle", "time_idle", times.idle),
        same("usage_iowait", "time_iowait", times.iowait),
        same("usage_irq", "time_irq", times.irq),
        ("usage_nice", "time_nice", nice, times.nice),
        same("usage_softirq", "time_softirq", times.softirq),
        same("usage_steal", "time_steal", times.steal),
        same("usage_system", "time_system", times.system),
        ("usage_user", "time_user", user, times.user),
        same("usage_guest", "time_guest", times.guest),
        same("usage_guest_nice", "time_guest_nice", times.guest_nice),
    ]
}

fn offer(out: &mut Readings<'_>, name: &str, before: Option<&Times>, now: &Times, per_second: f64) {
    let mut cpu = out.of(&[("cpu", name)]);
    for (_, time, _, ticks) in parts(now) {
        cpu.push(time, ticks as f64 / per_second);
    }
    let Some(before) = before else { return };
    // No time has passed, or less than before has (a virtual machine was moved): then there is no share.
    let Some(passed) = now.total().checked_sub(before.total()).filter(|passed| *passed > 0) else { return };
    for ((usage, _, now, _), (_, _, before, _)) in parts(now).into_iter().zip(parts(before)) {
        cpu.push(usage, now.saturating_sub(before) as f64 / passed as f64 * 100.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    const TOTAL: &[(&str, &str)] = &[("cpu", "cpu-total")];

    const START: Times = Times {
        user: 1_000,
        nice: 100,
        system: 200,
        idle: 5_000,
        iowait: 50,
        irq: 5,
        softirq: 6,
        steal: 7,
        guest: 400,
        guest_nice: 40,
    };

    /// A processor that was busy for half of the time since [`START`]: 200 ticks.
    const BUSY: Times = Times {
        user: 1_040,
        nice: 120,
        system: 220,
        idle: 5_100,
        iowait: 58,
        irq: 7,
        softirq: 10,
        steal: 13,
        guest: 410,
        guest_nice: 44,
    };

    /// Reads these, one after the other.
    fn reading(each: bool, total: bool, times: &[&[Times]]) -> Cpu {
        let readings: Vec<_> = times
            .iter()
            .map(|each| Cpus { per_second: 100.0, total: each[0], each: (0..).zip(each.iter().copied()).collect() })
            .collect();
        let mut readings = readings.into_iter();
        Cpu { each, total, read: Box::new(move || Ok(readings.next().expect("one more"))), before: None }
    }

    #[test]
    fn times_are_seconds_since_the_start_with_what_guests_used() {
        let points = Run::of("cpu").read(&mut reading(false, true, &[&[START]]));
        let expected = [
            ("user", 10.0),
            ("nice", 1.0),
            ("system", 2.0),
            ("idle", 50.0),
            ("iowait", 0.5),
            ("irq", 0.05),
            ("softirq", 0.06),
            ("steal", 0.07),
            ("guest", 4.0),
            ("guest_nice", 0.4),
            ("active", 13.68),
        ];
        for (name, seconds) in expected {
            let found = found(&points, &format!("cpu_time_{name}"), TOTAL).expect("published");
            assert!((found - seconds).abs() < 1e-9, "{name}: {found}");
        }
        assert_eq!(points.len(), expected.len(), "a first reading has no shares");
    }

    #[test]
    fn shares_are_of_the_time_that_passed_without_what_guests_used() {
        let (mut run, mut cpu) = (Run::of("cpu"), reading(false, true, &[&[START], &[BUSY]]));
        run.read(&mut cpu);
        let points = run.read(&mut cpu);
        let expected = [
            ("user", 15.0),
            ("nice", 8.0),
            ("system", 10.0),
            ("idle", 50.0),
            ("iowait", 4.0),
            ("irq", 1.0),
            ("softirq", 2.0),
            ("steal", 3.0),
            ("guest", 5.0),
            ("guest_nice", 2.0),
            ("active", 50.0),
        ];
        for (name, percent) in expected {
            let found = found(&points, &format!("cpu_usage_{name}"), TOTAL).expect("published");
            assert!((found - percent).abs() < 1e-9, "{name}: {found}");
        }
        assert_eq!(points.len(), 22);
    }

    #[test]
    fn each_processor_and_the_total_are_published_as_they_are_asked_for() {
        let names = |each, total| {
            let points = Run::with("cpu", &["time_idle"]).read(&mut reading(each, total, &[&[START, BUSY]]));
            points.iter().map(|point| point.dimensions[0].value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(true, true), ["cpu-total", "cpu0", "cpu1"]);
        assert_eq!(names(true, false), ["cpu0", "cpu1"]);
        assert_eq!(names(false, true), ["cpu-total"]);
        assert_eq!(names(false, false), Vec::<String>::new());
    }

    #[test]
    fn without_time_that_passed_there_is_no_share_and_what_goes_back_is_none() {
        let back = Times { idle: 4_000, ..START };
        let estimate = Times { iowait: 40, idle: 5_110, ..START };
        let (mut run, mut cpu) = (
            Run::with("cpu", &["usage_idle", "usage_iowait"]),
            reading(false, true, &[&[START], &[START], &[back], &[START], &[estimate]]),
        );
        assert_eq!([0; 3].map(|_| run.read(&mut cpu).len()), [0; 3]);
        assert_eq!(run.read(&mut cpu).len(), 2);
        let points = run.read(&mut cpu);
        assert_eq!(found(&points, "cpu_usage_iowait", TOTAL), Some(0.0), "the kernel corrected its estimate");
    }

    #[test]
    fn a_processor_that_was_switched_on_has_shares_with_its_second_reading() {
        let (mut run, mut cpu) =
            (Run::with("cpu", &["usage_idle"]), reading(true, false, &[&[START], &[BUSY, START], &[START, BUSY]]));
        run.read(&mut cpu);
        let second = run.read(&mut cpu);
        assert_eq!((second.len(), found(&second, "cpu_usage_idle", &[("cpu", "cpu1")])), (1, None));
        let third = run.read(&mut cpu);
        assert_eq!(found(&third, "cpu_usage_idle", &[("cpu", "cpu1")]), Some(50.0));
        assert_eq!(third.len(), 1, "and the one that went back has none");
    }
}
