//! Lines of the form `NAME=VALUE[:UNIT]`, as commands print them.
use crate::{
    config::metrics::unit,
    model::{
        Unit,
        limits::{NAME, fits_metric, fits_value},
    },
};

/// What one line says.
#[derive(Debug, PartialEq)]
pub struct Line<'a> {
    pub name: &'a str,
    pub value: f64,
    pub unit: Unit,
}

/// Reads one line. `None`: it is empty, or a comment that begins with `#`.
///
/// # Errors
/// Why it is no metric.
pub fn read(line: &str) -> Option<Result<Line<'_>, &'static str>> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| metric(line))
}

fn metric(line: &str) -> Result<Line<'_>, &'static str> {
    // A name may hold an equals sign as CloudWatch has it, a value none.
    let (name, rest) = line.rsplit_once('=').ok_or("has no `=`: a line is NAME=VALUE or NAME=VALUE:UNIT")?;
    let (name, rest) = (name.trim(), rest.trim());
    let (value, unit) = rest.split_once(':').map_or((rest, ""), |(value, unit)| (value.trim(), unit));
    if name.is_empty() || name.starts_with(':') {
        return Err("the name is empty or begins with a colon");
    }
    if name.len() > NAME || !name.chars().all(fits_metric) {
        return Err("the name has more than 255 characters, or others than ASCII");
    }
    let value: f64 = value.parse().map_err(|_| "the value is no number")?;
    let unit = unit::convert(unit).ok_or("CloudWatch does not know the unit")?;
    let value = value * unit.scale;
    if !fits_value(value) {
        return Err("the value is not a number between -2^360 and 2^360");
    }
    Ok(Line { name, value, unit: unit.unit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn good(line: &str) -> (&str, f64, Unit) {
        let line = read(line).expect("a metric").expect("well formed");
        (line.name, line.value, line.unit)
    }

    #[test]
    fn a_line_is_a_name_a_value_and_perhaps_a_unit() {
        assert_eq!(good("users=3"), ("users", 3.0, Unit::None));
        assert_eq!(good(" queue depth = -1.5e3 : Count \r"), ("queue depth", -1500.0, Unit::Count));
        assert_eq!(good("a=b=1:percent"), ("a=b", 1.0, Unit::Percent));
        assert_eq!(good("x=1:%"), ("x", 1.0, Unit::Percent));
        assert_eq!(good("x=2:min"), ("x", 120.0, Unit::Seconds));
        assert_eq!(good("x=1:"), ("x", 1.0, Unit::None));
        assert_eq!((read(""), read(" \t"), read("# x=1")), (None, None, None));
    }

    #[test]
    fn a_line_that_is_no_metric_says_why() {
        for (line, why) in [
            ("x", "no `=`"),
            ("=1", "empty"),
            (":x=1", "colon"),
            ("ü=1", "ASCII"),
            ("x=", "no number"),
            ("x=one", "no number"),
            ("x=1 2", "no number"),
            ("x=1:parsec", "unit"),
            ("x=NaN", "2^360"),
            ("x=inf", "2^360"),
            ("x=1e300", "2^360"),
        ] {
            let error = read(line).expect("not empty").expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
        assert!(read(&format!("{}=1", "n".repeat(256))).expect("not empty").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,100}") {
            let _ = read(&text);
        }
    }
}
