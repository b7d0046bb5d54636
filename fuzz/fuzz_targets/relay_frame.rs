//! A line sent to the serial relay: whatever it is, it is read or refused, and what is built of it is read again.
#![no_main]
use amazon_cloudwatch_publisher::foreign::relay_frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| relay_frame(bytes));
