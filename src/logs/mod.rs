//! Log sources: what is read, from where on, and which events pass.
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
