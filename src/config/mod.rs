//! From what the user wrote to what runs.
pub mod settings;

pub use settings::Settings;
