//! The text format of Prometheus, as node_exporter's textfile collector, scripts and clients write it.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! [`samples`] takes a text apart line by line and gives each sample with what its family was declared to be. A line that cannot be
//! read costs only itself and is named by its number. Nothing is kept but the declared types; whoever calls bounds the text.
//! Of OpenMetrics, the younger dialect, everything that looks the same is read (`# EOF`, `# UNIT`, `_total` behind a counter's name);
//! exemplars and names in quotes are not.
use std::{borrow::Cow, collections::HashMap, str::FromStr};

/// What is declared at most; families beyond are taken to be untyped. A text of a megabyte cannot have many more.
const MOST_FAMILIES: usize = 10_000;

/// Labels of one sample: twice as many as CloudWatch takes, and each is compared with all before it.
const MOST_LABELS: usize = 64;

/// One line of values.
#[derive(Debug, PartialEq)]
pub struct Sample<'a> {
    /// As written, with its suffix: `http_request_seconds_sum`.
    pub name: &'a str,
    /// In the order of the line; each name once.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// May be NaN or infinite: the format has both.
    pub value: f64,
    /// Milliseconds since 1970, where the line has its own time.
    pub at: Option<i64>,
    pub meaning: Meaning,
}

/// What a value says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meaning {
    /// How much there is now: a gauge, or nobody declared it.
    Level,
    /// How much there was since some start: a counter, the sum and the count of a histogram or summary.
    Total,
    /// How many values since some start were at most `le`.
    Bucket,
    /// Below this value lies the part `quantile` of the values of late.
    Quantile,
}

/// Why a line is not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    pub line: usize,
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Counter,
    Histogram,
    Summary,
    /// A gauge, and all that is no more than that to us.
    Level,
}

/// All samples of a text, in its order.
pub fn samples(text: &str) -> Samples<'_> {
    Samples { lines: text.split('\n'), line: 0, kinds: HashMap::new() }
}

/// See [`samples`].
pub struct Samples<'a> {
    lines: std::str::Split<'a, char>,
    line: usize,
    kinds: HashMap<&'a str, Kind>,
}

impl<'a> Iterator for Samples<'a> {
    type Item = Result<Sample<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        for line in self.lines.by_ref() {
            self.line += 1;
            let line = line.trim_matches(is_blank);
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((name, kind)) = declared(comment).filter(|_| self.kinds.len() < MOST_FAMILIES) {
                    self.kinds.insert(name, kind);
                }
            } else if !line.is_empty() {
                let sample = sample(line).map_err(|why| Fault { line: self.line, why });
                return Some(sample.map(|sample| Sample { meaning: self.meaning(&sample), ..sample }));
            }
        }
        None
    }
}

impl Samples<'_> {
    /// The line of the last sample, from 1 on.
    pub fn line(&self) -> usize {
        self.line
    }

    fn meaning(&self, sample: &Sample<'_>) -> Meaning {
        let kind = |name: &str| self.kinds.get(name).copied();
        let has = |label: &str| sample.labels.iter().any(|(name, _)| *name == label);
        match kind(sample.name) {
            Some(Kind::Counter) => return Meaning::Total,
            Some(Kind::Summary) if has("quantile") => return Meaning::Quantile,
            Some(Kind::Level | Kind::Histogram | Kind::Summary) => return Meaning::Level,
            None => {}
        }
        // The other samples of a family have its name and a suffix.
        let Some((family, suffix)) = sample.name.rsplit_once('_') else { return Meaning::Level };
        match (kind(family), suffix) {
            (Some(Kind::Counter), "total") | (Some(Kind::Histogram | Kind::Summary), "sum" | "count") => Meaning::Total,
            (Some(Kind::Histogram), "bucket") if has("le") => Meaning::Bucket,
            _ => Meaning::Level,
        }
    }
}

/// Name and type of ` TYPE name type`.
fn declared(comment: &str) -> Option<(&str, Kind)> {
    let mut words = comment.split(is_blank).filter(|word| !word.is_empty());
    let (Some("TYPE"), Some(name), Some(kind), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return None;
    };
    let kind = match kind {
        "counter" => Kind::Counter,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        _ => Kind::Level,
    };
    Some((name, kind))
}

/// `name{label="value",...} value [time]`, without blanks around it.
fn sample(line: &str) -> Result<Sample<'_>, &'static str> {
    let (name, rest) = word(line, true).ok_or("a sample begins with the name of its metric")?;
    let rest = rest.trim_start_matches(is_blank);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None if rest.len() + name.len() == line.len() => return Err("no blank stands between name and value"),
        None => (Vec::new(), rest),
    };
    let mut numbers = rest.split(is_blank).filter(|word| !word.is_empty());
    let value = numbers.next().ok_or("has no value")?;
    let value = f64::from_str(value).map_err(|_| "its value is no number")?;
    let at =
        numbers.next().map(|at| at.parse().map_err(|_| "its time is no whole number of milliseconds")).transpose()?;
    match numbers.next() {
        Some(_) => Err("something stands behind value and time"),
        None => Ok(Sample { name, labels, value, at, meaning: Meaning::Level }),
    }
}

/// Labels with their values.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What stands behind the opening brace, and what is left behind the closing one.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let mut labels: Labels<'_> = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_blank);
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (name, behind) = word(rest, false).ok_or("the name of a label is none")?;
        let behind = behind.trim_start_matches(is_blank).strip_prefix('=').ok_or("a label has no `=`")?;
        let quoted =
            behind.trim_start_matches(is_blank).strip_prefix('"').ok_or("the value of a label has no quotes")?;
        let (value, behind) = unquoted(quoted).ok_or("the value of a label has no end")?;
        if labels.len() >= MOST_LABELS {
            return Err("there are too many labels");
        }
        if labels.iter().any(|(other, _)| *other == name) {
            return Err("a label stands twice");
        }
        labels.push((name, value));
        rest = behind.trim_start_matches(is_blank);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.starts_with('}') => {}
            None => return Err("labels have no end"),
        }
    }
}

/// Up to the closing quotes, and what follows them. A backslash stands before `\`, `"` and, for a line end, `n`.
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_owned();
    let mut chars = text[end..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &text[end + at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                // Nothing that the format knows: it means itself.
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// The name at the beginning, and what follows it.
fn word(text: &str, colons: bool) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    let starts_well = text.starts_with(|c: char| fits(c) && !c.is_ascii_digit());
    (end > 0 && starts_well).then(|| text.split_at(end))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

#[cfg(test)]
mod tests;
