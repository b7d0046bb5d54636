//! The one list of what we ask the operating system: plain functions, data out, no metric names.
pub mod files;
