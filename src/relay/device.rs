//! The one thread that has the serial device open, and writes each frame whole.
//!
//! A device may take a part of a frame, nothing for a while, or vanish. The rest of a frame is written as soon as it is taken. What takes
//! nothing for [`STALL`] or fails is closed and opened again, first after [`FIRST_WAIT`], then ever later up to [`LONGEST_WAIT`]; meanwhile frames
//! wait in the queue. Where the device may have a part of a frame, a line end comes before the next: whoever reads the torn one sees that its
//! checksum is wrong. So it is after a crash, too, which a file in the state folder tells. A frame says nothing of its time, so one that is older than [`OLDEST`] would be taken for the present: it is given up and counted.
use super::queue::{Frame, Gate, Left, Order};
use crate::{
    platform::serial::{self, Serial},
    telemetry::{counters, listening::Line},
};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a device may take nothing. At 115,200 baud it takes some of the longest frame all the time, and all of it within 6 seconds.
pub const STALL: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The shortest period of EC2's own metrics without detailed monitoring.
pub const OLDEST: Duration = Duration::from_mins(5);
/// How long an orderly close waits for the device: a full buffer of 4 KiB needs a third of a second.
const SETTLE: Duration = Duration::from_secs(1);
/// So soon a change of the gate is heard of.
const SLICE: Duration = Duration::from_millis(200);
/// What ends a torn frame.
const LINE_END: &[u8] = b"\n";

/// What the thread has to do with: the device, and the time.
pub trait World {
    type Port: Port;
    /// With the name by which people know it.
    fn open(&mut self) -> io::Result<(Self::Port, String)>;
    /// Remember beyond the end of this process that the device has a part of a frame, or that it has none.
    fn mark(&mut self, torn: bool);
    /// Whether an earlier process left a part of a frame.
    fn is_marked(&self) -> bool;
    fn now(&self) -> Instant;
    fn pause(&mut self, time: Duration);
}

/// An open device; see [`Serial`].
pub trait Port {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn wait(&mut self, most: Duration);
    fn settle(&mut self, most: Duration);
    fn discard(&mut self);
    fn waiting(&mut self) -> usize;
}

/// The device of this host.
pub struct Host {
    /// `None`: the first of those that EC2 Macs have.
    pub device: Option<PathBuf>,
    /// A file that names the device while that has a part of a frame.
    pub mark: PathBuf,
}

impl Host {
    /// As the mark knows it.
    fn name(&self) -> Vec<u8> {
        let device = self.device.as_deref().unwrap_or(serial::DEVICES[0].as_ref());
        device.as_os_str().as_encoded_bytes().to_vec()
    }
}

impl World for Host {
    type Port = Serial;

    fn open(&mut self) -> io::Result<(Serial, String)> {
        let found = self.device.clone().or_else(serial::device_of_this_mac);
        let path = found.ok_or_else(|| {
            let [first, second] = serial::DEVICES;
            io::Error::new(io::ErrorKind::NotFound, format!("neither {first} nor {second} is there"))
        })?;
        Ok((Serial::open(&path)?, path.display().to_string()))
    }

    fn mark(&mut self, torn: bool) {
        // Without it a crash in the middle of a frame costs the frame behind it, too; no more than that.
        let _ = match torn {
            true => fs::write(&self.mark, self.name()),
            false => fs::remove_file(&self.mark),
        };
    }

    fn is_marked(&self) -> bool {
        fs::read(&self.mark).is_ok_and(|marked| marked == self.name())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }
}

impl Port for Serial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::write(self, bytes)
    }

    fn wait(&mut self, most: Duration) {
        Self::wait(self, most);
    }

    fn settle(&mut self, most: Duration) {
        Self::settle(self, most);
    }

    fn discard(&mut self) {
        Self::discard(self);
    }

    fn waiting(&mut self) -> usize {
        Self::waiting(self)
    }
}

/// Write what comes until nobody can bring anything any more. Blocks; has a thread of its own.
///
/// What an earlier relay has left comes first; what is not written at the end is left in its place.
pub fn run(host: Host, orders: &Receiver<Order>, gate: Arc<Gate>, line: Line, left: Arc<Left>) {
    Writer { left, ..Writer::new(host, gate, line) }.run(orders);
}

/// What is wrong with the device, as far as it was said.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Trouble {
    No,
    /// It cannot be opened.
    Opening,
    /// It takes nothing, although it can be opened.
    Writing,
}

struct Writer<W: World> {
    world: W,
    gate: Arc<Gate>,
    line: Line,
    left: Arc<Left>,
    port: Option<W::Port>,
    /// The device has a part of a frame without its end.
    torn: bool,
    /// When it had taken the end of a frame and not passed all of it on.
    undrained: Option<Instant>,
    trouble: Trouble,
    /// No attempt to open it before this.
    again: Instant,
    wait: Duration,
}

impl<W: World> Writer<W> {
    fn new(world: W, gate: Arc<Gate>, line: Line) -> Self {
        let (now, torn) = (world.now(), world.is_marked());
        let left = Arc::default();
        Self {
            world,
            gate,
            line,
            left,
            port: None,
            torn,
            undrained: None,
            trouble: Trouble::No,
            again: now,
            wait: FIRST_WAIT,
        }
    }

