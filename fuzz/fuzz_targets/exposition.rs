//! The text format of Prometheus, as files and commands hold it: any text is read to its end, and no line gives more than one sample.
#![no_main]

#[allow(dead_code, reason = "the file is taken in as it is")]
#[path = "../../src/metrics/exposition.rs"]
mod exposition;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').count();
    let mut samples = exposition::samples(&text);
    let mut found = 0;
    while let Some(sample) = samples.next() {
        found += 1;
        assert!(samples.line() <= lines && found <= lines);
        if let Ok(sample) = sample {
            assert!(!sample.name.is_empty());
        }
    }
});
