//! Where the events of one source go: to one stream, or to one of each unit.
//!
//! A stream with `{unit}` in its name stands for one stream a unit. Their number is bounded: a machine that starts a unit of a
//! new name for each of its jobs would open streams, and lanes for them, without an end. What comes after [`MOST`] units goes
//! to one more stream, `other`, which is said once.
use crate::{
    config::placeholder,
    model::{Chunk, LaneWaker, Outlet, Target, limits::LOG_NAME},
};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::mpsc;

/// What a stream's name has in the place of the unit.
pub const UNIT: &str = "{unit}";
/// Units that get a stream of their own.
pub const MOST: usize = 500;
/// The unit of what comes later.
const OTHER: &str = "other";

pub(super) enum Streams {
    One(mpsc::Sender<Box<Chunk>>),
    Each(Each),
}

/// One stream a unit. Holds the outlet, and so keeps every lane open, until the source ends.
pub(super) struct Each {
    outlet: Arc<dyn Outlet>,
    target: Arc<Target>,
    lanes: HashMap<String, mpsc::Sender<Box<Chunk>>>,
    told: bool,
}

impl Streams {
    pub(super) fn new(target: &Arc<Target>, outlet: Arc<dyn Outlet>) -> Self {
        if target.stream.contains(UNIT) {
            return Self::Each(Each { outlet, target: target.clone(), lanes: HashMap::new(), told: false });
        }
        Self::One(lane(outlet.as_ref(), target))
    }

    /// Whether units have streams of their own.
    pub(super) fn differ(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Each(_) => true,
        }
    }

    /// The lane of this unit.
    pub(super) fn of(&mut self, unit: &str) -> &mpsc::Sender<Box<Chunk>> {
        match self {
            Self::One(lane) => lane,
            Self::Each(each) => each.of(unit),
        }
    }
}

impl Each {
    fn of(&mut self, unit: &str) -> &mpsc::Sender<Box<Chunk>> {
        let mut stream = self.stream(unit);
        if !self.lanes.contains_key(&stream) && self.lanes.len() >= MOST {
            stream = self.stream(OTHER);
            if !std::mem::replace(&mut self.told, true) {
                let template = &self.target.stream;
                tracing::warn!(
                    template,
                    units = MOST,
                    unit,
                    other = stream,
                    "more units than streams that are made for them: this unit and all new ones share one stream; name the units \
                     that are wanted (`units`), or leave {UNIT} out of the stream's name"
                );
            }
        }
        self.lanes.entry(stream).or_insert_with_key(|stream| {
            let target = Target { stream: stream.clone(), ..self.target.as_ref().clone() };
            lane(self.outlet.as_ref(), &Arc::new(target))
        })
    }

    fn stream(&self, unit: &str) -> String {
        let unit = placeholder::stream_value(unit);
        self.target.stream.replace(UNIT, &unit).chars().take(LOG_NAME).collect()
    }
}

/// Sending waits by itself, so nobody has to be woken.
fn lane(outlet: &dyn Outlet, target: &Arc<Target>) -> mpsc::Sender<Box<Chunk>> {
    outlet.lane(target, &LaneWaker::new(|| {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Outlet for Noted {
        fn lane(&self, target: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
            self.0.lock().expect("no test panics while it holds this").push(target.stream.clone());
            mpsc::channel(1).0
        }
    }

    fn streams(stream: &str) -> (Arc<Noted>, Streams) {
        let noted = Arc::new(Noted::default());
        let target = Target { group: "g".into(), stream: stream.into(), ..Target::default() };
        let streams = Streams::new(&Arc::new(target), noted.clone());
        (noted, streams)
    }

    fn opened(noted: &Noted) -> Vec<String> {
        noted.0.lock().expect("no test panics while it holds this").clone()
    }

    #[test]
    fn each_unit_has_one_stream_whose_name_the_service_takes() {
        let (noted, mut streams) = streams("host-{unit}");
        for unit in ["a.service", "b:*.service", "a.service"] {
            streams.of(unit);
        }
        assert_eq!(opened(&noted), ["host-a.service", "host-b__.service"]);
        streams.of(&"x".repeat(600));
        assert_eq!(opened(&noted)[2].len(), LOG_NAME);
    }

    #[test]
    fn without_the_word_there_is_one_stream_at_once() {
        let (noted, mut streams) = streams("host");
        streams.of("a.service");
        assert!(!streams.differ());
        assert_eq!(opened(&noted), ["host"]);
    }

    #[test]
    fn more_units_than_streams_share_one_and_known_ones_keep_theirs() {
        let (noted, mut streams) = streams("{unit}");
        for unit in 0..MOST + 20 {
            streams.of(&unit.to_string());
        }
        streams.of("7");
        let opened = opened(&noted);
        assert_eq!((opened.len(), opened.last().map(String::as_str)), (MOST + 1, Some("other")));
    }
}