    fn run(&mut self, orders: &Receiver<Order>) {
        self.left.take().into_iter().for_each(|frame| self.relay(frame));
        loop {
            self.look();
            let waits = self.port.is_none() && self.gate.is_held();
            let next = match waits {
                true => orders.recv_timeout(self.again.saturating_duration_since(self.world.now()).max(SLICE)),
                false => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(Order::Frame(frame)) => self.relay(frame),
                Ok(Order::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    /// Let go of the device, when it has passed on what it took.
    fn close(&mut self) {
        let Some(mut port) = self.port.take() else { return };
        // Another relay may have the device next, and knows nothing of what ours has begun.
        if self.torn && port.write(LINE_END).is_ok_and(|written| written > 0) {
            self.tear(false);
        }
        if !self.gate.gives_up() {
            port.settle(SETTLE);
        }
        let bytes = port.waiting();
        if bytes > 0 {
            // The system would let us wait for them, half a minute perhaps.
            port.discard();
            self.tear(true);
            tracing::warn!(bytes, "what the serial device had taken and did not pass on was thrown away");
        }
    }

    /// Open or close the device as the gate says.
    fn look(&mut self) {
        if !self.gate.is_held() {
            if self.port.is_some() {
                self.close();
                tracing::info!("the serial device was let go of");
            }
            (self.wait, self.again) = (FIRST_WAIT, self.world.now());
        } else if self.port.is_none() && !self.gate.stops() && self.world.now() >= self.again {
            match self.world.open() {
                Ok((port, device)) => {
                    if self.trouble != Trouble::Writing {
                        tracing::info!(device, "the serial device is open");
                        self.works();
                    }
                    self.port = Some(port);
                }
                Err(error) => self.failed(&error, "could not be opened", Trouble::Opening),
            }
        }
    }

    /// Write this frame, however long that takes.
    fn relay(&mut self, frame: Frame) {
        let (mut written, mut moved) = (0, self.world.now());
        loop {
            if self.gate.gives_up() || self.gate.stops() && self.port.is_none() {
                return self.left.put(frame);
            }
            if written == 0 && self.world.now().saturating_duration_since(frame.at) > OLDEST {
                counters::RELAY_FRAMES_EXPIRED.add(1);
                return tracing::warn!("a frame waited for the serial device for so long that it was given up");
            }
            self.look();
            let Some(port) = &mut self.port else {
                written = 0;
                self.world.pause(SLICE);
                moved = self.world.now();
                continue;
            };
            // The end of a torn frame is a write of its own, before the first byte of the next.
            let ends = self.torn && written == 0;
            match port.write(if ends { LINE_END } else { &frame.bytes[written..] }) {
                Ok(more) if more > 0 => {
                    moved = self.world.now();
                    written += if ends { 0 } else { more };
                    let is_whole = written == frame.bytes.len();
                    self.undrained = (is_whole && port.waiting() > 0).then_some(moved);
                    self.tear(!ends && !is_whole);
                    if is_whole {
                        self.wait = FIRST_WAIT;
                        self.works();
                        counters::RELAY_FRAMES.add(1);
                        return counters::RELAY_BYTES.add(frame.bytes.len() as u64);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    self.lost(written > 0, &error, "failed");
                    written = 0;
                }
                Ok(_) | Err(_) if self.world.now().saturating_duration_since(moved) < STALL => port.wait(SLICE),
                Ok(_) | Err(_) => {
                    self.lost(true, &io::Error::new(io::ErrorKind::TimedOut, "it takes nothing"), "blocks");
                    written = 0;
                }
            }
        }
    }

    /// Note whether the device has a part of a frame.
    fn tear(&mut self, torn: bool) {
        if self.torn != torn {
            self.torn = torn;
            self.world.mark(torn);
        }
    }

    fn works(&mut self) {
        if self.trouble != Trouble::No {
            self.trouble = Trouble::No;
            self.line.works();
            tracing::info!("the serial device works again");
        }
    }

    /// The open device is of no use any more. `torn`: perhaps with a part of a frame, also of an earlier one, of which the system may lose the end with
    /// the device that it closes.
    fn lost(&mut self, torn: bool, error: &io::Error, how: &str) {
        self.port = None;
        let undrained = self.undrained.take().is_some_and(|at| self.world.now().saturating_duration_since(at) < SETTLE);
        self.tear(self.torn || torn || undrained);
        self.failed(error, how, Trouble::Writing);
    }

    fn failed(&mut self, error: &io::Error, how: &str, trouble: Trouble) {
        self.trouble = trouble;
        let help = match error.kind() {
            io::ErrorKind::NotFound => "see `device` of agent.serial_relay",
            io::ErrorKind::PermissionDenied => "let the daemon's user write to it",
            io::ErrorKind::ResourceBusy => "stop the other program",
            io::ErrorKind::InvalidInput => "name a serial device with `device` of agent.serial_relay",
            _ => "see what is on its other side",
        };
        if self.line.note(format!("{how}: {error}: {help}")) {
            tracing::warn!(device = self.line.name, %error, "the serial device {how}; it is opened again, frames wait: {help}");
        }
        self.again = self.world.now() + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests;
