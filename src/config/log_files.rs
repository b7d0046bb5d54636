//! The log files that a configuration names, as they are on this host: for `validate` only. The daemon finds out for itself, in a thread that
//! may wait: a look at a dead network mount may never end.
use super::{
    finding::{Severity, is_one_slip},
    glob::{Below, Way},
    rotation,
    section::Section,
    settings::{Matching, Selection, Settings, text::Encoding},
};
use crate::platform::{
    files::{self, FileKind},
    pipes,
};
use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Names that are looked at for a pattern, so that a huge tree does not keep `validate` from ending.
pub(super) const MOST_LOOKED_AT: usize = 100_000;
/// Names of a folder that are compared with one that is not there.
const MOST_NAMES: usize = 10_000;
/// Bytes of a named file that are looked at.
const LOOKED_AT: u64 = 4096;
/// How compressed files begin: gzip, zstd, bzip2, xz, zip, lz4.
const PACKED: [&[u8]; 6] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x04\x22\x4d\x18"];

/// Everything that keeps a named file from being read. One that is not there is no fault: it may come later.
pub fn check(settings: &Settings, root: &Section<'_>) {
    let run: HashMap<&str, _> = settings.logs.files.iter().map(|file| (file.at.as_str(), file)).collect();
    let named: HashSet<&Path> = run.values().map(|file| file.path.as_path()).collect();
    for item in root.path(&["logs", "logs_collected", "files", "collect_list"]).items() {
        let section = item.child("file_path");
        match run.get(item.at.as_str()).map(|file| (&file.selection, &file.path)) {
            Some((Selection::This, path)) => look(&section, path, &named, settings),
            Some((Selection::Matching(rule), _)) => count(&section, rule),
            None => {}
        }
    }
}

/// What a pattern comes to now. One that nothing matches yet is no fault: files may come.
fn count(section: &Section<'_>, rule: &Matching) {
    let mut left = MOST_LOOKED_AT;
    let found = matches(rule, &mut left);
    // What other items have of it was said.
    if found.is_empty() && !matches(&rule.alone(), &mut left).is_empty() {
        return;
    }
    if found.is_empty() && rule.glob.ways().iter().any(|way| hinders(section, way.root())) {
        return;
    }
    let more = if left == 0 { "at least " } else { "" };
    section.note(match found.len() {
        0 => "no file matches now; those that do later are followed".to_owned(),
        1 => format!("{more}1 file matches now"),
        files => format!("{more}{files} files match now"),
    });
}

/// Whether a pattern begins in a folder that is not there or not to be looked into; that is said.
fn hinders(section: &Section<'_>, root: &Path) -> bool {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    match fs::read_dir(root) {
        Ok(_) => return false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The first folder on the way that is not there.
            let missing = root.ancestors().take_while(|folder| !folder.exists()).last().unwrap_or(root);
            let why = format!(
                "there is no folder `{}` yet, so nothing matches; what comes there later is followed",
                missing.display()
            );
            match similar(missing, &HashSet::new(), true) {
                Some(better) => section.report(Severity::Warning, why, Some(better.display().to_string())),
                None => section.note(why),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            section.warning(format!("`{}` is no folder, so nothing can match in it", root.display()));
        }
        Err(error) => unreadable(section, &error, &format!("into the folder `{}`", root.display())),
    }
    true
}

/// The files that match now. Looks at no more names than are `left`.
pub(super) fn matches(rule: &Matching, left: &mut usize) -> HashSet<PathBuf> {
    let mut found = HashSet::new();
    rule.glob.ways().iter().for_each(|way| along(rule, way, &mut found, left));
    found
}

fn along(rule: &Matching, way: &Way, found: &mut HashSet<PathBuf>, left: &mut usize) {
    let here = |below: &Path| if below.as_os_str().is_empty() { way.root().to_owned() } else { way.root().join(below) };
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = here(&below);
        let place = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        let Ok(entries) = fs::read_dir(place) else { continue };
        for entry in entries.flatten() {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let (rest, reach) = (below.join(entry.file_name()), way.below(&below.join(entry.file_name())));
            let Ok(kind) = entry.file_type() else { continue };
            let leads_to = || files::stat(&entry.path()).map(|stat| stat.kind);
            let linked = || kind.is_symlink() && reach == Below::Any && matches!(leads_to(), Ok(FileKind::Directory));
            if kind.is_dir() && reach != Below::Nothing || linked() {
                folders.push(rest);
            } else if way.matches(&rest)
                && !rule.leaves_out(&path.join(entry.file_name()))
                && matches!(leads_to(), Ok(FileKind::Regular))
            {
                found.insert(path.join(entry.file_name()));
            }
        }
    }
}

