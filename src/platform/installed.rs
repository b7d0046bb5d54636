//! Where an installed program keeps its things: the one place that knows the layout.
//!
//! Linux and macOS: below `/opt/aws/amazon-cloudwatch-publisher`. Windows, where programs and their data live apart: the program below
//! `%ProgramFiles%`, all else below `%ProgramData%`, the folder for what belongs to no user
//! (<https://learn.microsoft.com/windows/win32/shell/knownfolderid>, `FOLDERID_ProgramData`). The folders have the same names on all of them.
use std::path::PathBuf;

/// Below which everything lies on Linux and macOS.
const UNIX: &str = "/opt/aws/amazon-cloudwatch-publisher";

/// The same below `%ProgramData%`.
const WINDOWS: [&str; 2] = ["Amazon", "CloudWatchPublisher"];

/// What holds the configuration, the own log and the state.
pub fn folder() -> PathBuf {
    folder_of(cfg!(windows), std::env::var_os("ProgramData").map(PathBuf::from))
}

fn folder_of(windows: bool, data: Option<PathBuf>) -> PathBuf {
    if windows {
        // What would be relative depends on where the program was started.
        let data = data.filter(|data| data.is_absolute()).unwrap_or_else(|| r"C:\ProgramData".into());
        WINDOWS.iter().fold(data, |path, part| path.join(part))
    } else {
        UNIX.into()
    }
}

/// The configuration.
pub fn configuration() -> PathBuf {
    folder().join("etc").join("amazon-cloudwatch-publisher.json")
}

/// The program itself on Windows.
pub fn windows_program() -> PathBuf {
    let programs = std::env::var_os("ProgramFiles").map(PathBuf::from).filter(|programs| programs.is_absolute());
    let programs = programs.unwrap_or_else(|| r"C:\Program Files".into());
    WINDOWS.iter().fold(programs, |path, part| path.join(part)).join("amazon-cloudwatch-publisher.exe")
}

/// The file of the own log.
pub fn own_log() -> PathBuf {
    folder().join("logs").join("amazon-cloudwatch-publisher.log")
}

/// What is kept across restarts.
pub fn state() -> PathBuf {
    folder().join("var")
}

/// [`configuration`] as people read it: with the variable, where its value differs from host to host.
pub const CONFIGURATION: &str = if cfg!(windows) {
    r"%ProgramData%\Amazon\CloudWatchPublisher\etc\amazon-cloudwatch-publisher.json"
} else {
    "/opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json"
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_system_keeps_the_installed_things_where_its_administrators_look() {
        assert_eq!(folder_of(false, Some("/elsewhere".into())), Path::new("/opt/aws/amazon-cloudwatch-publisher"));
        let data = if cfg!(windows) { r"D:\Data" } else { "/data" };
        assert_eq!(
            folder_of(true, Some(data.into())),
            Path::new(data).join("Amazon").join("CloudWatchPublisher"),
            "where the variable says"
        );
        let usual = Path::new(r"C:\ProgramData").join("Amazon").join("CloudWatchPublisher");
        assert_eq!(folder_of(true, None), usual);
        assert_eq!(folder_of(true, Some("relative".into())), usual);
    }

    #[test]
    fn what_people_read_is_where_the_configuration_is() {
        let data = std::env::var("ProgramData").unwrap_or_default();
        assert_eq!(Path::new(&CONFIGURATION.replace("%ProgramData%", &data)), configuration());
    }
}
