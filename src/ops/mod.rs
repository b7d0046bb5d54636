//! What is done for daemons rather than by one: what they sign in to is deployed, their configurations are composed, and what AWS must
//! allow them is written.
//!
//! Nothing here runs inside the daemon. Commands call it; it prints nothing.
pub mod composing;
pub mod finished;
pub mod password;
pub mod policy;
pub mod stack;
pub mod systems;
pub mod templates;
pub mod things;
pub mod users;
