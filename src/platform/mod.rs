//! The one list of what we ask the operating system: plain functions, data out, no metric names.
pub mod accounts;
pub mod connections;
pub mod cpus;
pub mod descriptors;
pub mod devices;
pub mod disk;
pub mod ebs;
pub mod echo;
pub mod files;
pub mod group;
pub mod host;
pub mod io;
pub mod logs;
pub mod lookup;
#[cfg(target_os = "macos")]
mod mach;
pub mod memory;
pub mod mounts;
pub mod os;
pub mod performance;
pub mod permissions;
pub mod pipes;
mod private;
pub mod process_states;
pub mod processes;
pub mod procfs;
pub mod ram;
pub mod serial;
pub mod sockets;
pub mod typing;
pub mod udp;
pub mod vitals;
pub mod windows_events;
pub mod zones;

pub use private::{passable_folder, private_file, private_folder, private_lock};