fn look(section: &Section<'_>, path: &Path, named: &HashSet<&Path>, settings: &Settings) {
    match files::stat(path).map(|stat| stat.kind) {
        Ok(FileKind::Directory) => {
            section.warning("is a folder, and nothing is read from it: name the files in it, each by itself")
        }
        Ok(FileKind::Special) if pipes::is_pipe(path) => {}
        Ok(FileKind::Special) => {
            section.warning("is a socket or a device, and is not read: only regular files and FIFOs are")
        }
        Ok(FileKind::Regular) => {
            // It may have become a pipe since, and this does not wait for one.
            match files::open(path) {
                Ok(file) => is_text(section, file, settings),
                Err(error) => unreadable(section, &error, "it"),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The daemon makes its own log.
            let is_own = settings.agent.own_log.file.as_deref() == Some(path);
            if let Some(better) = similar(path, named, false).filter(|_| !is_own) {
                let why = "there is no such file yet".to_owned();
                section.report(Severity::Warning, why, Some(better.display().to_string()));
            }
        }
        Err(error) => unreadable(section, &error, "into its folder"),
    }
}

/// Whether a file begins like something that has lines. What is written with two bytes or more for a character has zero bytes, too.
fn is_text(section: &Section<'_>, file: fs::File, settings: &Settings) {
    let mut beginning = Vec::new();
    if file.take(LOOKED_AT).read_to_end(&mut beginning).is_err() {
        return;
    }
    let at = section.at.trim_end_matches(".file_path");
    let item = settings.logs.files.iter().find(|item| item.at == at);
    let is_wide = item.is_some_and(|item| matches!(item.text.encoding, Encoding::Utf16(_) | Encoding::Utf32(_)));
    let marked = beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]);
    if PACKED.iter().any(|magic| beginning.starts_with(magic)) {
        section.warning("is a compressed file: its bytes are no lines, and would be sent as they are; name the log that it was made from");
    } else if beginning.contains(&0) && !is_wide {
        let remedy = if marked {
            "write the encoding of the log, `\"encoding\": \"utf-16\"`"
        } else {
            "name a text file, or the `encoding` of this one"
        };
        section.warning(format!("holds zero bytes, as no text does: they would be sent as they are; {remedy}"));
    }
}

fn unreadable(section: &Section<'_>, error: &io::Error, what: &str) {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let verb = if what == "it" { "read" } else { "look" };
        section.warning(format!(
            "this user may not {verb} {what}; the daemon's user must be allowed to: add it to the group that may, often adm \
             (`SupplementaryGroups=adm` in the unit of systemd, or `usermod -aG adm USER`)"
        ));
    } else {
        section.warning(format!("cannot be read: {}", error.kind()));
    }
}

/// A file of the same folder with nearly the same name, which nothing else of the configuration names; or a folder.
fn similar(path: &Path, named: &HashSet<&Path>, folders: bool) -> Option<PathBuf> {
    let (parent, name) = (path.parent()?, path.file_name()?.to_str()?);
    let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .take(MOST_NAMES)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() == folders))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| !is_no_slip(other, name) && !named.contains(path.with_file_name(other).as_path()))
        .collect();
    // Names of files have more in common than keys have: `secret.log` is no slip of `server.log`.
    names.iter().find(|other| is_one_slip(name, other)).map(|other| path.with_file_name(other))
}

