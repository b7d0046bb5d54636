//! What is done for daemons rather than by one: their configurations are composed here.
//!
//! Nothing here runs inside the daemon. Commands call it; it prints nothing.
pub mod composing;
