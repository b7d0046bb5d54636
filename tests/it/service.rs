//! `service` as a person types it: with a pretended systemctl in the search path, or into the root folder of another system.
use crate::support::host::TestHost;
use std::{fs, path::Path, process::Output};

const UNIT: &str = include_str!("../../installers/amazon-cloudwatch-publisher.service");
const SYSTEMCTL: &str = include_str!("support/systemctl.sh");

/// The exposure that `systemd-analyze security` may find, of 10: <https://www.freedesktop.org/software/systemd/man/latest/systemd-analyze.html>
const EXPOSURE: f64 = 2.0;

/// A host on which a package has brought the unit.
fn with_a_package() -> TestHost {
    let host = TestHost::against("http://127.0.0.1:9").with_program("systemctl", SYSTEMCTL);
    let units = host.path("host/usr/lib/systemd/system");
    fs::create_dir_all(&units).expect("ours");
    fs::write(units.join("amazon-cloudwatch-publisher.service"), UNIT).expect("ours");
    let story = host.path("").display().to_string();
    host.with_variable("STORY", story.trim_end_matches('/'))
}

fn out(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn one_service_in_words_and_by_its_exit_code() {
    let host = with_a_package();
    let stopped = host.run(["service", "status"]).await;
    assert_eq!((stopped.status.code(), &*out(&stopped)), (Some(1), "amazon-cloudwatch-publisher is disabled\n"));
    fs::write(host.path("state"), "active").expect("ours");
    fs::write(host.path("enabled"), "").expect("ours");
    let runs = host.run(["service", "status", "amazon-cloudwatch-publisher"]).await;
    let words = "amazon-cloudwatch-publisher is running (pid 4711): delivering = well\n";
    assert_eq!((runs.status.code(), &*out(&runs)), (Some(0), words));
    let json = host.run(["service", "status", "--json"]).await;
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&document["state"], &document["note"]), (&"running".into(), &"delivering = well".into()));
    let list = host.run(["service", "list"]).await;
    let line =
        "amazon-cloudwatch-publisher  running (pid 4711)  /usr/lib/systemd/system/amazon-cloudwatch-publisher.service";
    assert!(list.status.success() && out(&list).lines().any(|found| found == line), "{}", out(&list));
    let strange = host.run(["service", "status", "sshd"]).await;
    assert_eq!(strange.status.code(), Some(1));
    assert!(out(&strange).contains("sshd is no service of ours"), "{}", out(&strange));
    fs::write(host.path("absent"), "").expect("ours");
    let nobody = host.run(["service", "list"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(out(&nobody).contains("has not been booted with systemd"), "{}", out(&nobody));
}

#[tokio::test]
async fn the_unit_is_written_below_another_root_and_taken_away_again() {
    let host = with_a_package();
    let root = host.path("root");
    let file = root.join("etc/systemd/system/amazon-cloudwatch-publisher.service");
    let run = async |verb: &str| {
        let output = host.run([Path::new("service"), Path::new(verb), Path::new("--root"), &root]).await;
        assert!(output.status.success(), "{}", out(&output));
        out(&output)
    };
    assert!(run("install").await.starts_with(&format!("{} is written\nnothing was started", file.display())));
    assert_eq!(fs::read_to_string(&file).expect("there"), UNIT);
    assert!(run("install").await.contains("was there, as it is to be"));
    assert!(run("uninstall").await.ends_with("is removed\n"));
    assert!(run("uninstall").await.starts_with("there was no "));
    assert!(!host.path("calls").exists(), "no manager was asked");
}

/// The unit with these lines of a drop-in.
fn exposure(analyze: &Path, folder: &Path, lines: &str) -> Option<f64> {
    let unit = folder.join("amazon-cloudwatch-publisher.service");
    fs::write(&unit, format!("{UNIT}\n[Service]\n{lines}\n")).expect("ours");
    let mut command = std::process::Command::new(analyze);
    let output = command.args(["security", "--offline=true", "--no-pager"]).arg(&unit).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

/// Every figure of the table of drop-ins: its lines stand in backquotes, in the second column but one.
fn drop_ins(table: &str) -> Vec<(String, f64)> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let mut columns = row.rsplit(" | ");
        let figure = columns.next()?.parse().ok()?;
        let lines = columns.next()?.split('`').skip(1).step_by(2).collect::<Vec<_>>().join("\n");
        lines.contains('=').then_some((lines, figure))
    })
    .collect()
}

#[test]
fn the_unit_exposes_little_and_the_figures_of_the_docs_are_those_that_are_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("systemd-analyze")).find(|file| file.is_file())
    });
    let Some(analyze) = found else {
        println!("skipped: there is no systemd-analyze here to measure the unit with");
        return;
    };
    let Some(plain) = exposure(&analyze, folder.path(), "") else {
        println!("skipped: this systemd-analyze measures no unit that is not loaded");
        return;
    };
    assert!(plain <= EXPOSURE, "{plain}");
    let version = std::process::Command::new(&analyze).arg("--version").output().expect("it started before").stdout;
    if !version.starts_with(b"systemd 252") {
        println!("skipped in part: the figures of the docs are those of systemd 252; here the unit has {plain}");
        return;
    }
    let docs = include_str!("../../docs/OPERATIONS.md");
    assert!(docs.contains(&format!("an exposure of {plain:.1}")), "{plain}");
    let drop_ins = drop_ins(docs);
    assert!(drop_ins.len() >= 8, "{drop_ins:?}");
    for (lines, figure) in drop_ins {
        assert_eq!(exposure(&analyze, folder.path(), &lines), Some(figure), "{lines}");
    }
}
