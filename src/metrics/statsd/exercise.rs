//! What holds for whatever a datagram consists of: for property tests, and for the fuzzer (`fuzz/fuzz_targets/statsd.rs`), which
//! compiles this file and `protocol` by themselves.
use super::protocol::{Dialect, Kind, Line, Value, lines};

/// Reads a datagram in every dialect and asserts what its reader may rely on.
pub fn exercise(datagram: &[u8]) {
    for signs in 0..8u8 {
        let [signed_values, strict_rates, distributions] = [1, 2, 4].map(|bit| signs & bit != 0);
        let dialect = Dialect { signed_values, strict_rates, distributions };
        for line in lines(datagram) {
            assert!(!line.is_empty() && !line.contains(&b'\n') && line == line.trim_ascii());
            let Ok(mut parsed) = Line::new(line, dialect) else { continue };
            assert!(line.starts_with(parsed.name) && !parsed.name.contains(&b':'));
            while let Some(sample) = parsed.next() {
                let Ok(sample) = sample else {
                    assert!(parsed.next().is_none(), "a fault ends its line");
                    break;
                };
                assert!(sample.rate > 0.0 && sample.rate.is_finite());
                assert!(!strict_rates || sample.rate <= 1.0 && !sample.misrated);
                match sample.value {
                    Value::Number { number, relative } => {
                        assert!(number.as_f64().is_finite());
                        assert!(!relative || sample.kind == Kind::Gauge && !signed_values);
                    }
                    Value::Member(member) => assert!(sample.kind == Kind::Set && !member.contains(&b':')),
                }
            }
        }
    }
}
