//! Whatever comes: nothing panics, what is not taken is counted, and what is taken is what was sent.
use super::*;
use proptest::prelude::*;

/// Everything that a sender may put into a packet.
fn rich() -> Packet {
    let counters = [Value::Derive(1), Value::Derive(2)];
    load()
        .plugin("interface")
        .plugin_instance("eth0")
        .kind("if_octets")
        .values(&counters)
        .raw(0x0101, &4u64.to_be_bytes())
        .raw(0x0100, b"help\0")
        .time(NOW)
        .plugin("p")
        .kind("mine")
        .type_instance("t")
        .values(&[Value::Absolute(3)])
}

fn packets() -> [Vec<u8>; 3] {
    [rich().done(), rich().signed("alice", "secret"), rich().sealed("alice", "secret", [9; 16])]
}

const LEVELS: [Level; 3] = [Level::None, Level::Sign, Level::Encrypt];

#[test]
fn every_cut_is_refused_and_takes_nothing_but_whole_parts() {
    for packet in packets() {
        let whole = taken(&mut open_desk(), &packet);
        assert_eq!(whole.len(), 6);
        for length in 0..packet.len() {
            let points = taken(&mut open_desk(), &packet[..length]);
            assert!(points.len() < whole.len() && points[..] == whole[..points.len()], "{length}");
        }
    }
}

#[test]
fn no_flipped_bit_passes_a_signature_or_an_encryption() {
    let [_, signed, sealed] = packets();
    for (packet, level) in [(signed, Level::Sign), (sealed, Level::Encrypt)] {
        for bit in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let points = taken(&mut desk(level, rules(Duration::ZERO, false)), &changed);
            assert!(points.is_empty(), "bit {bit} of a packet at {level:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), level in 0..3usize) {
        taken(&mut desk(LEVELS[level], rules(MINUTE, true)), &bytes);
    }

    /// Parts with a right length reach what is behind the first check.
    #[test]
    fn no_parts_make_it_panic(
        parts in proptest::collection::vec((0..12u16, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
        rates in any::<bool>(),
    ) {
        let kinds = [0, 1, 2, 3, 4, 5, 6, 8, 9, 0x0100, 0x0200, 0x0210];
        let packet = parts.iter().fold(packet(), |packet, (kind, content)| {
            packet.raw(kinds[usize::from(*kind)], content)
        });
        let mut desk = desk(Level::None, rules(MINUTE, rates));
        let mut points = taken(&mut desk, &packet.done());
        desk.close(now(), &mut points);
        prop_assert!(points.iter().all(|point| !point.name.is_empty() && point.value.iter().all(|(value, _)| value.is_finite())));
    }

    #[test]
    fn what_is_damaged_makes_nothing_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0..3usize, level in 0..3usize) {
        let mut packet = packets()[which].clone();
        let at = at.index(packet.len());
        packet[at] = byte;
        taken(&mut desk(LEVELS[level], rules(MINUTE, true)), &packet);
    }

    /// Sums, counts and extremes survive any order of values and times.
    #[test]
    fn aggregation_keeps_every_value(values in proptest::collection::vec((0..600u32, -50..50i32), 1..300)) {
        let mut desk = desk(Level::None, rules(MINUTE, false));
        let sent: Vec<_> = values.iter().map(|(second, value)| (f64::from(*second), f64::from(*value))).collect();
        let mut points = minute(&mut desk, &sent);
        desk.close(now(), &mut points);
        let mut came: Vec<f64> = vec![];
        for (value, count) in points.iter().flat_map(|point| point.value.iter().collect::<Vec<_>>()) {
            came.extend(std::iter::repeat_n(value, count as usize));
        }
        let mut expected: Vec<f64> = sent.iter().map(|(_, value)| *value).collect();
        came.sort_by(f64::total_cmp);
        expected.sort_by(f64::total_cmp);
        prop_assert_eq!(came, expected);
    }
}
