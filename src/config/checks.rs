//! What a configuration points to on this host: can it be read, and is it safe. Decoding never looks; this does, for `validate` and at start.
mod commands;

use super::{
    Checks, File, Finding, Sends, Severity,
    authentication::{self, Way},
    log_files, login_files, login_names, overlaps, region,
    section::{Findings, Section},
    settings::{Certificate, Destination, ImportState, PASSWORD_VARIABLE, Password, Selection, Serial, Settings},
    slips,
    surroundings::Surroundings,
};
use crate::platform::{
    host,
    logs::{has_journal, has_unified_log, has_windows_events},
    permissions,
};
use rustls::{
    crypto,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{collections::HashMap, fs, io, path::Path};

/// Everything that this host does not grant. Reads small files and tries to write where the daemon will; does no network.
pub fn check(settings: &Settings, file: &File, checks: &Checks) -> Vec<Finding> {
    let surroundings = &checks.surroundings;
    let (findings, login) = (Findings::default(), Findings::default());
    let root = Section::root(file, &findings);
    let agent = root.child("agent");
    let to_aws = checks.sends == Sends::AsConfigured && settings.agent.destination == Destination::Aws;
    let signs_in = to_aws && settings.sends_something();
    // The other ways name their region, or that was reported.
    let by_chain = authentication::way(&agent.child("authentication")) == Way::Chain;
    commands::check(settings, file, &root, checks.log_files);
    authentication(file, &Section::root(file, &login).path(&["agent", "authentication"]), surroundings);
    for mut finding in login.into_sorted() {
        if !signs_in {
            finding.severity = Severity::Warning;
        }
        findings.push(finding);
    }
    if signs_in {
        login_names::check(&agent);
        name_of_its_own(settings, &agent);
    }
    if let (true, true, Some((name, files))) = (signs_in, by_chain, &surroundings.missing_profile) {
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        agent.warning(format!(
            "{} names the profile `{name}`, which is not in {}",
            match surroundings.profile_named_by {
                "AWS_PROFILE" => "the environment variable AWS_PROFILE",
                key => key,
            },
            files.join(" nor ")
        ));
    }
    // One that is misspelt was reported as that.
    // Nor is it told where `agent` stands twice: the other one may name it.
    let agent_is_clear = !file.findings.iter().any(Finding::is_error);
    if signs_in && by_chain && agent_is_clear && !agent.means("region", &["region"]) {
        region_of_the_surroundings(&agent.child("region"), surroundings);
    }
    if let Some(bundle) = &settings.agent.endpoints.ca_bundle {
        certificates(&agent.child("ca_bundle"), bundle);
    }
    logs_of_other_systems(settings, &root);
    relative_paths(settings, &root);
    folders(settings, &root, checks.sends);
    import_state(settings, &agent);
    own_log_as_a_source(settings, &root);
    emf(settings, &root);
    overlaps::check(settings, &root);
    if checks.log_files {
        log_files::check(settings, &root);
    }
    findings.into_sorted()
}

/// What stands in for a region that the file does not name.
fn region_of_the_surroundings(section: &Section<'_>, surroundings: &Surroundings) {
    if !surroundings.region {
        section.warning("no region is set here, in AWS_REGION, or in the AWS profile; name it here");
    }
    let Some((variable, name)) = &surroundings.region_variable else { return };
    if let Some((severity, why, better)) = region::fault(name) {
        section.report(severity, format!("the environment variable {variable}: {why}"), better);
    }
}

/// Machines that are called the same share their log streams and metrics.
fn name_of_its_own(settings: &Settings, agent: &Section<'_>) {
    const KEYS: [&str; 3] = ["prefix", "serial", "command"];
    let section = agent.child("instance");
    // What is misspelt, or of no use, was reported as that.
    let tried = ["serial", "command"].iter().any(|key| section.means(key, &KEYS))
        || (!section.exists() && agent.means("instance", &["instance"]));
    let instance = &settings.agent.instance;
    if instance.serial == Serial::Zeros && !tried {
        let prefix = &instance.prefix;
        section.warning(format!(
            "names neither a `serial` nor a `command`, so this machine is called `{prefix}-000000000000`, as is every other without; \
             they would share their metrics and log streams"
        ));
    }
}

/// Looks at what is named, also beside other mistakes of the section.
fn authentication(file: &File, section: &Section<'_>, surroundings: &Surroundings) {
    let password = section.child("password");
    let rights = password.node().and_then(|node| file.rights_at(node.start));
    if rights.is_some_and(|rights| rights.all_may_read) {
        password.warning(
            "every user of this host may read this file and the password in it; \
             take the right away (chmod o-r) or use `passwordFile`",
        );
    }
    match authentication::way(section) {
        Way::Chain | Way::Unclear => {}
        Way::Cognito => match authentication::password(section) {
            Password::Inline(_) => {}
            Password::File(path) => password_file(&section.child("passwordFile"), &path),
            Password::Environment if surroundings.password || authentication::tries_a_password(section) => {}
            Password::Environment => section.error(format!(
                "has neither `password` nor `passwordFile`, and the environment variable {PASSWORD_VARIABLE} is not set"
            )),
        },
        Way::Iot => {
            let section = section.child("certificate");
            if let Some(named) = authentication::certificate(&section) {
                certificate(&section, &named);
            }
        }
    }
}

fn password_file(section: &Section<'_>, path: &Path) {
    if let Err(error) = login_files::password(path) {
        return section.error(format!("no password can be read from {}: {error}", path.display()));
    }
    private(section, path, "the password in it");
}

fn certificate(section: &Section<'_>, certificate: &Certificate) {
    let (chain, key) = match certificate {
        Certificate::Bundle(path) => {
            let Some(pem) = contents(section, path) else { return };
            (certificates_in(section, path, &pem), private_key(section, path, &pem))
        }
        Certificate::Pair { certificate, key } => {
            let items = section.items();
            let [first, second] = items.as_slice() else { return };
            let pem = contents(second, key);
            (certificates(first, certificate), pem.and_then(|pem| private_key(second, key, &pem)))
        }
    };
    let (Some(chain), Some(key)) = (chain, key) else { return };
    match CertifiedKey::from_der(chain, key, &crypto::ring::default_provider()) {
        Ok(_) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            section.error("the private key does not belong to the certificate; name the two of one device");
        }
        Err(error) => section.error(format!("certificate and key cannot be used: {error}")),
    }
}

