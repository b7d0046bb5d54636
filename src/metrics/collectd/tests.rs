//! The whole way from bytes to points, with packets of an encoder of its own.
mod encoder;
mod foreign;
mod listening;
mod real;

use super::{
    desk::Desk,
    keys::Users,
    packet::Value,
    series::{Rules, SERIES},
    types::Types,
};
use crate::{
    config::settings::collectd::Level,
    model::{Dimension, Points, Resolution, Timestamp, Values},
    telemetry::counters,
};
use encoder::Packet;
use std::{net::SocketAddr, time::Duration};

/// 2026-01-31T23:59:00Z, when everything here happens.
const NOW: u64 = 1_769_903_940;
const MINUTE: Duration = Duration::from_secs(60);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW.cast_signed() * 1_000)
}

fn sender() -> SocketAddr {
    ([10, 0, 0, 7], 4711).into()
}

fn rules(aggregation: Duration, rates: bool) -> Rules {
    Rules { prefix: "collectd_".into(), aggregation, rates, resolution: Resolution::Minute }
}

/// A desk with the user `alice`, who has the password `secret`.
fn desk(level: Level, rules: Rules) -> Desk {
    let mut desk = Desk::new(level, rules);
    desk.admit(Users::read(b"alice: secret").0);
    desk
}

/// One that lets everything pass at once.
fn open_desk() -> Desk {
    desk(Level::None, rules(Duration::ZERO, false))
}

fn taken(desk: &mut Desk, packet: &[u8]) -> Points {
    let mut points = Points::new();
    desk.take(packet, sender(), now(), &mut points);
    points
}

/// Name and value of each point.
fn told(points: &Points) -> Vec<(&str, f64)> {
    let value = |values: &Values| match values {
        Values::One(value) => *value,
        Values::Many(many) => panic!("one value, not {many:?}"),
    };
    points.iter().map(|point| (&*point.name, value(&point.value))).collect()
}

/// The usual head of a packet.
fn packet() -> Packet {
    Packet::new().host("web-1").time_hr(NOW as f64).interval_hr(10.0)
}

fn load() -> Packet {
    let load = [Value::Gauge(0.25), Value::Gauge(-1.5), Value::Gauge(3.0)];
    packet().plugin("load").kind("load").values(&load)
}

#[test]
fn a_type_with_several_sources_is_a_metric_for_each_with_the_agents_dimensions() {
    let rx_tx = [Value::Derive(-5), Value::Derive(7)];
    let octets = packet().plugin("interface").plugin_instance("eth0").kind("if_octets").values(&rx_tx);
    let points = taken(&mut open_desk(), &octets.done());
    assert_eq!(told(&points), [("collectd_interface_rx", -5.0), ("collectd_interface_tx", 7.0)]);
    let pair = |name, value| Dimension::new(name, value);
    let expected = [pair("host", "web-1"), pair("instance", "eth0"), pair("type", "if_octets")];
    assert_eq!(points[1].dimensions[..], expected);
    assert_eq!(points[0].at, now());
    let both = octets.plugin("cpu").kind("cpu").type_instance("idle").values(&[Value::Counter(9)]).done();
    let points = taken(&mut open_desk(), &both);
    assert_eq!(told(&points)[2], ("collectd_cpu_value", 9.0));
    assert_eq!(points[2].dimensions.last(), Some(&pair("type_instance", "idle")), "the other names still hold");
}

#[test]
fn every_kind_of_value_is_sent_as_it_is_also_below_zero() {
    let one = |value| packet().plugin("p").kind("gauge").values(&[value]).done();
    for (value, number) in [
        (Value::Gauge(-0.125), -0.125),
        (Value::Derive(-9), -9.0),
        (Value::Counter(1 << 40), (1u64 << 40) as f64),
        (Value::Absolute(3), 3.0),
    ] {
        assert_eq!(told(&taken(&mut open_desk(), &one(value))), [("collectd_p_value", number)]);
    }
    let before = counters::COLLECTD_NO_NUMBER.here();
    for value in [f64::NAN, f64::INFINITY, f64::MAX] {
        assert!(taken(&mut open_desk(), &one(Value::Gauge(value))).is_empty());
    }
    assert_eq!(counters::COLLECTD_NO_NUMBER.here() - before, 3);
}

