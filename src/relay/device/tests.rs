use super::*;
use crate::{relay::queue::Queue, telemetry::board::Board};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// What a pretended device does when it is opened or written to.
enum Does {
    Opens,
    Refuses(io::ErrorKind),
    /// Takes so many bytes.
    Takes(usize),
    Fails(io::ErrorKind),
}

type Event = (Duration, Box<dyn FnOnce()>);

/// A device that follows a script, and a clock that goes on when somebody waits. At the end of the script everything works.
struct Stage {
    script: RefCell<VecDeque<Does>>,
    /// What came out, a list of bytes for each opening.
    out: RefCell<Vec<Vec<u8>>>,
    begun: Instant,
    passed: Cell<Duration>,
    discarded: Cell<u32>,
    settled: Cell<u32>,
    marked: Cell<bool>,
    /// Bytes that were taken and not passed on.
    waits: Cell<usize>,
    /// When somebody has waited for so long, this happens.
    event: RefCell<Option<Event>>,
}

impl Stage {
    fn with(script: impl IntoIterator<Item = Does>) -> Rc<Self> {
        Rc::new(Self {
            script: RefCell::new(script.into_iter().collect()),
            out: RefCell::default(),
            begun: Instant::now(),
            passed: Cell::default(),
            discarded: Cell::default(),
            settled: Cell::default(),
            marked: Cell::default(),
            waits: Cell::default(),
            event: RefCell::default(),
        })
    }

    fn pass(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
        assert!(self.passed.get() < Duration::from_hours(1), "it waits for ever");
        if self.event.borrow().as_ref().is_some_and(|(at, _)| *at <= self.passed.get()) {
            let (_, event) = self.event.borrow_mut().take().expect("just seen");
            event();
        }
    }

