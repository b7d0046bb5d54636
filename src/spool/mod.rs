//! A disk ring for what cannot be read again.
