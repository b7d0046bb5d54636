//! A datagram of statsd lines: whatever it consists of, what is read of it is what its reader may rely on.
#![no_main]
use libfuzzer_sys::fuzz_target;

#[path = "../../src/metrics/statsd/exercise.rs"]
mod exercise;
#[allow(dead_code, reason = "what only the aggregate uses")]
#[path = "../../src/metrics/statsd/protocol.rs"]
mod protocol;

fuzz_target!(|datagram: &[u8]| exercise::exercise(datagram));
