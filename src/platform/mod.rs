//! The one list of what we ask the operating system: plain functions, data out, no metric names.
pub mod cpus;
pub mod descriptors;
pub mod disk;
pub mod ebs;
pub mod files;
pub mod group;
pub mod host;
pub mod io;
pub mod logs;
#[cfg(target_os = "macos")]
mod mach;
pub mod memory;
pub mod permissions;
pub mod pipes;
mod private;
pub mod procfs;
pub mod sockets;
pub mod vitals;
pub mod windows_events;
pub mod zones;

pub use private::{passable_folder, private_file, private_folder, private_lock};
