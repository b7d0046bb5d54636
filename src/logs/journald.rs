//! The systemd journal through `journalctl`.
