//! Who may import whom: strictly downwards, siblings never see each other. And how long a file may be.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room with its rank. `lib.rs` draws the same picture.
const RANKS: &[(&str, u8)] = &[
    ("model", 0),
    ("platform", 0),
    ("config", 1),
    ("telemetry", 1),
    ("metrics", 2),
    ("logs", 2),
    ("relay", 2),
    ("spool", 2),
    ("positions", 2),
    ("pipeline", 3),
    ("publish", 3),
    ("aws", 4),
    ("local", 4),
    ("daemon", 5),
    ("ops", 5),
    ("commands", 6),
    ("cli", 6),
];

/// `cli` is only types: the commands take them.
const EXCEPTIONS: &[(&str, &str)] = &[("commands", "cli")];

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == room).map(|&(_, rank)| rank)
}

/// Lines of the longest file: more than that is more than one subject.
const LONGEST: usize = 400;

/// The code that ships, with its unit tests.
fn sources() -> Vec<PathBuf> {
    below("src")
}

fn below(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the checkout") {
            let path = entry.expect("the checkout").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = vec![];
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}

/// The room that a file belongs to.
fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = inside.components().next().expect("a file").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Code without comments, so that a doc link is no import.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The code that ships: the tests of a file stand at its end, or in files of their own.
fn shipped(path: &Path) -> String {
    let text = code(&fs::read_to_string(path).expect("readable"));
    let is_test = path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests");
    if is_test { String::new() } else { text.split("\nmod tests {").next().unwrap_or_default().to_owned() }
}

/// Every room that the code names after `crate::`, groups in braces included.
fn imports(code: &str) -> Vec<String> {
    let mut found = vec![];
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(heads(group));
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// The first names of the entries of a `{...}` group that has just been opened.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head, mut taking) = (1, vec![], String::new(), true);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                heads.push(std::mem::take(&mut head));
                taking = true;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && taking && (c.is_alphanumeric() || c == '_') {
            head.push(c);
        } else if !head.is_empty() {
            taking = false;
        }
    }
    heads.push(head);
    heads.retain(|h| !h.is_empty());
    heads
}

#[test]
fn imports_go_strictly_downwards() {
    let mut wrong = vec![];
    for path in sources() {
        let room = room_of(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let own = rank(&room).unwrap_or_else(|| panic!("{room} has no rank: give it one here and in lib.rs"));
        for import in imports(&code(&fs::read_to_string(&path).expect("readable"))) {
            let Some(theirs) = rank(&import) else { continue };
            let allowed = import == room || theirs < own || EXCEPTIONS.contains(&(room.as_str(), import.as_str()));
            if !allowed {
                wrong.push(format!("{} (rank {own}) imports {import} (rank {theirs})", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_sdk_stays_in_its_room() {
    let sdk = ["aws_sdk_cloudwatch", "aws_sdk_sts", "aws_config", "aws_smithy", "aws_types"];
    for path in sources() {
        let (text, room) = (shipped(&path), room_of(&path));
        let named = sdk.iter().find(|name| text.contains(*name));
        assert!(room == "aws" || named.is_none(), "{} names {named:?}", path.display());
    }
}

#[test]
fn only_commands_use_anyhow_and_standard_output() {
    for path in sources() {
        let (text, room) = (shipped(&path), room_of(&path));
        let prints = text.replace("eprintln!", "").contains("println!");
        assert!(room == "commands" || !(prints || text.contains("anyhow")), "{}", path.display());
    }
}

#[test]
fn systems_are_told_apart_in_platform_and_daemon_only() {
    let tells = ["cfg(target_os", "cfg(unix)", "cfg(windows)", "cfg(not(unix))", "cfg(not(windows))", "cfg!(windows)"];
    for path in sources() {
        let (text, room) = (shipped(&path), room_of(&path));
        let found = tells.iter().find(|tell| text.contains(*tell));
        assert!(room == "platform" || room == "daemon" || found.is_none(), "{} has {found:?}", path.display());
    }
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_sitting() {
    let lines = |path: &PathBuf| fs::read_to_string(path).expect("readable").lines().count();
    let all = sources().into_iter().chain(below("tests")).map(|path| (lines(&path), path));
    let long: Vec<_> =
        all.filter(|(lines, _)| *lines > LONGEST).map(|(n, path)| format!("{}: {n}", path.display())).collect();
    assert!(long.is_empty(), "at most {LONGEST} lines: {}", long.join(", "));
}

#[test]
fn the_test_sees_what_rust_sees() {
    let text = "use crate::{\n    model::{A, b::C},\n    publish::Put,\n};\nlet x = crate::telemetry::board();\nfn f() { $crate::x() }";
    assert_eq!(imports(text), ["model", "publish", "telemetry"]);
}
