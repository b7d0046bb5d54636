//! `textfile`: files in the Prometheus format that other programs write, as for node_exporter's collector of that name.
//!
//! At each reading every file that the patterns match is read whole. One whose last line has no line end is just being written, and is
//! left for the next reading; what it counts meanwhile is not lost, since growth covers the gap. Files are bounded in number and size,
//! samples in number. What is wrong with a file is said when it changes, and costs only that file or line.
mod search;

use super::{
    CollectError, Collector, Entry, Readings,
    adopted::Adopted,
    exposition,
    rounds::{Complaint, News},
};
use crate::{
    config::{
        glob::Glob,
        settings::{
            exposition::Textfiles,
            metrics::{Options, Plugin},
        },
    },
    model::{
        Dimension, Point, Points, Resolution, Timestamp, Unit,
        limits::{DIMENSION_VALUE, fits_metric},
    },
    platform::files,
    telemetry::counters,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

pub(super) const ENTRY: Entry = Entry { key: "textfile", build };

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    match &plugin.options {
        Options::Textfile(files) => Box::new(Reader::new(plugin, files)),
        _ => unreachable!("the configuration gives each plugin its own options"),
    }
}

/// Files that are read at most.
const MOST_FILES: usize = 100;
/// Bytes of a file at most: some ten thousand samples.
const LARGEST: u64 = 1 << 20;
/// Samples of one reading at most. CloudWatch would charge 3,000 dollars a month for as many metrics.
const MOST_SAMPLES: usize = 10_000;

/// How long ago a file was written.
const AGE: &str = "textfile_age_seconds";

/// The files of one configuration.
struct Reader {
    patterns: Vec<Glob>,
    resolution: Resolution,
    age: bool,
    adopted: Adopted,
    /// It was read before: the scheduler does not send what comes of the first time.
    primed: bool,
    /// What is wrong with each file.
    complaints: BTreeMap<PathBuf, Complaint>,
    /// What is wrong with all of them together.
    whole: Complaint,
}

/// Why a file, or a part of it, is not read.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{source}")]
    Read { source: io::Error },
    #[error("its last line has no line end: it is read when whoever writes it has finished")]
    Unfinished,
    #[error("line {line}, and {others} more: {why}")]
    Unfit { line: usize, others: usize, why: String },
    #[error("all files together have more than {MOST_SAMPLES} samples: the rest is not read")]
    TooMany,
}

impl Collector for Reader {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        // What is wrong with a file is said by its name, here.
        self.read(out.now().wall, out.finished());
        Ok(())
    }
}

impl Reader {
    /// Patterns that cannot be one were refused with the configuration.
    fn new(plugin: &Plugin, settings: &Textfiles) -> Self {
        Self {
            patterns: settings.paths.iter().filter_map(|path| Glob::parse(path).ok()).collect(),
            resolution: plugin.resolution,
            age: settings.age,
            adopted: Adopted::new(plugin, settings.exposition),
            primed: false,
            complaints: BTreeMap::new(),
            whole: Complaint::default(),
        }
    }

    /// Append what the files say now. Blocks.
    fn read(&mut self, now: Timestamp, points: &mut Points) {
        let found = search::files(&self.patterns, MOST_FILES);
        self.tell_of_all(&found);
        let baseline = !std::mem::replace(&mut self.primed, true);
        self.adopted.begin(baseline);
        self.complaints.retain(|path, _| found.paths.contains(path));
        let mut left = MOST_SAMPLES;
        for path in &found.paths {
            let wrong = self.file(path, now, &mut left, points).err();
            self.tell(path, wrong.as_ref());
        }
    }

    fn file(&mut self, path: &Path, now: Timestamp, left: &mut usize, points: &mut Points) -> Result<(), FileError> {
        let read = |source| FileError::Read { source };
        if self.age {
            let written = Timestamp::from(files::stat(path).map_err(read)?.modified);
            points.push(self.age_of(path, now.since(written).as_secs_f64(), now));
        }
        let bytes = files::read_small(path, LARGEST).map_err(read)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            return Err(FileError::Unfinished);
        }
        let text = String::from_utf8_lossy(&bytes);
        let place = path.to_string_lossy();
        let (mut first, mut faults) = (None, 0_usize);
        let mut samples = exposition::samples(&text);
        while let Some(sample) = samples.next() {
            if *left == 0 {
                return Err(FileError::TooMany);
            }
            *left -= 1;
            let taken = sample
                .map_err(|fault| fault.why.to_owned())
                .and_then(|sample| self.adopted.take(&place, &sample, now, points).map_err(|unfit| unfit.to_string()));
            if let Err(why) = taken {
                faults += 1;
                first.get_or_insert((samples.line(), why));
            }
        }
        counters::SAMPLES_REFUSED.add(faults as u64);
        match first {
            Some((line, why)) => Err(FileError::Unfit { line, others: faults - 1, why }),
            None => Ok(()),
        }
    }

    fn age_of(&self, path: &Path, seconds: f64, at: Timestamp) -> Point {
        let name = path.to_string_lossy();
        let name: String = name.chars().map(|c| if fits_metric(c) { c } else { '_' }).take(DIMENSION_VALUE).collect();
        Point {
            name: AGE.into(),
            value: seconds.into(),
            unit: Unit::Seconds,
            at,
            dimensions: [Dimension::new("file", name)].into(),
            resolution: self.resolution,
        }
    }

    fn tell(&mut self, path: &Path, wrong: Option<&FileError>) {
        let complaint = self.complaints.entry(path.to_owned()).or_default();
        // A file may well be found half-written once.
        let why = wrong.map(ToString::to_string);
        let news = complaint.heard(why.as_deref());
        let path = path.display();
        match (news, wrong, why) {
            (News::Wrong, Some(FileError::Unfinished), _) => {
                tracing::debug!("the text file with metrics {path} is just being written")
            }
            (News::Wrong, Some(_), Some(why)) => tracing::warn!(why, "the text file with metrics {path} is not well"),
            (News::Well, ..) => tracing::info!("the text file with metrics {path} is well again"),
            _ => {}
        }
    }

    fn tell_of_all(&mut self, found: &search::Found) {
        let why = if found.more {
            Some("more files match than are read, or more must be looked at: name fewer")
        } else if found.paths.is_empty() {
            Some("no file matches")
        } else {
            None
        };
        if let (News::Wrong, Some(why)) = (self.whole.heard(why), why) {
            let patterns: Vec<&str> = self.patterns.iter().map(Glob::text).collect();
            tracing::warn!(?patterns, most = MOST_FILES, why, "text files with metrics");
        }
    }
}

#[cfg(test)]
mod tests;
