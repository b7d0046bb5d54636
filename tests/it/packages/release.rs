//! `scripts/release`, with programs that are no programs: what it makes of them, twice the same, and what it says when it cannot.
use super::{NAME, checkout};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

const LINUX: &str = "x86_64-unknown-linux-gnu";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The formula needs the archives of all of them.
const BREWED: [&str; 4] =
    ["aarch64-apple-darwin", "x86_64-apple-darwin", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"];

/// A folder with programs, and folders for what is made of them.
pub(super) struct Workshop {
    pub(super) folder: TempDir,
}

impl Workshop {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the program of this target is looked for.
    pub(super) fn program(&self, target: &str) -> PathBuf {
        let folder = self.path("built").join(target).join("dist");
        fs::create_dir_all(&folder).expect("a folder");
        folder.join(if target.contains("windows") { format!("{NAME}.exe") } else { NAME.to_owned() })
    }

    fn with(targets: &[&str]) -> Self {
        let workshop = Self::new();
        for target in targets {
            fs::write(workshop.program(target), format!("the program for {target}")).expect("ours");
        }
        workshop
    }

    pub(super) fn command(&self, out: &str) -> Command {
        let mut command = Command::new(checkout("scripts/release"));
        command.arg("--built").arg(self.path("built"));
        command.arg("--out").arg(self.path(out)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn release(&self, out: &str, words: &[&str]) -> Output {
        self.command(out).args(words).output().expect("python3")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything in this folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("ours")))
        .collect()
}

/// Mode, owner and name of each entry of an archive.
fn listing(archive: &Path) -> Vec<(String, String, String)> {
    let output = Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(archive).output().expect("tar");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let fields = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    text.lines().map(fields).map(|f| (f[0].clone(), f[1].clone(), f[f.len() - 1].clone())).collect()
}

#[test]
fn two_releases_of_the_same_commit_are_the_same_bytes() {
    let targets = [LINUX, "x86_64-pc-windows-gnu"];
    let workshop = Workshop::with(&targets);
    let words = ["--only", "tar,zip,sbom", targets[0], targets[1]];
    for out in ["first", "second"] {
        let output = workshop.release(out, &words);
        assert!(output.status.success(), "{}", said(&output));
    }
    let (first, second) = (files(&workshop.path("first")), files(&workshop.path("second")));
    let names: Vec<_> = first.keys().cloned().collect();
    let stem = |target: &str| format!("{NAME}-{VERSION}-{target}");
    let [linux, windows] = targets.map(stem);
    let expected = [
        "SHA256SUMS".to_owned(),
        format!("{windows}.cdx.json"),
        format!("{windows}.tar.gz"),
        format!("{windows}.zip"),
        format!("{linux}.cdx.json"),
        format!("{linux}.tar.gz"),
    ];
    assert_eq!(names, expected);
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs");
    }
}

#[test]
fn an_archive_holds_the_program_and_what_one_needs_with_it_in_one_folder_and_belongs_to_root() {
    let workshop = Workshop::with(&[LINUX]);
    let output = workshop.release("out", &["--only", "tar", LINUX]);
    assert!(output.status.success(), "{}", said(&output));
    let top = format!("{NAME}-{VERSION}-{LINUX}");
    let entries = listing(&workshop.path(&format!("out/{top}.tar.gz")));
    let mode_of = |name: &str| {
        let entry = entries.iter().find(|(.., path)| *path == format!("{top}/{name}"));
        entry.unwrap_or_else(|| panic!("{name} is not in the archive")).0.clone()
    };
    assert_eq!(mode_of(NAME), "-rwxr-xr-x");
    assert_eq!(mode_of("installers/setup-ec2monitoring"), "-rwxr-xr-x");
    for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "configs/local.json", "docs/CONFIG.md"] {
        assert_eq!(mode_of(name), "-rw-r--r--", "{name}");
    }
    assert!(entries.iter().all(|(_, owner, path)| owner == "0/0" && path.starts_with(&top)), "{entries:?}");

    let sums = fs::read_to_string(workshop.path("out/SHA256SUMS")).expect("checksums");
    assert_eq!(sums.lines().count(), 1);
    assert!(sums.ends_with(&format!("  {top}.tar.gz\n")), "{sums}");
}

