//! `validate`: every finding of a configuration at once.
