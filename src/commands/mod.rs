//! One file per subcommand: the only users of anyhow and of standard output.
pub mod local;
pub mod validate;
