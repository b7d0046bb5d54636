//! The only spawner of long-lived tasks.