/// The certificates in a file; reports one without any.
fn certificates(section: &Section<'_>, path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    certificates_in(section, path, &contents(section, path)?)
}

fn certificates_in(section: &Section<'_>, path: &Path, pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => return Some(certificates),
        Ok(_) => section.error(format!("there is no PEM certificate (BEGIN CERTIFICATE) in {}", path.display())),
        Err(error) => section.error(format!("{} is no PEM file: {error}", path.display())),
    }
    None
}

/// The private key in a file; reports one without any, and one that everybody may read.
fn private_key(section: &Section<'_>, path: &Path, pem: &[u8]) -> Option<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok();
    match &key {
        Some(_) => private(section, path, "the private key in it"),
        None => section.error(format!("there is no PEM private key (BEGIN PRIVATE KEY) in {}", path.display())),
    }
    key
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
    login_files::pem(path).map_err(|error| section.error(format!("{} cannot be read: {error}", path.display()))).ok()
}

/// What another system keeps is known, and not there to be read.
fn logs_of_other_systems(settings: &Settings, root: &Section<'_>) {
    let (collected, settings) = (root.path(&["logs", "logs_collected"]), &settings.logs);
    let asked = [
        ("journal", settings.journal.is_some() && !has_journal(), "the systemd journal", "Linux"),
        ("journald", !settings.journald.is_empty() && !has_journal(), "the systemd journal", "Linux"),
        (
            "windows_events",
            !settings.windows_events.is_empty() && !has_windows_events(),
            "the Windows event log",
            "Windows",
        ),
        ("unified_log", !settings.unified_log.is_empty() && !has_unified_log(), "the unified log", "macOS"),
    ];
    for (key, missing, what, system) in asked {
        if missing {
            let why =
                format!("not available here: {what} is read on {system} only; this part is not run on this system");
            collected.child(key).warning(why);
        }
    }
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
    let relay = &settings.agent.serial_relay;
    // Where it is not named it stands as on the only system that has such a device.
    let socket = agent.path(&["serial_relay", "socket"]);
    if socket.exists() {
        absolute(&socket, &relay.socket);
    }
    if let Some(path) = &relay.device {
        absolute(&agent.path(&["serial_relay", "device"]), path);
    }
    if let Some(path) = &settings.agent.state_folder {
        absolute(&agent.child("state_folder"), path);
    }
    if let ImportState::From(path) = &settings.agent.import_state {
        absolute(&agent.child("import_state"), path);
    }
    if let Some(path) = &settings.local.folder {
        absolute(&root.path(&["local", "folder"]), path);
    }
}

