//! Packets as collectd 5.12 of Debian sent them at each of its security levels, to whom these lists were given by its `unixsock`:
//! `story-one/gauge-below` -2.5, `story/load` 0.25 0.5 0.75, `story-eth0/if_octets` 1000 18446744073709, `story/absolute` 7,
//! `story/counter` the largest there is, and `story/gauge-none` unknown.
use super::*;

const CAPTURED: [(Level, &[u8]); 3] = [
    (Level::None, include_bytes!("captured/none")),
    (Level::Sign, include_bytes!("captured/sign")),
    (Level::Encrypt, include_bytes!("captured/encrypt")),
];
/// A minute after they were sent.
const THEN: Timestamp = Timestamp::from_millis(1_795_286_466_000);

#[test]
fn what_the_real_collectd_sends_is_understood_at_every_level() {
    for (level, packet) in CAPTURED {
        let (mut desk, mut points) = (desk(level, rules(Duration::ZERO, false)), Points::new());
        let before = counters::COLLECTD_NO_NUMBER.here();
        desk.take(packet, sender(), THEN, &mut points);
        let expected = [
            ("collectd_story_value", -2.5),
            ("collectd_story_shortterm", 0.25),
            ("collectd_story_midterm", 0.5),
            ("collectd_story_longterm", 0.75),
            ("collectd_story_rx", 1_000.0),
            ("collectd_story_tx", 18_446_744_073_709.0),
            ("collectd_story_value", 7.0),
            ("collectd_story_value", u64::MAX as f64),
        ];
        assert_eq!(told(&points), expected, "{level:?}");
        assert_eq!(counters::COLLECTD_NO_NUMBER.here() - before, 1, "the unknown one");
        let dimensions =
            |at: usize| -> Vec<_> { points[at].dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect() };
        assert_eq!(dimensions(0), ["host=real-host", "instance=one", "type=gauge", "type_instance=below"]);
        assert_eq!(dimensions(1), ["host=real-host", "type=load"]);
        assert_eq!(dimensions(4), ["host=real-host", "instance=eth0", "type=if_octets"]);
        let times = points.iter().map(|point| THEN.since(point.at).as_secs());
        assert!(times.clone().all(|ago| (1..120).contains(&ago)), "{:?}", times.collect::<Vec<_>>());
    }
}
