//! The rules of decoding, over whole files as users write them.
use super::settings::*;
use super::*;
use crate::platform::host;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::path::PathBuf;

mod agent_dialect;
mod beyond;
mod collectd;
#[cfg(target_os = "linux")]
mod devices;
mod emf;
mod misspelt_plugins;
mod mistakes;
mod our_own_keys;
mod patterns;
mod processes;
mod publisher_dialect;
mod several_files;
mod signing_in;
mod statsd;
mod system_logs;
mod text;
mod variables;

fn loaded(text: &str) -> Loaded {
    finish(parsed(text.as_bytes().to_vec()), None)
}

fn parsed(bytes: Vec<u8>) -> Result<File, Vec<Finding>> {
    File::parse(Path::new("c.json"), bytes, None).map_err(|finding| vec![*finding])
}

#[track_caller]
fn settings(text: &str) -> Settings {
    let loaded = loaded(text);
    assert!(loaded.settings.is_some(), "{:#?}", loaded.findings);
    loaded.settings.expect("just checked")
}

/// Path and reason of each finding of one severity.
fn found(text: &str, severity: Severity) -> Vec<String> {
    let found = loaded(text).findings;
    found.iter().filter(|f| f.severity == severity).map(|f| format!("{}: {}", f.at, f.why)).collect()
}

#[track_caller]
fn check_error(text: &str, at: &str, why: &str, suggestion: Option<&str>) {
    let loaded = loaded(text);
    assert!(loaded.settings.is_none());
    let errors: Vec<_> = loaded.errors().collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].at, at, "{}", errors[0]);
    assert!(errors[0].why.contains(why), "{}", errors[0]);
    assert_eq!(errors[0].suggestion.as_deref(), suggestion);
}

/// The file is clean but for one warning.
#[track_caller]
fn check_warning(text: &str, at: &str, why: &str) {
    let loaded = loaded(text);
    assert!(loaded.settings.is_some(), "{:#?}", loaded.findings);
    assert_eq!(loaded.findings.len(), 1, "{:#?}", loaded.findings);
    assert_eq!(loaded.findings[0].at, at);
    assert!(loaded.findings[0].why.contains(why), "{}", loaded.findings[0]);
}

fn items(items: &str) -> String {
    format!(r#"{{ "logs": {{ "logs_collected": {{ "files": {{ "collect_list": [{items}] }} }} }} }}"#)
}

/// A publisher's file with these items.
fn publisher(items: &str) -> String {
    format!(
        r#"{{ "agent": {{ "instance": {{}} }}, "logs": {{ "logs_collected": {{ "files": {{ "collect_list": [{items}] }} }} }} }}"#
    )
}

const ITEM: &str = "logs.logs_collected.files.collect_list";

#[test]
fn every_shipped_configuration_loads_without_errors_or_warnings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of examples") {
        let path = entry.expect("an example").path();
        let loaded = load(&path);
        // That of the EC2 Macs says elsewhere that only they have a device by themselves.
        let of_a_mac = path.ends_with("ec2-mac-monitoring.json") && host::SYSTEM != host::System::MacOs;
        let said: Vec<&str> = loaded.findings.iter().map(|finding| finding.at.as_str()).collect();
        let expected: &[&str] = if of_a_mac { &["agent.serial_relay.enabled"] } else { &[] };
        assert!(loaded.settings.is_some() && said == expected, "{:#?}", loaded.findings);
        seen += 1;
    }
    assert!(seen >= 7);
}

#[test]
fn every_example_of_the_pages_loads_without_errors_or_warnings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, examples) in [("README.md", 1), ("docs/CONFIG.md", 4)] {
        let text = std::fs::read_to_string(root.join(page)).expect("the checkout");
        let all = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
        let all: Vec<&str> = all.collect();
        assert!(all.len() >= examples, "{page}");
        for example in all {
            let loaded = loaded(example);
            // Not every system has every measurement, and each is told of its own.
            let is_said = |finding: &&Finding| !finding.why.starts_with("not available on ");
            let findings: Vec<_> = loaded.findings.iter().filter(is_said).collect();
            assert!(loaded.settings.is_some() && findings.is_empty(), "{page}: {findings:#?}\n{example}");
        }
    }
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let word = prop_oneof![
        proptest::sample::select(vec![
            "agent",
            "metrics",
            "logs",
            "logs_collected",
            "files",
            "collect_list",
            "file_path",
            "filters",
            "type",
            "expression",
            "journal",
            "instance",
            "serial",
            "authentication",
            "password",
            "certificate",
            "region",
            "retention_in_days",
            "log_group_name",
            "log_stream_name",
            "append_dimensions",
            "metrics_collected",
            "cpu",
            "{instance_id}",
            "{aws_region}",
            "${X}",
            "/var/log/a.log",
            "..",
            "(",
            "include",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_loader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        finish(parsed(bytes), None);
    }

    #[test]
    fn no_text_of_json_characters_makes_the_loader_panic(text in r#"[\[\]{}",:\\\n a0-9.eE+/ud#'ä-]{0,120}"#) {
        finish(parsed(text.clone().into_bytes()), None);
        // What serde_json calls JSON is a tree here, and nothing else is.
        let ours = File::parse(Path::new("c.json"), text.clone().into_bytes(), None).is_ok();
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
            prop_assert!(ours, "{value}");
        }
    }

    #[test]
    fn no_json_makes_the_loader_panic_and_each_finding_points_into_the_text(
        value in arbitrary_json(), pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("JSON");
        let loaded = loaded(&text);
        prop_assert!(loaded.settings.is_some() || loaded.errors().count() > 0);
        for finding in &loaded.findings {
            let (Some(line), Some(column)) = (finding.line, finding.column) else { continue };
            let shown = text.lines().nth(line - 1).expect("a line of the text");
            prop_assert!(column <= shown.chars().count() + 1);
        }
    }
}