#[test]
fn what_the_service_would_not_take_for_its_time_is_refused_and_counted() {
    let at = |seconds: u64| {
        let packet = Packet::new().host("h").time(seconds).plugin("p").kind("gauge");
        taken(&mut open_desk(), &packet.values(&[Value::Gauge(1.0)]).done()).len()
    };
    let (old, new) = (counters::COLLECTD_TOO_OLD.here(), counters::COLLECTD_TOO_NEW.here());
    let (two_weeks, two_hours) = (14 * 86_400, 7_200);
    assert_eq!((at(NOW - two_weeks), at(NOW + two_hours)), (1, 1));
    assert_eq!((at(NOW - two_weeks - 1), at(NOW + two_hours + 1), at(u64::MAX)), (0, 0, 0));
    assert_eq!((counters::COLLECTD_TOO_OLD.here() - old, counters::COLLECTD_TOO_NEW.here() - new), (1, 2));
    let untimed = Packet::new().host("h").plugin("p").kind("gauge").values(&[Value::Gauge(1.0)]).done();
    assert_eq!(taken(&mut open_desk(), &untimed)[0].at, now(), "without a time it is the time of arrival");
}

#[test]
fn a_level_refuses_what_is_weaker_and_takes_what_is_stronger() {
    let plain = load().done();
    let signed = load().signed("alice", "secret");
    let sealed = load().sealed("alice", "secret", [3; 16]);
    for (level, expected) in [(Level::None, [3, 3, 3]), (Level::Sign, [0, 3, 3]), (Level::Encrypt, [0, 0, 3])] {
        let mut desk = desk(level, rules(Duration::ZERO, false));
        let before = counters::COLLECTD_TOO_WEAK.here();
        let found = [&plain, &signed, &sealed].map(|packet| taken(&mut desk, packet).len());
        assert_eq!(found, expected, "{level:?}");
        let weak = expected.iter().filter(|count| **count == 0).count() as u64;
        assert_eq!(counters::COLLECTD_TOO_WEAK.here() - before, weak, "{level:?}");
    }
}

#[test]
fn what_is_plain_beside_what_is_encrypted_is_as_weak_as_alone() {
    let sealed = load().sealed("alice", "secret", [3; 16]);
    let both = [&sealed[..], &load().done()].concat();
    let mut desk = desk(Level::Encrypt, rules(Duration::ZERO, false));
    assert_eq!(taken(&mut desk, &both).len(), 3);
    assert_eq!(taken(&mut open_desk(), &both).len(), 6);
}

#[test]
fn who_does_not_know_the_password_is_refused_whatever_the_level() {
    for level in [Level::None, Level::Sign, Level::Encrypt] {
        let mut desk = desk(level, rules(Duration::ZERO, false));
        let counts = || (counters::COLLECTD_MISMATCH.here(), counters::COLLECTD_UNKNOWN_USER.here());
        let before = counts();
        assert!(taken(&mut desk, &load().signed("alice", "guess")).is_empty());
        assert!(taken(&mut desk, &load().sealed("alice", "guess", [3; 16])).is_empty());
        assert!(taken(&mut desk, &load().sealed("bob", "secret", [3; 16])).is_empty());
        let signed = taken(&mut desk, &load().signed("bob", "secret")).len();
        // Who need not sign loses nothing by it.
        assert_eq!(signed, if level == Level::None { 3 } else { 0 });
        let after = counts();
        assert_eq!((after.0 - before.0, after.1 - before.1), (2, if level == Level::None { 1 } else { 2 }));
    }
}

#[test]
fn what_came_before_is_refused_when_it_was_signed_or_encrypted() {
    let mut desk = open_desk();
    let before = counters::COLLECTD_REPEATED.here();
    for packet in [load().signed("alice", "secret"), load().sealed("alice", "secret", [3; 16])] {
        assert_eq!(taken(&mut desk, &packet).len(), 3);
        assert!(taken(&mut desk, &packet).is_empty());
    }
    assert_eq!(counters::COLLECTD_REPEATED.here() - before, 2);
    let plain = load().done();
    assert_eq!((taken(&mut desk, &plain).len(), taken(&mut desk, &plain).len()), (3, 3));
}

