//! From points and chunks to batches that the service accepts.
