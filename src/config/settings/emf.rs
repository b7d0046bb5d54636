//! `logs.metrics_collected.emf`.
use super::TargetTemplate;
use crate::config::words::words;
use std::path::PathBuf;

/// Where documents of the embedded metric format are received, and where those go that do not say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Emf {
    /// Its JSON path, for messages.
    pub at: String,
    /// Empty: no network.
    pub addresses: Vec<EmfAddress>,
    pub socket: Option<EmfSocket>,
    /// Where documents go that do not say it.
    pub target: TargetTemplate,
    /// Its group is one. Else documents without a group are refused.
    pub names_group: bool,
    /// Every event is on the disk before it is sent.
    pub durable: bool,
    /// A datagram may hold several documents, each on a line of its own.
    pub split_datagrams: bool,
}

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmfAddress {
    pub protocol: EmfProtocol,
    pub host: EmfHost,
    pub port: u16,
}

/// How documents come over the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EmfProtocol {
    Udp,
    Tcp,
}

/// The addresses of this host on which to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EmfHost {
    /// `127.0.0.1` and `::1`: programs of this host only.
    Loopback,
    /// Whoever can reach this host.
    All,
    /// A name, or an address without brackets.
    Named(String),
}

/// A UNIX socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmfSocket {
    pub path: PathBuf,
    pub kind: SocketKind,
    /// The rights of its file.
    pub mode: u32,
}

words! {
    /// What a UNIX socket takes.
    pub enum SocketKind {
        /// Connections, one document a line.
        Stream = "stream",
        /// One document each.
        Datagram = "datagram",
    }
}
