use super::*;
use crate::{
    config::settings::metrics::{Measurement, SourceDimensions},
    metrics::{Moment, Reader, readings},
    model::{Point, Resolution, Timestamp, Unit, Values},
};

/// A machine with two disks, of which the second came later.
#[derive(Default)]
struct Made {
    paths: Vec<String>,
    samples: u32,
}

impl Counters for Made {
    fn add(&mut self, path: &str) -> Result<usize, CounterError> {
        if path.contains("Missing") {
            return Err(CounterError::NoCounter { path: path.to_owned() });
        }
        self.paths.push(path.to_owned());
        Ok(self.paths.len() - 1)
    }

    fn sample(&mut self) -> Result<(), CounterError> {
        self.samples += 1;
        Ok(())
    }

    fn values(&mut self, counter: usize, each: &mut dyn FnMut(&str, f64)) -> Result<(), CounterError> {
        let path = &self.paths[counter];
        if path.ends_with("/sec") && self.samples < 2 {
            return Ok(());
        }
        if !path.contains("(*)") {
            each("", 7.5);
            return Ok(());
        }
        let all = [("C:", 1.0), ("D: (data)", 2.0), ("_Total", 3.0), ("0,_Total", 4.0)];
        for (name, value) in all.iter().filter(|(name, _)| !name.starts_with('D') || self.samples > 1) {
            each(name, *value);
        }
        Ok(())
    }
}

fn opened() -> Result<Box<dyn Counters>, CounterError> {
    Ok(Box::<Made>::default())
}

fn object(name: &str, resources: Option<&[&str]>, counters: &[&str], open: Open) -> Reader {
    let measurement = |counter: &&str| Measurement {
        field: (*counter).into(),
        name: format!("{name} {counter}"),
        unit: Unit::None,
        scale: 1.0,
        is_delta: false,
    };
    let instances = resources.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let plugin = Plugin {
        at: "x".into(),
        key: "performance",
        measurements: Measurements::These(counters.iter().map(measurement).collect()),
        interval: Duration::from_secs(10),
        resolution: Resolution::Minute,
        dimensions: SourceDimensions::default(),
        options: Options::Performance { object: name.to_owned(), instances },
    };
    Reader { collector: Box::new(Performance::of(&plugin, open)), wanted: readings::Wanted::of(&plugin) }
}

fn read(reader: &mut Reader, at: Instant) -> Vec<String> {
    let (points, result) = reader.read(Moment { wall: Timestamp::from_millis(7), monotonic: at });
    result.expect("readable");
    let one = |point: &Point| {
        let Values::One(value) = point.value else { unreachable!("one reading has one value") };
        let dimensions: Vec<_> = point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
        format!("{} {value} {}", point.name, dimensions.join(" "))
    };
    points.iter().map(one).collect()
}

#[test]
fn every_instance_but_the_totals_is_published_and_those_that_come_later_too() {
    let mut reader = object("LogicalDisk", Some(&["*"]), &["% Free Space"], opened);
    let now = Instant::now();
    assert_eq!(read(&mut reader, now), ["LogicalDisk % Free Space 1 instance=C: objectname=LogicalDisk"]);
    let second = "LogicalDisk % Free Space 2 instance=D: (data) objectname=LogicalDisk";
    assert_eq!(read(&mut reader, now)[1..], [second]);
}

#[test]
fn totals_and_single_instances_are_published_where_they_are_named() {
    let taken = |resources: &[&str]| {
        let resources: Vec<_> = resources.iter().map(|name| (*name).to_owned()).collect();
        let instances = Instances::of("Processor", Some(&resources));
        ["0", "1", "_Total", "0,_Total"].into_iter().filter(|name| instances.take(name)).collect::<Vec<_>>()
    };
    assert_eq!(taken(&["*"]), ["0", "1"]);
    assert_eq!(taken(&["*", "_Total"]), ["0", "1", "_Total"]);
    assert_eq!(taken(&["_total"]), ["_Total"]);
    assert_eq!(taken(&["1", "gone"]), ["1"]);
    assert_eq!(taken(&["gone"]), [] as [&str; 0]);
}

#[test]
fn an_object_without_instances_has_no_such_dimension_whatever_is_written() {
    for resources in [None, Some(&["*"][..]), Some(&[][..])] {
        let mut reader = object("Memory", resources, &["Available Bytes"], opened);
        assert_eq!(read(&mut reader, Instant::now()), ["Memory Available Bytes 7.5 objectname=Memory"]);
    }
}

#[test]
fn a_rate_has_a_value_from_the_second_reading_on_and_the_rest_at_once() {
    let mut reader = object("System", None, &["Context Switches/sec", "Processor Queue Length"], opened);
    let now = Instant::now();
    assert_eq!(read(&mut reader, now), ["System Processor Queue Length 7.5 objectname=System"]);
    assert_eq!(read(&mut reader, now).len(), 2);
}

#[test]
fn a_counter_that_is_not_there_hides_no_other() {
    let mut reader = object("System", None, &["Missing", r"a\b", "Threads"], opened);
    let now = Instant::now();
    assert_eq!(read(&mut reader, now), ["System Threads 7.5 objectname=System"]);
    assert_eq!(read(&mut reader, now + AGAIN), ["System Threads 7.5 objectname=System"], "nothing is watched twice");
}

#[test]
fn what_cannot_be_opened_is_an_error_and_is_tried_again() {
    let closed = || Err(CounterError::Failed { source: io::ErrorKind::Unsupported.into() });
    let mut reader = object("System", None, &["Threads"], closed);
    for _ in 0..2 {
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: Instant::now() };
        assert!(matches!(reader.read(now), (_, Err(CollectError::Read { .. }))));
    }
}
