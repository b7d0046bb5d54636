//! The launcher of a checkout, with a small tree and a pretended cargo: what is built is a script that tells how it was called.
use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const NAME: &str = "amazon-cloudwatch-publisher";

/// Builds a binary that prints its folder and its arguments, each on a line, and notes that it was called.
const CARGO: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$STORY/builds"
echo "Compiling" >&2
[ -f Cargo.toml ] || exit 3
[ ! -e "$STORY/broken" ] || exit 101
[ ! -e "$STORY/content" ] || exit 0
mkdir -p "$CARGO_TARGET_DIR/release"
cat >"$CARGO_TARGET_DIR/release/amazon-cloudwatch-publisher" <<'END'
#!/bin/sh
printf '%s\n' "$PWD" "$@"
END
chmod +x "$CARGO_TARGET_DIR/release/amazon-cloudwatch-publisher"
"#;

/// A checkout in a folder with a space in its name, and a search path that has nothing but what the launcher may use.
struct Checkout {
    folder: TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { folder: tempfile::tempdir().expect("a folder") };
        let real = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["src", "infrastructure"] {
            fs::create_dir_all(checkout.path(folder)).expect("a folder");
        }
        for source in SOURCES {
            fs::write(checkout.path(source), "").expect("a source");
        }
        install(&real.join(NAME), &checkout.path(NAME));
        fs::create_dir(checkout.story("bin")).expect("a folder");
        for tool in ["sh", "readlink", "dirname", "find", "head", "mkdir", "mv", "rm", "cat", "chmod"] {
            let found =
                ["/bin", "/usr/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|path| path.exists());
            symlink(found.expect("POSIX systems have it"), checkout.story("bin").join(tool)).expect("a link");
        }
        fs::write(checkout.story("cargo.sh"), CARGO).expect("a text");
        install(&checkout.story("cargo.sh"), &checkout.story("bin/cargo"));
        checkout
    }

    fn story(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.story("my checkout").join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", self.story("bin")).env("HOME", self.folder.path());
        command.env("STORY", self.folder.path()).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(&self.path(NAME)).args(arguments).output().expect("the launcher starts")
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.story("builds")).map_or(0, |builds| builds.lines().count())
    }

    /// Make everything that is there as old as this.
    fn date(&self, names: &[&str], age: Duration) {
        for name in names {
            let file = File::open(self.path(name)).expect("it is there");
            file.set_modified(SystemTime::now() - age).expect("it is ours");
        }
    }
}

const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "src/main.rs", "infrastructure/stack.yaml"];
const FOLDERS: [&str; 2] = ["src", "infrastructure"];
const HOUR: Duration = Duration::from_secs(3_600);

/// Copied by another process: a file that we had open for writing while a test beside this one forks could not be
/// executed until that test's child is on its way ("text file busy").
fn install(from: &Path, to: &Path) {
    let copied = Command::new("cp").args([from, to]).status().expect("POSIX systems have it");
    assert!(copied.success());
    fs::set_permissions(to, PermissionsExt::from_mode(0o755)).expect("it is ours");
}

fn out(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{}", text, String::from_utf8_lossy(&output.stderr));
    text.lines().map(str::to_owned).collect()
}

fn err(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_missing_binary_is_built_and_then_run_in_the_same_folder_with_the_same_arguments() {
    let checkout = Checkout::new();
    let here = fs::canonicalize(checkout.folder.path()).expect("it exists").display().to_string();
    let ran = checkout.run(&["run", "my config.json", "", "a*b"]);
    assert_eq!(out(&ran), [&here, "run", "my config.json", "", "a*b"]);
    let said = String::from_utf8_lossy(&ran.stderr);
    let mut said = said.lines();
    assert!(said.next().is_some_and(|line| line.contains("building the release binary")));
    assert_eq!(said.next(), Some("Compiling"));
    let built = fs::read_to_string(checkout.story("builds")).expect("it was built");
    assert_eq!(built.trim(), "build --release --locked --bin amazon-cloudwatch-publisher");
}

#[test]
fn no_arguments_stay_no_arguments() {
    let checkout = Checkout::new();
    assert_eq!(out(&checkout.run(&[])).len(), 1);
}

#[test]
fn a_fresh_binary_is_run_without_a_word() {
    let checkout = Checkout::new();
    checkout.run(&[]);
    let again = checkout.run(&["status"]);
    assert_eq!(out(&again)[1], "status");
    assert!(again.stderr.is_empty());
    assert_eq!(checkout.builds(), 1);
}

#[test]
fn any_newer_source_brings_a_new_build() {
    let checkout = Checkout::new();
    let binary = format!("target/release/{NAME}");
    let looked = format!("target/release/.{NAME}-looked");
    checkout.run(&[]);
    for (builds, source) in SOURCES.into_iter().enumerate() {
        checkout.date(&SOURCES, 2 * HOUR);
        checkout.date(&FOLDERS, 2 * HOUR);
        checkout.date(&[&binary, &looked], HOUR);
        checkout.run(&[]);
        assert_eq!(checkout.builds(), builds + 1, "nothing is newer");
        checkout.date(&[source], Duration::ZERO);
        checkout.run(&[]);
        assert_eq!(checkout.builds(), builds + 2, "{source} is newer");
    }
}

#[test]
fn a_change_that_cargo_finds_not_to_matter_is_looked_at_once() {
    let checkout = Checkout::new();
    checkout.run(&[]);
    fs::write(checkout.story("content"), "").expect("a mark");
    checkout.date(&[&format!("target/release/{NAME}"), &format!("target/release/.{NAME}-looked")], HOUR);
    checkout.run(&[]);
    checkout.run(&[]);
    assert_eq!(checkout.builds(), 2);
}

#[test]
fn links_lead_to_the_checkout() {
    let checkout = Checkout::new();
    let (first, second) = (checkout.story("bin/first"), checkout.story("bin/second"));
    symlink(checkout.path(NAME), &first).expect("a link");
    symlink("first", &second).expect("a link");
    let ran = checkout.command(&second).arg("validate").output().expect("the launcher starts");
    assert_eq!(out(&ran)[1], "validate");
    assert!(checkout.path("target/release").join(NAME).exists());
}

#[test]
fn another_target_folder_is_honoured() {
    let checkout = Checkout::new();
    for folder in ["elsewhere", checkout.story("far away").to_str().expect("text")] {
        let mut command = checkout.command(&checkout.path(NAME));
        out(&command.env("CARGO_TARGET_DIR", folder).output().expect("the launcher starts"));
        assert!(checkout.story(folder).join("release").join(NAME).exists());
    }
    assert!(!checkout.path("target").exists());
}

#[test]
fn without_cargo_it_says_what_to_do() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.story("bin/cargo")).expect("it was there");
    let said = err(&checkout.run(&["run"]));
    assert!(said.contains("cargo was not found") && said.contains("install the stable Rust toolchain"), "{said}");
}

#[test]
fn cargo_is_also_found_where_rustup_puts_it() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.story(".cargo/bin")).expect("a folder");
    fs::rename(checkout.story("bin/cargo"), checkout.story(".cargo/bin/cargo")).expect("it was there");
    assert_eq!(out(&checkout.run(&["run"]))[1], "run");
}

#[test]
fn a_failed_build_is_said_and_runs_nothing() {
    let checkout = Checkout::new();
    fs::write(checkout.story("broken"), "").expect("a mark");
    let said = err(&checkout.run(&["run"]));
    assert!(said.contains("the build failed"), "{said}");
    fs::remove_file(checkout.story("broken")).expect("it was there");
    assert_eq!(out(&checkout.run(&["run"]))[1], "run");
}
