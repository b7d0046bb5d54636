//! `local metrics` and `local logs`: read the embedded store.
