//! Which logs of its own this system keeps.

/// Whether it may have a systemd journal.
pub const fn has_journal() -> bool {
    cfg!(target_os = "linux")
}

/// Whether it has the Windows event log.
pub const fn has_windows_events() -> bool {
    cfg!(windows)
}

/// Whether it has the unified log of macOS.
pub const fn has_unified_log() -> bool {
    cfg!(target_os = "macos")
}
