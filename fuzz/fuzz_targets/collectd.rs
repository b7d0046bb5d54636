//! A datagram of collectd's binary protocol: nothing in it may make the listener panic or send what is no number.
#![no_main]
use amazon_cloudwatch_publisher::foreign::collectd;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| collectd(datagram));
