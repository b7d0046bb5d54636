//! shim
pub struct LogOptions {
    pub file: Option<std::path::PathBuf>,
    pub named: bool,
    pub debug: bool,
    pub quiet: bool,
    pub rust_log: Option<String>,
}
pub struct LogGuard;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct LogError;
pub fn init(_: LogOptions) -> Result<LogGuard, LogError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Ok(LogGuard)
}
