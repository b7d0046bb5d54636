//! Which events are sent.
