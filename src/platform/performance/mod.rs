//! Performance counters of Windows: the counters of an object for each of its instances. Elsewhere opening says that there are none.
//!
//! A path is `\Object(instance)\Counter`: <https://learn.microsoft.com/windows/win32/perfctrs/specifying-a-counter-path>. Names are
//! English on every Windows. Of an object with instances all are asked at once, `*`; who asks chooses among the answers, so that
//! what is plugged in later is there without a new question, and no instance's name has to be written as a path.
//!
//! Calls block for as long as whoever provides the counters takes: milliseconds, for some objects a second.
use std::io;

#[cfg(windows)]
mod api;

/// The counters of one object. A trait, so that who reads can be tried with counters that a test makes up.
pub trait Counters: Send {
    /// Begin to watch what a path names; the number is what [`Self::values`] takes.
    ///
    /// # Errors
    /// When there is no such object or counter, or it cannot be asked.
    fn add(&mut self, path: &str) -> Result<usize, CounterError>;

    /// Read everything that is watched, at the same moment.
    ///
    /// # Errors
    /// When nothing could be read.
    fn sample(&mut self) -> Result<(), CounterError>;

    /// The value of each instance as of the last sample, its name empty where the object has none. A rate is the one between the
    /// last two samples, and has no value before there are two, as has an instance that was not there at both.
    ///
    /// # Errors
    /// When the counter has no values at all.
    fn values(&mut self, counter: usize, each: &mut dyn FnMut(&str, f64)) -> Result<(), CounterError>;
}

/// Why a counter has no values.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(windows), allow(dead_code, reason = "some are said on Windows only"))]
pub enum CounterError {
    #[error(
        "there is no counter {path} on this host: `typeperf -q` lists those that there are, by the names of this Windows's language"
    )]
    NoCounter { path: String },
    #[error("the counter {path} has instances: name them in \"resources\", or all of them by \"*\"")]
    NeedsInstance { path: String },
    #[error(
        "{object} and {counter} cannot be asked for: a name of a performance object or counter has none of \\ ( ) * in it"
    )]
    Name { object: String, counter: String },
    #[error("the performance counters of this host cannot be read")]
    Failed { source: io::Error },
}

/// Counters that nobody watches yet.
///
/// # Errors
/// `Failed`, of kind `Unsupported` where this is not Windows.
#[cfg(windows)]
pub fn open() -> Result<Box<dyn Counters>, CounterError> {
    Ok(Box::new(api::Query::open()?))
}

/// Counters that nobody watches yet: there are none on this system.
///
/// # Errors
/// `Failed`, of kind `Unsupported`.
#[cfg(not(windows))]
pub fn open() -> Result<Box<dyn Counters>, CounterError> {
    let source = io::Error::new(io::ErrorKind::Unsupported, "only Windows has performance counters");
    Err(CounterError::Failed { source })
}

/// The path of a counter, of all instances or of an object that has none.
///
/// # Errors
/// When a name has a character by which a path is divided: there is no way to write that.
pub fn path(object: &str, instances: bool, counter: &str) -> Result<String, CounterError> {
    // Counters may have parentheses, as "Avg. Wait Time (ms)" does; only the object's end at one.
    let divides = |text: &str, dividers: &[char]| text.is_empty() || text.contains(dividers) || text.contains('\0');
    if divides(object, &['\\', '(', ')', '*']) || divides(counter, &['\\', '*']) {
        return Err(CounterError::Name { object: object.to_owned(), counter: counter.to_owned() });
    }
    let every = if instances { "(*)" } else { "" };
    Ok(format!(r"\{object}{every}\{counter}"))
}

/// Whether a name that a person wrote is this instance. Parentheses and such have no place in a path, so that the system writes other
/// characters for them. Upper and lower case are the same.
/// <https://learn.microsoft.com/dotnet/api/system.diagnostics.performancecounter.instancename>
pub fn same_instance(written: &str, system: &str) -> bool {
    let plain = |c: char| match c {
        '(' => '[',
        ')' => ']',
        '#' | '/' | '\\' => '_',
        other => other,
    };
    let letters = |text: &str| text.chars().map(plain).flat_map(char::to_lowercase).collect::<String>();
    letters(written) == letters(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_all_instances_or_none() {
        let of = |object, instances, counter| path(object, instances, counter).expect("a name");
        assert_eq!(of("Processor", true, "% Processor Time"), r"\Processor(*)\% Processor Time");
        assert_eq!(of("Memory", false, "Available Bytes"), r"\Memory\Available Bytes");
        assert_eq!(
            of("MSSQL$A:Buffer Manager", false, "Pages (8 KB)/sec"),
            r"\MSSQL$A:Buffer Manager\Pages (8 KB)/sec"
        );
    }

    #[test]
    fn a_name_that_divides_a_path_is_refused() {
        for (object, counter) in
            [("", "a"), ("a", ""), (r"a\b", "c"), ("a(b)", "c"), ("*", "c"), ("a", "*"), ("a", r"b\c")]
        {
            let error = path(object, true, counter).expect_err(object);
            assert!(matches!(error, CounterError::Name { .. }), "{error}");
        }
        assert!(path("a", true, "b\0c").is_err());
    }

    #[test]
    fn an_instance_is_known_by_the_name_that_people_see() {
        assert!(same_instance("c:", "C:"));
        assert!(same_instance("Intel(R) Ethernet #2", "Intel[R] Ethernet _2"));
        assert!(same_instance("a/b", "a_b"));
        assert!(!same_instance("C:", "D:"));
        assert!(!same_instance("_Total", ""));
    }

    #[cfg(not(windows))]
    #[test]
    fn elsewhere_there_are_none() {
        let Err(CounterError::Failed { source }) = open() else { panic!("no Windows") };
        assert_eq!(source.kind(), io::ErrorKind::Unsupported);
    }
}
