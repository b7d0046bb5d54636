//! Take a batch, put it, acknowledge it: everything between a cut batch and a moved position.
mod put;

pub use put::{BoxError, Next, Put, PutError, PutFuture, Rejected, Service};
