//! Plain data that travels through the rooms: points and datums, chunks of log text, batches, positions. No I/O here.
//!
//! Two journeys, one direction each:
//!
//! ```text
//! collector -> Point -> MetricBatch -> Put            (failed: spool, replayed with its first timestamps)
//! source    -> Chunk -> LogBatch    -> Put -> Cover   (a Cover moves the source's saved position forward)
//! ```
pub mod facts;
mod headcount;
mod intake;
pub mod limits;
mod log;
mod log_name;
mod metric;
mod position;
mod receipt;
mod target;
mod time;

pub use facts::{Fact, Facts};
pub use headcount::{Headcount, Member};
pub use intake::{Intake, TooManyTargets};
pub use log::{
    Chunk, EVENT_START, Event, LaneWaker, LogBatch, LogEvent, Outgoing, Outlet, REQUEST_END, Slot, Target, TimedBy,
};
pub use log_name::{LogName, NameFault, brief};
pub use metric::{Dimension, MetricBatch, Parcel, Point, Points, Reading, Resolution, Unit, Values};
pub use position::{
    Anchor, BEFORE, Checkpoints, Cover, FileIdentity, FilePosition, Fingerprint, JournalPosition, Position, SourceId,
    UnifiedPosition, WindowsPosition,
};
pub use receipt::Receipt;
pub use target::{Entity, LogGroupClass};
pub use time::{Skew, Timestamp};