    fn out(&self) -> Vec<String> {
        self.out.borrow().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl World for Rc<Stage> {
    type Port = Rc<Stage>;

    fn open(&mut self) -> io::Result<(Rc<Stage>, String)> {
        match self.script.borrow_mut().pop_front().unwrap_or(Does::Opens) {
            Does::Opens => {}
            Does::Refuses(kind) => return Err(kind.into()),
            Does::Takes(_) | Does::Fails(_) => panic!("the script has a write here, and it was opened"),
        }
        self.out.borrow_mut().push(vec![]);
        Ok((self.clone(), "device".to_owned()))
    }

    fn mark(&mut self, torn: bool) {
        self.marked.set(torn);
    }

    fn is_marked(&self) -> bool {
        self.marked.get()
    }

    fn now(&self) -> Instant {
        self.begun + self.passed.get()
    }

    fn pause(&mut self, time: Duration) {
        self.pass(time);
    }
}

impl Port for Rc<Stage> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.script.borrow_mut().pop_front() {
            None => bytes.len(),
            Some(Does::Takes(0)) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(Does::Takes(most)) => most.min(bytes.len()),
            Some(Does::Fails(kind)) => return Err(kind.into()),
            Some(Does::Opens | Does::Refuses(_)) => panic!("the script has an opening here, and it was written to"),
        };
        self.out.borrow_mut().last_mut().expect("opened").extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn wait(&mut self, most: Duration) {
        self.pass(most);
    }

    fn waiting(&mut self) -> usize {
        self.waits.get()
    }

    fn settle(&mut self, _: Duration) {
        self.settled.set(self.settled.get() + 1);
    }

    fn discard(&mut self) {
        self.discarded.set(self.discarded.get() + 1);
    }
}

/// A writer that may have its device.
fn writer(stage: &Rc<Stage>) -> (Writer<Rc<Stage>>, Arc<Gate>, Queue, Receiver<Order>) {
    let gate = Arc::new(Gate::default());
    let (queue, orders) = Queue::new(gate.clone());
    queue.hold(true);
    let line = Line::new(&Arc::new(Board::default()), "device".to_owned(), "");
    (Writer::new(stage.clone(), gate.clone(), line), gate, queue, orders)
}

/// Relays these one after the other.
fn relayed(stage: &Rc<Stage>, frames: &[&str]) {
    let (mut writer, _gate, _queue, _orders) = writer(stage);
    for frame in frames {
        writer.relay(Frame::came(frame.as_bytes(), stage.now()));
    }
}

#[test]
fn what_a_device_takes_in_parts_is_one_frame() {
    let stage =
        Stage::with([Does::Opens, Does::Takes(2), Does::Takes(0), Does::Takes(1), Does::Takes(0), Does::Takes(9)]);
    let before = (counters::RELAY_FRAMES.here(), counters::RELAY_BYTES.here());
    relayed(&stage, &["first\n", "second\n"]);
    assert_eq!(stage.out(), ["first\nsecond\n"]);
    assert_eq!((counters::RELAY_FRAMES.here(), counters::RELAY_BYTES.here()), (before.0 + 2, before.1 + 13));
}

#[test]
fn an_interrupted_write_is_no_failure() {
    let stage = Stage::with([Does::Opens, Does::Fails(io::ErrorKind::Interrupted)]);
    relayed(&stage, &["a\n"]);
    assert_eq!(stage.out(), ["a\n"]);
}

#[test]
fn a_device_that_is_gone_is_opened_again_ever_later_and_the_frame_waits() {
    let gone = || Does::Refuses(io::ErrorKind::NotFound);
    let stage = Stage::with([Does::Opens, Does::Fails(io::ErrorKind::BrokenPipe), gone(), gone(), gone(), Does::Opens]);
    relayed(&stage, &["a\n", "b\n"]);
    assert_eq!(stage.out(), ["", "a\nb\n"], "nothing of it had been written, so no line end comes first");
    // 0.5 + 1 + 2 + 4 seconds, each found in slices.
    let waited = stage.passed.get();
    assert!(waited >= Duration::from_millis(7_500) && waited < Duration::from_millis(8_500), "{waited:?}");
}

#[test]
fn a_frame_that_was_torn_is_written_anew_behind_a_line_end() {
    let stage =
        Stage::with([Does::Opens, Does::Takes(3), Does::Fails(io::ErrorKind::BrokenPipe), Does::Opens, Does::Takes(0)]);
    relayed(&stage, &["frame\n", "next\n"]);
    assert_eq!(stage.out(), ["fra", "\nframe\nnext\n"]);
}

#[test]
fn a_device_that_takes_nothing_is_opened_again_and_what_it_had_of_earlier_frames_gets_an_end() {
    let blocks = (0..).map(|_| Does::Takes(0)).take(STALL.as_millis() as usize / SLICE.as_millis() as usize + 1);
    let stage = Stage::with([Does::Opens, Does::Takes(2)].into_iter().chain(blocks));
    relayed(&stage, &["a\n", "b\n"]);
    assert_eq!(stage.out(), ["a\n", "\nb\n"]);
    assert_eq!(stage.discarded.get(), 0, "somebody may read it yet");
    assert!(stage.passed.get() >= STALL && stage.passed.get() < STALL + Duration::from_secs(2));
}

#[test]
fn a_frame_that_an_earlier_process_tore_gets_an_end() {
    let stage = Stage::with([Does::Opens, Does::Takes(1), Does::Takes(0)]);
    let (mut killed, gate, queue, _orders) = writer(&stage);
    *stage.event.borrow_mut() = Some((SLICE, Box::new(move || gate.give_up())));
    killed.relay(Frame::came(b"ab\n", stage.now()));
    assert!(stage.marked.get());
    drop((killed, queue));
    relayed(&stage, &["c\n"]);
    assert_eq!((stage.out(), stage.marked.get()), (vec!["a".to_owned(), "\nc\n".to_owned()], false));
}

#[test]
fn a_device_that_opens_and_never_takes_anything_is_complained_of_once() {
    let board = Arc::new(Board::default());
    let errors = || board.read().sources.into_values().filter_map(|line| line.last_error).count();
    let blocked = || (0..).map(|_| Does::Takes(0)).take(STALL.as_millis() as usize / SLICE.as_millis() as usize + 1);
    let stage = Stage::with([Does::Opens].into_iter().chain(blocked()).chain([Does::Opens]).chain(blocked()));
    let gate = Arc::new(Gate::default());
    let (queue, _orders) = Queue::new(gate.clone());
    queue.hold(true);
    let mut writer = Writer::new(stage.clone(), gate, Line::new(&board, "device".to_owned(), ""));
    let opened_again = STALL + Duration::from_secs(3);
    let said = crate::telemetry::log::said(|| {
        writer.relay(Frame::came(b"a\n", stage.now()));
    });
    assert!(stage.passed.get() > opened_again);
    assert_eq!(said.iter().filter(|line| line.contains("it takes nothing")).count(), 1, "{said:?}");
    assert_eq!(errors(), 0, "it works in the end");
}

#[test]
fn a_device_that_takes_a_little_now_and_then_is_not_closed() {
    let slow = (0..200).map(|n| Does::Takes(usize::from(n % 40 == 39)));
    let stage = Stage::with([Does::Opens].into_iter().chain(slow));
    relayed(&stage, &["12345\n"]);
    assert_eq!(stage.out(), ["12345\n"]);
}

#[test]
fn what_has_waited_for_too_long_is_not_taken_for_the_present() {
    let stage = Stage::with([]);
    let (mut writer, _gate, _queue, _orders) = writer(&stage);
    let old = Frame::came(b"old\n", stage.now());
    stage.passed.set(OLDEST + Duration::from_secs(1));
    let before = counters::RELAY_FRAMES_EXPIRED.here();
    writer.relay(old);
    writer.relay(Frame::came(b"new\n", stage.now()));
    assert_eq!((stage.out(), counters::RELAY_FRAMES_EXPIRED.here()), (vec!["new\n".to_owned()], before + 1));
}

#[test]
fn without_the_socket_the_device_is_let_go_of_and_frames_wait() {
    let stage = Stage::with([]);
    let (mut writer, gate, queue, _orders) = writer(&stage);
    writer.look();
    assert!(writer.port.is_some());
    queue.hold(false);
    let other = Duration::from_secs(3);
    *stage.event.borrow_mut() = Some((other, Box::new(move || queue.hold(true))));
    writer.relay(Frame::came(b"a\n", stage.now()));
    assert_eq!(stage.out(), ["", "a\n"]);
    assert!(stage.passed.get() >= other && gate.is_held());
}

#[test]
fn at_the_stop_an_open_device_gets_what_waits_and_no_other_is_opened() {
    let stage = Stage::with([]);
    let (mut writer, _gate, queue, orders) = writer(&stage);
    writer.look();
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(queue.put(b"a\n", stage.now()));
    queue.stop();
    drop(queue);
    writer.run(&orders);
    assert_eq!((stage.out(), stage.settled.get(), stage.discarded.get()), (vec!["a\n".to_owned()], 1, 0));

    let stage = Stage::with([Does::Refuses(io::ErrorKind::NotFound)]);
    let (mut writer, _gate, queue, _orders) = self::writer(&stage);
    writer.look();
    queue.stop();
    let before = counters::RELAY_FRAMES_GIVEN_UP.here();
    writer.relay(Frame::came(b"a\n", stage.now()));
    assert_eq!((stage.out(), counters::RELAY_FRAMES_GIVEN_UP.here()), (vec![], before + 1));
}

#[test]
fn what_is_not_written_at_the_stop_is_left_to_the_relay_that_follows() {
    let (left, stage) = (Arc::new(Left::default()), Stage::with([Does::Opens, Does::Takes(1)]));
    let (mut first, gate, queue, orders) = writer(&stage);
    first.left = left.clone();
    first.look();
    left.expect_another(true);
    for frame in [b"one\n", b"two\n"] {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(queue.put(frame, stage.now()));
    }
    queue.stop();
    stage.script.borrow_mut().extend((0..10_000).map(|_| Does::Takes(0)));
    *stage.event.borrow_mut() = Some((Duration::from_secs(3), Box::new(move || gate.give_up())));
    let before = counters::RELAY_FRAMES_GIVEN_UP.here();
    drop(queue);
    first.run(&orders);
    assert_eq!((stage.out(), stage.marked.get()), (vec!["o".to_owned()], true));
    let stage = Stage::with([]);
    stage.marked.set(true);
    let (mut second, _gate, queue, orders) = writer(&stage);
    second.left = left;
    drop(queue);
    second.run(&orders);
    assert_eq!(stage.out(), ["\none\ntwo\n"]);
    assert_eq!(counters::RELAY_FRAMES_GIVEN_UP.here(), before);
}

#[test]
fn what_was_left_to_a_relay_that_does_not_come_is_given_up() {
    let (left, stage) = (Left::default(), Stage::with([]));
    left.expect_another(true);
    left.put(Frame::came(b"a\n", stage.now()));
    let before = counters::RELAY_FRAMES_GIVEN_UP.here();
    left.give_up();
    assert_eq!((counters::RELAY_FRAMES_GIVEN_UP.here(), left.take().len()), (before + 1, 0));
}

#[test]
fn at_the_end_of_the_time_a_device_that_blocks_is_given_up() {
    let stage = Stage::with((0..10_000).map(|n| if n == 0 { Does::Opens } else { Does::Takes(0) }));
    let (mut writer, gate, _queue, _orders) = writer(&stage);
    *stage.event.borrow_mut() = Some((Duration::from_secs(3), Box::new(move || gate.give_up())));
    let before = counters::RELAY_FRAMES_GIVEN_UP.here();
    writer.relay(Frame::came(b"a\n", stage.now()));
    assert_eq!(counters::RELAY_FRAMES_GIVEN_UP.here(), before + 1);
    assert!(stage.passed.get() < Duration::from_secs(4));
    stage.waits.set(1);
    writer.close();
    assert_eq!((stage.settled.get(), stage.discarded.get()), (0, 1), "closing must not wait for it");
    assert!(stage.marked.get(), "whoever comes next has to end it");
}

#[test]
fn what_is_wrong_with_the_device_stands_on_the_board_until_it_works() {
    let board = Arc::new(Board::default());
    let error = || board.read().sources.into_values().next().and_then(|line| line.last_error);
    let stage = Stage::with([Does::Refuses(io::ErrorKind::PermissionDenied)]);
    let gate = Arc::new(Gate::default());
    let (queue, _orders) = Queue::new(gate.clone());
    queue.hold(true);
    let mut writer = Writer::new(stage.clone(), gate, Line::new(&board, "device".to_owned(), ""));
    writer.look();
    assert!(error().is_some_and(|told| told.contains("could not be opened: permission denied")), "{:?}", error());
    writer.relay(Frame::came(b"a\n", stage.now()));
    assert_eq!(error(), None);
}

#[test]
fn what_a_device_had_not_passed_on_when_it_failed_may_lack_its_end() {
    for (waits, between, second) in [(1, SETTLE / 2, "\nb\n"), (1, SETTLE * 2, "b\n"), (0, SETTLE / 2, "b\n")] {
        let stage = Stage::with([Does::Opens, Does::Takes(2), Does::Fails(io::ErrorKind::BrokenPipe)]);
        stage.waits.set(waits);
        let (mut writer, _gate, _queue, _orders) = writer(&stage);
        writer.relay(Frame::came(b"a\n", stage.now()));
        stage.pass(between);
        writer.relay(Frame::came(b"b\n", stage.now()));
        assert_eq!(stage.out(), ["a\n", second]);
    }
}

#[test]
fn what_another_relay_finds_on_the_device_has_an_end() {
    let stage = Stage::with([Does::Opens, Does::Takes(1), Does::Takes(0)]);
    let (mut writer, _gate, queue, _orders) = writer(&stage);
    let again = queue.clone();
    *stage.event.borrow_mut() = Some((SLICE, Box::new(move || queue.hold(false))));
    let stage_of_event = stage.clone();
    let come_back = Box::new(move || {
        assert_eq!(stage_of_event.out(), ["a\n"]);
        again.hold(true);
    });
    let first = stage.event.borrow_mut().take().expect("just put");
    let (stage_then, then) = (stage.clone(), (SLICE * 3, come_back as Box<dyn FnOnce()>));
    *stage.event.borrow_mut() = Some((
        first.0,
        Box::new(move || {
            (first.1)();
            *stage_then.event.borrow_mut() = Some(then);
        }),
    ));
    writer.relay(Frame::came(b"ab\n", stage.now()));
    assert_eq!(stage.out(), ["a\n", "ab\n"]);
}