fn absolute(section: &Section<'_>, path: &Path) {
    if let Some((why, meant)) = path.to_str().and_then(slips::of_path) {
        section.report(Severity::Warning, why, meant);
    } else if path.starts_with("~") {
        section.warning("`~` is not expanded: write the path of that home folder");
    } else if !path.is_absolute() {
        section.warning("not an absolute path on this system: it leads from the folder in which the daemon is started");
    }
}

/// Folders that are named and cannot be there.
fn folders(settings: &Settings, root: &Section<'_>, sends: Sends) {
    let agent = root.child("agent");
    if sends != Sends::Elsewhere {
        if let Some(path) = &settings.agent.state_folder {
            can_be_written(&agent.child("state_folder"), path);
        }
        if let Some(path) = &settings.local.folder {
            can_be_written(&root.path(&["local", "folder"]), path);
        }
    }
    if let (true, Some(file)) = (settings.agent.own_log.named, &settings.agent.own_log.file) {
        if file.is_dir() {
            agent.child("logfile").error(format!("{} is a folder; name a file in it", file.display()));
        } else if let Some(folder) = file.parent() {
            can_be_written(&agent.child("logfile"), folder);
        }
    }
}

fn import_state(settings: &Settings, agent: &Section<'_>) {
    if let ImportState::From(path) = &settings.agent.import_state
        && !path.is_dir()
    {
        let why = "is no folder here, so nothing is taken over from the program before: name the folder with copies of its state files";
        agent.child("import_state").warning(why);
    }
}

/// What the daemon refuses when it runs: each line sent would make it write another one.
fn own_log_as_a_source(settings: &Settings, root: &Section<'_>) {
    let own = &settings.agent.own_log;
    let Some(path) = own.file.as_ref().filter(|_| own.debug && !own.quiet) else { return };
    let items: HashMap<&str, _> = settings.logs.files.iter().map(|item| (item.at.as_str(), item)).collect();
    for section in root.path(&["logs", "logs_collected", "files", "collect_list"]).items() {
        if items
            .get(section.at.as_str())
            .is_some_and(|item| matches!(item.selection, Selection::This) && item.path == *path)
        {
            section.child("file_path").warning(
                "is the daemon's own log, and is not followed while it is written with `debug`: every line sent would make another one",
            );
        }
    }
}

/// Where documents of metrics cannot be received, or find no place to go.
fn emf(settings: &Settings, root: &Section<'_>) {
    let Some(emf) = &settings.logs.emf else { return };
    let collected = root.path(&["logs", "metrics_collected"]);
    let section = ["emf", "structuredlog"].map(|key| collected.child(key)).into_iter().find(Section::exists);
    let Some(section) = section else { return };
    if !emf.names_group {
        section.note("names no `log_group_name`, nor does `logs`: documents that name none themselves are refused");
    }
    let folder = emf.socket.as_ref().and_then(|socket| socket.path.parent());
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        section.child("socket").warning(format!(
            "there is no folder {}, and the daemon makes none for a socket: make it, and let the daemon's user write to it",
            folder.display()
        ));
    }
}

fn can_be_written(section: &Section<'_>, folder: &Path) {
    let Err(error) = host::check_writable(folder) else { return };
    let (name, is_there) = (folder.display(), folder.exists());
    // The daemon may well run as another user than whoever validates. The error itself names the file that was tried, which nobody knows.
    match (error.kind(), is_there) {
        (io::ErrorKind::PermissionDenied, true) => {
            section.warning(format!("this user may not write to {name}; the daemon's user must be allowed to"));
        }
        (io::ErrorKind::PermissionDenied, false) => section.warning(format!(
            "the folder {name} is not there, and this user may not make it; make it, and let the daemon's user write to it"
        )),
        // As in /proc.
        (io::ErrorKind::NotFound, true) => section.error(format!("the folder {name} takes no new files; name another")),
        (kind, true) => section.error(format!("the folder {name} cannot be written: {kind}")),
        (kind, false) => section.error(format!("the folder {name} cannot be made: {kind}")),
    }
}

#[cfg(test)]
mod tests;
