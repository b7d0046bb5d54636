//! Log sources: what is read, from where on, and which events pass.
//!
//! ```text
//! files                                  can be read again: bytes, by a thread of their own
//! journald  windows_events  unified_log  can be read again: entries, by tasks that share `supervised`
//! emf  fifo                              cannot: they hand what comes to an `Intake`
//! lines                                  bytes to lines, lines to events (files, fifo)
//! text  filter                           what becomes of an event's text (all but emf)
//! imported                               where other programs stopped, as positions of ours
//! ```
//!
//! Sources know neither positions, nor spools, nor lanes: only the traits of `model` that stand for them.
pub mod emf;
pub mod fifo;
pub mod files;
pub mod filter;
pub mod imported;
pub mod journald;
mod lines;
pub mod supervised;
pub mod text;
pub mod unified_log;
pub mod windows_events;
