use super::*;
use crate::{
    config::settings::{
        exposition::{Counters, Exposition},
        metrics::{Measurements, SourceDimensions},
    },
    telemetry::log,
};
use std::{fs, time::Duration};

fn reader(folder: &Path, age: bool) -> Reader {
    let paths = vec![folder.join("*.prom").to_str().expect("UTF-8").to_owned()];
    let files = Textfiles { paths, age, exposition: Exposition { counters: Counters::Delta, buckets: false } };
    let plugin = Plugin {
        at: "textfile".into(),
        key: "textfile",
        measurements: Measurements::Everything { prefix: String::new() },
        interval: Duration::from_secs(60),
        resolution: Resolution::Minute,
        dimensions: SourceDimensions::default(),
        options: Options::None,
    };
    Reader { primed: true, ..Reader::new(&plugin, &files) }
}

/// The one value.
fn value(point: &Point) -> f64 {
    point.value.iter().map(|(value, _)| value).sum()
}

fn points(reader: &mut Reader) -> Points {
    let mut points = Points::new();
    reader.read(Timestamp::now(), &mut points);
    points
}

fn told(reader: &mut Reader) -> Vec<String> {
    points(reader).iter().map(|point| format!("{}={:?}", point.name, value(point))).collect()
}

/// What is wrong with the file of this name.
fn wrong(reader: &Reader, name: &str) -> Option<String> {
    let (_, complaint) = reader.complaints.iter().find(|(path, _)| path.ends_with(name)).expect("read");
    complaint.last().map(str::to_owned)
}

#[test]
fn all_files_are_read_and_a_wrong_line_costs_only_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.prom"), "# TYPE a gauge\na{x=\"y\"} 1\n").expect("written");
    fs::write(folder.path().join("b.prom"), "b 2\nb{ 3\nc NaN\nd\u{e9} 1\ne 4\n").expect("written");
    fs::write(folder.path().join("c.prom"), "").expect("written");
    let mut reader = reader(folder.path(), false);
    let refused = counters::SAMPLES_REFUSED.here();
    assert_eq!(told(&mut reader), ["a=1.0", "b=2.0", "e=4.0"]);
    assert_eq!(counters::SAMPLES_REFUSED.here(), refused + 3);
    assert_eq!((wrong(&reader, "a.prom"), wrong(&reader, "c.prom")), (None, None));
    assert!(wrong(&reader, "b.prom").is_some_and(|why| why.contains("name of a label")));
}

#[test]
fn the_first_reading_is_a_baseline() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.prom"), "# TYPE c counter\nc 5\ng 1\n").expect("written");
    let mut reader = Reader { primed: false, ..reader(folder.path(), false) };
    assert_eq!(told(&mut reader), [""; 0]);
    assert_eq!(told(&mut reader), ["c=0.0", "g=1.0"]);
}

#[test]
fn a_half_written_file_waits_until_it_is_whole_and_its_growth_is_not_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, mut reader) = (folder.path().join("a.prom"), reader(folder.path(), false));
    let mut read = |text: &str| {
        fs::write(&file, text).expect("written");
        told(&mut reader)
    };
    assert_eq!(read("# TYPE c counter\nc 100\n"), [""; 0]);
    assert_eq!(read("# TYPE c counter\nc 10"), [""; 0]);
    assert_eq!(read("# TYPE c counter\nc 103\n"), ["c=3.0"]);
}

#[test]
fn counters_of_two_files_do_not_mix() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut reader = reader(folder.path(), false);
    let mut read = |a: u32, b: u32| {
        for (name, value) in [("a.prom", a), ("b.prom", b)] {
            fs::write(folder.path().join(name), format!("# TYPE c counter\nc {value}\n")).expect("written");
        }
        told(&mut reader)
    };
    assert_eq!(read(5, 1_000), [""; 0]);
    assert_eq!(read(6, 1_020), ["c=1.0", "c=20.0"]);
}

#[test]
fn what_is_too_large_or_no_file_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = fs::File::create(folder.path().join("large.prom")).expect("made");
    large.set_len(LARGEST + 1).expect("sparse");
    fs::write(folder.path().join("good.prom"), "g 1\n").expect("written");
    let mut reader = reader(folder.path(), false);
    assert_eq!(told(&mut reader), ["g=1.0"]);
    assert!(wrong(&reader, "large.prom").is_some_and(|why| why.contains("larger")));
}

#[test]
fn samples_are_bounded_over_all_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let many: String = (0..=MOST_SAMPLES).map(|n| format!("m{n} 1\n")).collect();
    fs::write(folder.path().join("a.prom"), many).expect("written");
    fs::write(folder.path().join("b.prom"), "b 1\n").expect("written");
    let mut reader = reader(folder.path(), false);
    assert_eq!(told(&mut reader).len(), MOST_SAMPLES);
    assert!(["a.prom", "b.prom"].iter().all(|file| wrong(&reader, file).is_some_and(|why| why.contains("samples"))));
}

#[test]
fn the_age_of_each_file_is_a_metric_where_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.prom");
    fs::write(&file, "a 1").expect("written");
    let written = std::time::SystemTime::now() - Duration::from_secs(3_600);
    fs::File::options().write(true).open(&file).expect("there").set_modified(written).expect("ours");
    let points = points(&mut reader(folder.path(), true));
    assert_eq!(points.len(), 1, "also of one that is not whole");
    assert_eq!((points[0].name.as_ref(), points[0].unit), (AGE, Unit::Seconds));
    assert_eq!(points[0].dimensions[..], [Dimension::new("file", file.to_str().expect("UTF-8"))]);
    assert!((3_600.0..7_200.0).contains(&value(&points[0])), "{:?}", points[0].value);
}

#[test]
fn a_file_that_goes_takes_what_was_wrong_with_it_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.prom");
    fs::write(&file, "a\n").expect("written");
    let mut reader = reader(folder.path(), false);
    told(&mut reader);
    assert_eq!(reader.complaints.len(), 1);
    fs::remove_file(&file).expect("removed");
    told(&mut reader);
    assert_eq!(reader.complaints.len(), 0);
    assert!(reader.whole.last().is_some_and(|why| why.contains("no file")));
}

#[test]
fn a_file_that_is_wrong_again_and_again_does_not_hide_another_in_the_own_log() {
    let wrong = || FileError::Unfit { line: 1, others: 0, why: "no value".into() };
    let told = log::said(|| {
        let mut reader = reader(Path::new("/m"), false);
        for _ in 0..10 {
            reader.tell(Path::new("/m/noisy.prom"), Some(&wrong()));
            reader.tell(Path::new("/m/noisy.prom"), None);
        }
        reader.tell(Path::new("/m/quiet.prom"), Some(&wrong()));
    });
    let complaints: Vec<_> = told.iter().filter(|line| line.contains("WARN")).collect();
    assert!(complaints.len() < 10 && complaints.last().is_some_and(|line| line.contains("quiet.prom")), "{told:?}");
}
