//! What a configuration points to on this host: can it be read, and is it safe. Decoding never looks; this does, for `validate` and at start.
use super::{
    File, Finding,
    section::{Findings, Section},
    settings::{Authentication, Certificate, PASSWORD_VARIABLE, Password, Serial, Settings},
};
use crate::platform::permissions::{self, Owner};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{collections::HashMap, fs, io, path::Path};

/// Everything that this host does not grant. Reads small files; does no network.
pub fn check_host(settings: &Settings, file: &File) -> Vec<Finding> {
    let password = std::env::var_os(PASSWORD_VARIABLE).is_some_and(|password| !password.is_empty());
    check(settings, file, password)
}

fn check(settings: &Settings, file: &File, password_in_environment: bool) -> Vec<Finding> {
    let findings = Findings::default();
    let root = Section::root(file, &findings);
    let agent = root.child("agent");
    command_is_ours(settings, file, &agent);
    authentication(settings, file, &agent.child("authentication"), password_in_environment);
    if let Some(bundle) = &settings.agent.endpoints.ca_bundle {
        certificates(&agent.child("ca_bundle"), bundle);
    }
    relative_paths(settings, &root);
    findings.into_sorted()
}

/// Whoever may write the file may run a command as us, so nobody else may.
fn command_is_ours(settings: &Settings, file: &File, agent: &Section<'_>) {
    // Also one that `serial` overrules today.
    let command = agent.path(&["instance", "command"]);
    let runs = command.exists() || matches!(settings.agent.instance.serial, Serial::Command(_));
    let Some(rights) = file.rights.filter(|_| runs) else { return };
    if rights.others_may_write {
        command.error(
            "refused: others than its owner may write this file, and it names a command to run; \
             take the right away (chmod go-w)",
        );
    }
    if let Owner::Other(uid) = rights.owner {
        command.error(format!(
            "refused: this file belongs to user {uid}, not to the user that runs the command, nor to root; change its owner"
        ));
    }
}

fn authentication(settings: &Settings, file: &File, section: &Section<'_>, password_in_environment: bool) {
    if section.has("password") && file.rights.is_some_and(|rights| rights.all_may_read) {
        section.child("password").warning(
            "every user of this host may read this file and the password in it; \
             take the right away (chmod o-r) or use `passwordFile`",
        );
    }
    match &settings.agent.authentication {
        Authentication::Chain => {}
        Authentication::Cognito(cognito) => match &cognito.password {
            Password::Inline(_) => {}
            Password::File(path) => password_file(&section.child("passwordFile"), path),
            Password::Environment => {
                if !password_in_environment {
                    section.error(format!(
                        "has neither `password` nor `passwordFile`, and the environment variable {PASSWORD_VARIABLE} is not set"
                    ));
                }
            }
        },
        Authentication::Iot(iot) => certificate(&section.child("certificate"), &iot.certificate),
    }
}

fn password_file(section: &Section<'_>, path: &Path) {
    let Some(text) = contents(section, path) else { return };
    if text.split(|byte| *byte == b'\n').next().is_none_or(<[u8]>::is_empty) {
        section.error(format!("the first line of {} is empty; it must be the password", path.display()));
    }
    private(section, path, "the password in it");
}

fn certificate(section: &Section<'_>, certificate: &Certificate) {
    match certificate {
        Certificate::Bundle(path) => {
            certificates(section, path);
            private_key(section, path);
        }
        Certificate::Pair { certificate, key } => {
            let items = section.items();
            let [first, second] = items.as_slice() else { return };
            certificates(first, certificate);
            private_key(second, key);
        }
    }
}

/// Reports a file without a certificate in it.
fn certificates(section: &Section<'_>, path: &Path) {
    let Some(pem) = contents(section, path) else { return };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => {}
        Ok(_) => section.error(format!("there is no PEM certificate (BEGIN CERTIFICATE) in {}", path.display())),
        Err(error) => section.error(format!("{} is no PEM file: {error}", path.display())),
    }
}

/// Reports a file without a private key in it, or with one that everybody may read.
fn private_key(section: &Section<'_>, path: &Path) {
    // An unreadable bundle was reported when its certificates were looked for.
    let pem = match section.items().is_empty() && section.at.ends_with("certificate") {
        true => fs::read(path).ok(),
        false => contents(section, path),
    };
    let Some(pem) = pem else { return };
    if PrivateKeyDer::from_pem_slice(&pem).is_err() {
        section.error(format!("there is no PEM private key (BEGIN PRIVATE KEY) in {}", path.display()));
    } else {
        private(section, path, "the private key in it");
    }
}

fn private(section: &Section<'_>, path: &Path, what: &str) {
    let rights = fs::metadata(path).ok().and_then(|metadata| permissions::of(&metadata));
    if rights.is_some_and(|rights| rights.all_may_read) {
        section.warning(format!(
            "every user of this host may read {} and {what}; take the right away (chmod o-r)",
            path.display()
        ));
    }
}

fn contents(section: &Section<'_>, path: &Path) -> Option<Vec<u8>> {
    let read = if path.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { fs::read(path) };
    read.map_err(|error| section.error(format!("{} cannot be read: {error}", path.display()))).ok()
}

/// A daemon has no folder of its own choosing, so a relative path leads somewhere else at each start.
fn relative_paths(settings: &Settings, root: &Section<'_>) {
    let run: HashMap<&str, &Path> = settings.logs.files.iter().map(|f| (f.at.as_str(), f.path.as_path())).collect();
    for item in root.path(&["logs", "logs_collected", "files", "collect_list"]).items() {
        if let Some(path) = run.get(item.at.as_str()) {
            absolute(&item.child("file_path"), path);
        }
    }
    let agent = root.child("agent");
    if let (true, Some(path)) = (settings.agent.own_log.named, &settings.agent.own_log.file) {
        absolute(&agent.child("logfile"), path);
    }
    if let Some(path) = &settings.agent.state_folder {
        absolute(&agent.child("state_folder"), path);
    }
    if let Some(path) = &settings.local.folder {
        absolute(&root.path(&["local", "folder"]), path);
    }
}

fn absolute(section: &Section<'_>, path: &Path) {
    if !path.is_absolute() {
        section.warning("not an absolute path on this system: it leads from the folder in which the daemon is started");
    }
}

#[cfg(test)]
mod tests;