#[test]
fn an_encrypted_part_holds_no_other_one() {
    let inner = load().sealed("alice", "secret", [3; 16]);
    let outer = Packet::of(inner).sealed("alice", "secret", [4; 16]);
    let before = counters::COLLECTD_BROKEN.here();
    assert!(taken(&mut open_desk(), &outer).is_empty());
    assert_eq!(counters::COLLECTD_BROKEN.here() - before, 1);
}

#[test]
fn messages_for_people_are_counted_and_parts_that_nobody_knows_passed_over() {
    let before = counters::COLLECTD_NOTIFICATIONS.here();
    let packet = packet().raw(0x0101, &4u64.to_be_bytes()).raw(0x0100, b"help\0").raw(0x7777, b"?");
    let points = taken(&mut open_desk(), &packet.plugin("load").kind("uptime").values(&[Value::Gauge(1.0)]).done());
    assert_eq!(points.len(), 1);
    assert_eq!(counters::COLLECTD_NOTIFICATIONS.here() - before, 1);
}

#[test]
fn a_type_that_nobody_knows_loses_nothing_and_one_with_other_sources_is_refused() {
    let mut desk = open_desk();
    let (unknown, wrong) = (counters::COLLECTD_UNKNOWN_TYPES.here(), counters::COLLECTD_WRONG_SOURCES.here());
    let values = [Value::Gauge(1.0), Value::Gauge(2.0)];
    let mine = |count: usize| packet().plugin("p").kind("mine").values(&values[..count]).done();
    assert_eq!(told(&taken(&mut desk, &mine(1))), [("collectd_p_value", 1.0)]);
    assert_eq!(told(&taken(&mut desk, &mine(2))), [("collectd_p_0", 1.0), ("collectd_p_1", 2.0)]);
    let mut types = Types::default();
    types.add("mine in:GAUGE:0:U, out:GAUGE:0:U");
    desk.rename(types, &mut Points::new());
    assert_eq!(told(&taken(&mut desk, &mine(2))), [("collectd_p_in", 1.0), ("collectd_p_out", 2.0)]);
    assert!(taken(&mut desk, &mine(1)).is_empty());
    assert_eq!(counters::COLLECTD_UNKNOWN_TYPES.here() - unknown, 3);
    assert_eq!(counters::COLLECTD_WRONG_SOURCES.here() - wrong, 1);
}

#[test]
fn a_type_that_nobody_knows_has_32_values_at_most() {
    let (unknown, wrong) = (counters::COLLECTD_UNKNOWN_TYPES.here(), counters::COLLECTD_WRONG_SOURCES.here());
    let values = [Value::Gauge(1.0); 33];
    let of = |count: usize| packet().plugin("p").kind("mine").values(&values[..count]).done();
    let mut desk = open_desk();
    assert_eq!(taken(&mut desk, &of(32)).len(), 32);
    assert_eq!(taken(&mut desk, &of(33)).len(), 0);
    assert_eq!(counters::COLLECTD_UNKNOWN_TYPES.here() - unknown, 32);
    assert_eq!(counters::COLLECTD_WRONG_SOURCES.here() - wrong, 33);
}

#[test]
fn a_list_without_plugin_or_type_is_refused() {
    let before = counters::COLLECTD_UNNAMED.here();
    for packet in [packet().plugin("p"), packet().kind("gauge"), packet().plugin("").kind("gauge")] {
        assert!(taken(&mut open_desk(), &packet.values(&[Value::Gauge(1.0)]).done()).is_empty());
    }
    assert_eq!(counters::COLLECTD_UNNAMED.here() - before, 3);
}

#[test]
fn names_are_what_the_service_takes() {
    let long = "x".repeat(1_000);
    let packet = packet().host("büro\n").plugin(&long).plugin_instance(" ").kind("gauge").type_instance("a b");
    let points = taken(&mut open_desk(), &packet.values(&[Value::Gauge(1.0)]).done());
    assert_eq!((points[0].name.len(), &points[0].name[..10]), (255, "collectd_x"));
    let dimensions: Vec<_> = points[0].dimensions.iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    assert_eq!(dimensions, [("host", "b_ro_"), ("type", "gauge"), ("type_instance", "a b")]);
}

