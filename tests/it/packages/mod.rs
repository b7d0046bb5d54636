//! What the packages are made of, their scripts, and what `scripts/release` makes of it all.
mod real;
mod release;
mod scripts;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const NAME: &str = "amazon-cloudwatch-publisher";

fn checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// `[package.metadata]` of Cargo.toml.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(checkout("Cargo.toml"));
    let output = cargo.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["packages"][0]["metadata"].take()
}

/// The files of a package's list: where from, where to, mode. Links are left out.
fn assets(list: &Value) -> Vec<(String, String, String)> {
    let text = |asset: &Value, key: &str| asset[key].as_str().unwrap_or_default().to_owned();
    let files = list["assets"].as_array().expect("a list").iter().filter(|asset| asset["link_name"].is_null());
    files
        .map(|asset| {
            let to = text(asset, "dest").trim_start_matches('/').to_owned();
            (text(asset, "source"), to, text(asset, "mode"))
        })
        .collect()
}

/// Whether this pattern, with one star at most, names a file of the checkout.
fn names_something(pattern: &str) -> bool {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let (begin, end) = name.split_once('*').unwrap_or((name, ""));
    fs::read_dir(checkout(folder)).expect("a folder of the checkout").flatten().any(|entry| {
        let found = entry.file_name().to_string_lossy().into_owned();
        if name.contains('*') { found.starts_with(begin) && found.ends_with(end) } else { found == name }
    })
}

#[test]
fn debian_and_rpm_packages_hold_the_same_files_and_each_of_them_is_there() {
    let metadata = metadata();
    let files = assets(&metadata["deb"]);
    assert_eq!(files, assets(&metadata["generate-rpm"]));
    for (from, ..) in &files {
        assert!(from.starts_with("target/release/") || names_something(from), "{from} is not there");
    }
    let scripts = ["post_install_script", "pre_uninstall_script", "post_uninstall_script"];
    for script in scripts.map(|key| metadata["generate-rpm"][key].as_str().expect("a path").to_owned()) {
        assert!(checkout(&script).is_file(), "{script} is not there");
    }
}

#[test]
fn no_configuration_is_part_of_a_package_so_none_is_overwritten() {
    for (_, to, _) in assets(&metadata()["deb"]) {
        assert!(!to.starts_with("etc/") && !to.contains("amazon-cloudwatch-publisher/etc"), "{to}");
    }
}

#[test]
fn the_unit_starts_the_program_where_the_packages_put_it() {
    let unit = fs::read_to_string(checkout(&format!("installers/{NAME}.service"))).expect("the unit");
    let (from, to, _) = assets(&metadata()["deb"]).into_iter().next().expect("files");
    assert_eq!(from, format!("target/release/{NAME}"));
    assert!(unit.contains(&format!("\nExecStart=/{to}{NAME} run")), "{unit}");
    assert!(unit.contains("\nUser=cwpublisher\n"), "{unit}");
}

#[test]
fn the_image_starts_the_program_where_it_is_put_and_not_as_root() {
    let text = fs::read_to_string(checkout("Dockerfile")).expect("the Dockerfile");
    let program = format!("/opt/aws/{NAME}/bin/{NAME}");
    assert!(text.contains(&format!("\nENTRYPOINT [\"{program}\"]\nCMD [\"run\"]\n")), "{text}");
    assert!(text.contains("\nFROM scratch\n") && text.contains("\nUSER 65532:65532\n"), "{text}");

    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("program"), "a program").expect("ours");
    fs::write(folder.path().join("authorities"), "certificates").expect("ours");
    let mut assemble = Command::new("sh");
    assemble.arg(checkout("packages/image/assemble")).args(["program", "authorities", "image"]);
    assert!(assemble.current_dir(folder.path()).status().expect("sh").success());
    let image = folder.path().join("image");
    assert_eq!(fs::read_to_string(image.join("root").join(&program[1..])).expect("the program"), "a program");
    let users = fs::read_to_string(image.join("root/etc/passwd")).expect("users");
    assert!(users.starts_with("cwpublisher:x:65532:65532:"), "{users}");
    assert!(image.join("own/var").is_dir() && image.join("own/logs").is_dir());
}
