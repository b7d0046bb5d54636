//! Log sources: what is read, from where on, and which events pass.
pub mod files;
pub mod filter;
pub mod imported;
pub mod journald;
