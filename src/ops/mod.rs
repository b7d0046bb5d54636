//! What is done for daemons rather than by one: their configurations are composed here, and what AWS must allow them is written.
//!
//! Nothing here runs inside the daemon. Commands call it; it prints nothing.
pub mod composing;
pub mod policy;
