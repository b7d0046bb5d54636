//! Log sources: what is read, from where on, and which events pass.
pub mod files;
pub mod filter;
pub mod journald;
pub mod supervised;
#[allow(dead_code)] // Until the sources hand their events to it.
pub mod text;
