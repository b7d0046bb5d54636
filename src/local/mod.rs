//! The embedded CloudWatch: one SQLite file that takes batches as the service does, and shows what it took.
//!
//! [`Store`] implements `Put`, so the daemon publishes to it with the same batches, retries and positions as to AWS.
//! [`Reader`] reads the same file from any process, while the daemon writes and when it does not run. Retrying,
//! creating what is missing and setting aside what is refused stay with `publish`; showing stays with `commands`.
//!
//! What is full or failing: a full disk, a read-only file and a damaged database are `PutError::Failed` with the path
//! in the cause, so the batch is kept and tried again. The file stays bounded by age: rows past the retention are
//! deleted in small steps after writes (`sweep`), and the pages they leave are used again or given back.
//!
//! Blocking: every write runs on the blocking pool, one at a time. A [`Reader`] blocks; call it from there too.
//!
//! To extend: `database` has the tables and their version, `rules` what the service would refuse, `store` the writes,
//! `reader` the questions.
mod database;
mod printer;
mod reader;
mod rules;
mod store;
mod sweep;

pub use database::LocalError;
pub use printer::{Printer, Trouble};
pub use reader::{Cursor, EventQuery, Page, Reader, Series, StoredPoint, Stream};
pub use store::Store;
