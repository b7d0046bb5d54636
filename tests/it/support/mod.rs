//! What the stories stand on.
//!
//! | module | gives |
//! |---|---|
//! | `fake` | an AWS inside the test that checks every request and fails on purpose |
//! | `iam` | what a policy allows |
//! | `moto` | somebody else's AWS, to compare our reading of the API with |
//! | `cloudformation` | a stand-in for it, of which moto makes nothing of Cognito |
//! | `psutil` | somebody else's reading of this machine, to compare ours with |
//! | `tls` | certificates, and AWS IoT's credentials endpoint that demands one |
//! | `host` | a machine with files to tail, and the daemon that runs on it |
//! | `program` | which binary that is: another system's, where an emulator runs it |
//! | `metadata` | EC2's instance metadata |
//! | `terminal` | a pseudo-terminal in place of a serial device, or of whom a script asks |
//! | `writer` | a program that writes numbered lines and rotates its log |
//! | `http` | one raw request, for what no SDK would send |
//!
//! Waiting is for an event and never for a time: `until` returns as soon as what it waits for is there, and fails
//! after [`PATIENCE`] with what there was instead.
pub mod cloudformation;
pub mod fake;
pub mod host;
pub mod http;
pub mod iam;
pub mod metadata;
pub mod moto;
pub mod program;
pub mod psutil;
pub mod terminal;
pub mod tls;
pub mod writer;

use std::time::Duration;

/// When waiting becomes failing: far beyond what a busy machine with two cores needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The region of everything here. moto takes a request without a signature as one for this region.
pub const REGION: &str = "us-east-1";
