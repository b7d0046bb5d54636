//! Sending a frame to whoever relays them.
use super::frame::{self, BuildError};
use crate::platform::sockets;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a relay may take to accept a frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It cannot be a frame.
    #[error("there can be no frame of it")]
    Build(#[from] BuildError),
    /// Nobody listens, or whoever does does not read.
    #[error("nobody takes frames at {socket}: {}", remedy(source))]
    Socket { socket: PathBuf, source: io::Error },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "start the daemon with agent.serial_relay enabled, or name its socket"
        }
        io::ErrorKind::InvalidInput => "choose a shorter path",
        io::ErrorKind::PermissionDenied => "send as a user who may write to it (`mode` of agent.serial_relay)",
        _ => "see `status` of the daemon that listens there",
    }
}

/// Send one frame to the relay that listens at `socket`, and how many bytes it had. The relay answers nothing: that it was sent means
/// that a relay has it, not the device. Blocks for 5 seconds at most for each of connecting and writing.
///
/// `tag` says what kind of data it is, `cpuutil` for one. Data that is not compressed must be UTF-8.
///
/// # Errors
/// When no frame can be made of it, or nobody takes it.
pub fn send(socket: &Path, tag: &str, data: &[u8], compress: bool) -> Result<usize, SendError> {
    let frame = frame::build(tag, data, compress)?;
    let sent = sockets::connect(socket, PATIENCE).and_then(|mut relay| relay.write_all(&frame));
    sent.map_err(|source| SendError::Socket { socket: socket.to_owned(), source })?;
    Ok(frame.len())
}