/// Values of one series, each so many seconds after the beginning of the minute.
fn minute(desk: &mut Desk, values: &[(f64, f64)]) -> Points {
    let mut points = Points::new();
    for (second, value) in values {
        let packet = Packet::new().host("h").time_hr(NOW as f64 + second).plugin("p").kind("gauge");
        desk.take(&packet.values(&[Value::Gauge(*value)]).done(), sender(), now(), &mut points);
    }
    points
}

#[test]
fn the_values_of_an_interval_leave_together_and_none_is_lost() {
    let mut desk = desk(Level::None, rules(MINUTE, false));
    assert!(minute(&mut desk, &[(1.0, -2.0), (11.0, 5.5), (21.0, -2.0), (61.0, 7.0)]).is_empty());
    let mut points = Points::new();
    desk.close(now(), &mut points);
    let found: Vec<_> = points.iter().map(|point| (point.at.since(now()).as_secs(), point.value.clone())).collect();
    assert_eq!(found, [(1, Values::Many(vec![(-2.0, 2.0), (5.5, 1.0)])), (61, Values::One(7.0))]);
    points.clear();
    desk.close(now(), &mut points);
    assert!(points.is_empty(), "each leaves once");
}

#[test]
fn more_different_values_than_a_datum_holds_are_several_points() {
    let mut desk = desk(Level::None, rules(MINUTE, false));
    let values: Vec<_> = (0..400).map(|n| (f64::from(n) / 10.0, f64::from(n) - 200.0)).collect();
    let mut points = minute(&mut desk, &values);
    desk.close(now(), &mut points);
    assert_eq!(points.iter().map(|point| point.value.len()).collect::<Vec<_>>(), [150, 150, 100]);
    let all: Vec<f64> = points.iter().flat_map(|point| point.value.iter().map(|(value, _)| value)).collect();
    assert!(all.iter().eq(values.iter().map(|(_, value)| value)));
}

#[test]
fn a_sender_that_jumps_in_time_needs_only_so_much_memory() {
    let mut desk = desk(Level::None, rules(MINUTE, false));
    let values: Vec<_> = (0..50).map(|n| (f64::from(n) * 60.0, f64::from(n))).collect();
    let mut points = minute(&mut desk, &values);
    assert_eq!(points.len(), 46);
    desk.close(now(), &mut points);
    assert_eq!(points.len(), 50);
}

#[test]
fn series_beyond_the_bound_are_sent_at_once_or_have_no_rate() {
    for rates in [false, true] {
        let mut desk = desk(Level::None, rules(MINUTE, rates));
        let before = counters::COLLECTD_TOO_MANY_SERIES.here();
        let mut at_once = 0;
        for number in 0..SERIES + 5 {
            let packet = packet().plugin("p").plugin_instance(&number.to_string()).kind("gauge");
            at_once += taken(&mut desk, &packet.values(&[Value::Gauge(1.0)]).done()).len();
        }
        assert_eq!(at_once, if rates { 0 } else { 5 });
        assert_eq!(counters::COLLECTD_TOO_MANY_SERIES.here() - before, if rates { 5 } else { 0 });
        let mut points = Points::new();
        // Who was silent for more than an hour makes way.
        desk.close(now().plus(Duration::from_secs(3_601)), &mut points);
        assert_eq!(points.len(), SERIES);
        assert!(taken(&mut desk, &load().done()).is_empty(), "there is room again");
    }
}

#[test]
fn with_rates_a_counter_is_sent_as_what_it_grew_a_second() {
    let mut desk = desk(Level::None, rules(Duration::ZERO, true));
    let at = |second: u64, count: i64| {
        let packet = Packet::new().host("h").time(NOW + second).plugin("p").kind("derive");
        packet.values(&[Value::Derive(count)]).done()
    };
    let before = counters::COLLECTD_NO_RATE.here();
    assert!(taken(&mut desk, &at(0, 100)).is_empty());
    assert_eq!(told(&taken(&mut desk, &at(10, 350))), [("collectd_p_value", 25.0)]);
    assert!(taken(&mut desk, &at(20, 5)).is_empty(), "it began anew");
    assert_eq!(told(&taken(&mut desk, &at(30, 15))), [("collectd_p_value", 1.0)]);
    assert_eq!(counters::COLLECTD_NO_RATE.here() - before, 1);
}
