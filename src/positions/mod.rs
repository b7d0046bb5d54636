//! Checkpoints of what can be read again.
