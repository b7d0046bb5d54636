//! `config keys`: the files that a configuration signs in with, for those who copy it, install it, or give it away.
//!
//! Only the configuration is read; whether the files are there, and are what they are to be, says `validate`.
use crate::{
    commands::EXIT_CONFIG,
    config::{
        self,
        settings::{Authentication, Certificate, Password, Settings},
    },
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Print them, one on each line; of a configuration with errors its errors, on standard error.
///
/// # Errors
/// When nobody takes them.
pub fn run(path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let path = path.map_or_else(config::default_path, Path::to_path_buf);
    let loaded = config::load(&path);
    let Some(settings) = &loaded.settings else {
        loaded.findings.iter().filter(|finding| finding.is_error()).for_each(|finding| eprintln!("{finding:#}"));
        return Ok(ExitCode::from(EXIT_CONFIG));
    };
    let mut out = io::stdout().lock();
    for file in named(settings) {
        writeln!(out, "{}", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn named(settings: &Settings) -> Vec<&PathBuf> {
    match &settings.agent.authentication {
        Authentication::Chain => vec![],
        Authentication::Cognito(login) => match &login.password {
            Password::File(path) => vec![path],
            Password::Inline(_) | Password::Environment => vec![],
        },
        Authentication::Iot(login) => match &login.certificate {
            Certificate::Bundle(path) => vec![path],
            Certificate::Pair { certificate, key } => vec![certificate, key],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named_by(authentication: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.json");
        let text = format!(r#"{{ "agent": {{ "region": "us-east-1", "authentication": {authentication} }} }}"#);
        std::fs::write(&path, text).expect("ours");
        let settings = config::load(&path).settings.expect("no errors");
        named(&settings).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn each_way_to_sign_in_names_the_files_that_it_needs() {
        let cognito = r#""accountId": "123456789012", "userPoolId": "us-east-1_AbC", "appClientId": "1abc",
            "identityPoolId": "us-east-1:11111111-2222-3333-4444-555555555555""#;
        let iot = r#""iotUrl": "x.credentials.iot.us-east-1.amazonaws.com", "roleAlias": "r", "thingName": "t""#;
        assert_eq!(named_by("{}"), [""; 0]);
        assert_eq!(named_by(&format!(r#"{{ {cognito}, "password": "p" }}"#)), [""; 0]);
        assert_eq!(named_by(&format!(r#"{{ {cognito}, "passwordFile": "/p" }}"#)), ["/p"]);
        assert_eq!(named_by(&format!(r#"{{ {iot}, "certificate": "/c.pem" }}"#)), ["/c.pem"]);
        assert_eq!(named_by(&format!(r#"{{ {iot}, "certificate": ["/c", "/k"] }}"#)), ["/c", "/k"]);
    }
}