#[test]
fn what_cannot_be_made_is_said_with_the_reason_and_the_rest_is_made() {
    let workshop = Workshop::with(&[LINUX]);
    let output = workshop.release("out", &["--only", "tar", "aarch64-apple-darwin", LINUX]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(
        said.contains("not made: everything for aarch64-apple-darwin: ") && said.contains("is not there"),
        "{said}"
    );
    assert!(workshop.path(&format!("out/{NAME}-{VERSION}-{LINUX}.tar.gz")).exists());
}

#[test]
fn no_package_is_made_of_a_program_that_needs_more_than_the_package_asks_for() {
    let workshop = Workshop::new();
    for (needs, reason) in [("\0GLIBC_2.34\0", "needs glibc 2.34"), ("\0libgcc_s.so.1\0", "needs libgcc_s.so.1")] {
        fs::write(workshop.program(LINUX), format!("\0GLIBC_2.17{needs}")).expect("ours");
        let output = workshop.release("out", &["--only", "deb,rpm", LINUX]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for kind in ["deb", "rpm"] {
            assert!(said.contains(&format!("not made: {kind} for {LINUX}: the program {reason}")), "{said}");
        }
    }
}

#[test]
fn the_formula_has_the_checksums_of_the_archives_and_waits_for_all_of_them() {
    let workshop = Workshop::with(&BREWED);
    let mut words = vec!["--only", "tar"];
    words.extend(&BREWED[1..]);
    assert!(workshop.release("out", &words).status.success());
    let early = workshop.release("out", &["--only", "formula"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(said(&early).contains("the formula: it needs the archives for aarch64-apple-darwin"), "{}", said(&early));

    let words = ["--only", "tar,formula", "--url", "https://example.com/v1", BREWED[0]];
    let output = workshop.release("out", &words);
    assert!(output.status.success(), "{}", said(&output));
    let formula = fs::read_to_string(workshop.path(&format!("out/{NAME}.rb"))).expect("the formula");
    let sums = fs::read_to_string(workshop.path("out/SHA256SUMS")).expect("checksums");
    for target in BREWED {
        let archive = format!("{NAME}-{VERSION}-{target}.tar.gz");
        let sum = sums.lines().find_map(|line| line.strip_suffix(&archive)).expect("a checksum").trim();
        assert!(
            formula.contains(&format!("url \"https://example.com/v1/{archive}\"\n      sha256 \"{sum}\"")),
            "{formula}"
        );
    }
    assert!(!formula.contains("@VERSION@") && !formula.contains("@URL") && !formula.contains("@SHA"), "{formula}");
    assert!(formula.contains("service do") && sums.contains(&format!("  {NAME}.rb\n")));
}

#[test]
fn what_is_linked_is_listed_and_nothing_else() {
    let listed = |target: &str| -> Value {
        let output = Command::new(checkout("scripts/sbom")).arg(target).output().expect("python3");
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let names = |document: &Value| -> Vec<String> {
        let components = document["components"].as_array().expect("a list");
        components.iter().map(|component| component["name"].as_str().expect("a name").to_owned()).collect()
    };
    let (linux, windows) = (listed(LINUX), listed("x86_64-pc-windows-gnu"));
    let has = |document: &Value, name: &str| names(document).iter().any(|found| found == name);
    for name in ["tokio", "rustls", "sqlite", "rust-std"] {
        assert!(has(&linux, name), "{name} is linked");
    }
    // Of the tests, of the build, a procedural macro.
    for name in ["proptest", "cc", "serde_derive"] {
        assert!(!has(&linux, name), "{name} is not linked");
    }
    assert!(has(&windows, "windows") && !has(&linux, "windows"));

    assert_eq!((linux["bomFormat"].as_str(), linux["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let references: Vec<_> = linux["components"].as_array().expect("a list").iter().map(|c| &c["bom-ref"]).collect();
    for entry in linux["dependencies"].as_array().expect("a list") {
        for name in entry["dependsOn"].as_array().expect("a list") {
            assert!(references.contains(&name), "{name} is named and not listed");
        }
    }
    let tokio = linux["components"].as_array().expect("a list").iter().find(|c| c["name"] == "tokio").expect("tokio");
    assert_eq!(tokio["hashes"][0]["content"].as_str().map(str::len), Some(64));
    assert_eq!(tokio["licenses"][0]["expression"], "MIT");
}
