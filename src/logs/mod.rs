//! Log sources: what is read, from where on, and which events pass.
pub mod emf;
pub mod fifo;
pub mod files;
pub mod filter;
pub mod journald;