/// Whether a file is there for a reason of its own, so that its name is no hint at a slip: a generation of the log by the rule of those
/// who look for them, anything else with more behind its name (`app.log-old`), or one of several that are dated or counted.
fn is_no_slip(other: &str, name: &str) -> bool {
    let without_count = |name: &str| name.replace(|c: char| c.is_ascii_digit() || "._-".contains(c), "");
    let behind = other.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    rotation::is_rotation(name, other)
        || behind
        || (without_count(other) == without_count(name)
            && other.bytes().chain(name.bytes()).any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, section::Findings};

    /// What is said of these files of a folder, in their order.
    fn said(paths: &[PathBuf]) -> Vec<String> {
        let items: Vec<String> =
            paths.iter().map(|path| format!(r#"{{ "file_path": {} }}"#, serde_json::json!(path))).collect();
        let text = format!(
            r#"{{ "logs": {{ "logs_collected": {{ "files": {{ "collect_list": [ {} ] }} }} }} }}"#,
            items.join(", ")
        );
        let file = File::parse(Path::new("c.json"), text.into_bytes(), None).expect("JSON");
        let (settings, _) = crate::config::decode(&file);
        let findings = Findings::default();
        check(&settings, &Section::root(&file, &findings));
        findings.into_sorted().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn how_many_files_a_pattern_matches_is_a_note_and_none_is_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("x")).expect("made");
        for there in ["a.log", "x/b.log", "x/b.log.gz", "c.txt"] {
            fs::write(path(there), "").expect("our folder");
        }
        let said = said(&[path("**.log"), path("*/b.log*"), path("none*")]);
        assert!(said[0].contains(": note: ") && said[0].ends_with("file_path: 2 files match now"), "{said:?}");
        assert!(said[1].ends_with("file_path: 1 file matches now"), "{said:?}");
        assert!(said[2].ends_with("no file matches now; those that do later are followed"), "{said:?}");
    }

    #[test]
    fn a_folder_is_no_log_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = said(&[folder.path().to_owned()]);
        assert!(said.len() == 1 && said[0].contains("collect_list[0].file_path: is a folder"), "{said:?}");
        assert!(said[0].contains(": warning: "), "{said:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_and_not_waited_for_and_a_socket_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("POSIX systems have it");
        assert!(made.success());
        assert_eq!(said(&[pipe]), Vec::<String>::new());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let said = said(&[socket]);
        assert!(said.len() == 1 && said[0].contains("is a socket"), "{said:?}");
    }

    #[test]
    fn a_file_that_is_there_or_may_come_is_no_finding() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("app.log"), "").expect("our folder");
        assert_eq!(said(&[path("app.log"), path("other"), path("no/such/folder/x.log")]), [""; 0]);
    }

    #[test]
    fn a_file_that_is_not_there_yet_beside_one_of_nearly_its_name_is_asked_about() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("syslog"), "").expect("our folder");
        let asked = said(&[path("syslgo")]);
        let question = format!("there is no such file yet; did you mean `{}`?", path("syslog").display());
        assert!(asked.len() == 1 && asked[0].contains(&question), "{asked:?}");
        fs::write(path("secret.log"), "").expect("our folder");
        assert_eq!(said(&[path("server.log")]), [""; 0], "that is another one");
        assert_eq!(said(&[path("syslgo"), path("syslog")]), [""; 0], "both are meant");
    }

    #[test]
    fn a_pattern_in_a_folder_that_is_not_there_names_the_folder_and_one_of_nearly_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("logs")).expect("made");
        fs::write(path("plain"), "").expect("our folder");
        let told = said(&[path("lgos/nginx/*.log"), path("else/x/*.log"), path("plain/*.log")]);
        let missing = format!(
            "warning: logs.logs_collected.files.collect_list[0].file_path: there is no folder `{}` yet",
            path("lgos").display()
        );
        assert!(
            told[0].contains(&missing) && told[0].ends_with(&format!("did you mean `{}`?", path("logs").display())),
            "{told:?}"
        );
        assert!(
            told[1].contains(": note: ") && told[1].contains(&format!("no folder `{}`", path("else").display())),
            "{told:?}"
        );
        assert!(told[2].contains("plain` is no folder"), "{told:?}");
    }

    #[test]
    fn a_named_file_that_holds_no_lines_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("z.log.gz"), b"\x1f\x8b\x08\0").expect("our folder");
        fs::write(path("bin.dat"), b"ab\0c").expect("our folder");
        fs::write(path("wide.log"), b"\xff\xfea\0").expect("our folder");
        let told = said(&[path("z.log.gz"), path("bin.dat"), path("wide.log")]);
        assert!(told[0].contains("is a compressed file") && told[1].contains("name a text file"), "{told:?}");
        assert!(told[2].contains("utf-16"), "{told:?}");
    }

    #[test]
    fn other_generations_and_numbers_of_a_log_are_no_slips() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for there in
            ["app.log.1", "app.log-old", "web-2.log", "day-2026-01-31.log", "a-service-with-a-long-name-2026T10.log"]
        {
            fs::write(path(there), "").expect("our folder");
        }
        assert_eq!(
            said(&[
                path("app.log"),
                path("web-1.log"),
                path("day-2026-02-01.log"),
                path("a-service-with-a-long-name.log")
            ]),
            [""; 0]
        );
    }

    #[test]
    fn who_lacks_a_right_is_told_what_to_do() {
        // Root may read everything, so that this works for everybody the error is made.
        let file = File::parse(Path::new("c.json"), b"{}".to_vec(), None).expect("JSON");
        let findings = Findings::default();
        for what in ["it", "into its folder"] {
            unreadable(&Section::root(&file, &findings), &io::ErrorKind::PermissionDenied.into(), what);
        }
        let said: Vec<String> = findings.into_sorted().into_iter().map(|finding| finding.why).collect();
        assert!(said[0].contains("may not read it;") && said[0].contains("usermod -aG adm"), "{said:?}");
        assert!(said[1].contains("may not look into its folder;"), "{said:?}");
    }
}
