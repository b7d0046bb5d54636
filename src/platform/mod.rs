//! The one list of what we ask the operating system: plain functions, data out, no metric names.
mod private;

pub use private::{private_file, private_folder};
