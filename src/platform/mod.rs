//! The one list of what we ask the operating system: plain functions, data out, no metric names.
pub mod disk;
pub mod permissions;
pub mod private;
