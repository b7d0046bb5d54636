//! What is done for daemons rather than by one: what AWS must allow them is written here.
//!
//! Nothing here runs inside the daemon. Commands call it; it prints nothing.
pub mod policy;
