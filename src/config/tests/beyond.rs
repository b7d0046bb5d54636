//! What is measured beside the agent's plugins.
use super::*;
use crate::config::settings::{
    exposition::{Command, Counters, Exec, Exposition, Format, Textfiles},
    metrics::{DimensionValue, Measurements, Options, Plugin, SourceDimensions},
    probe::{Http, Question, Target},
};

fn plugins(text: &str) -> Vec<Plugin> {
    settings(text).metrics.expect("something is measured").plugins
}

/// A publisher's file with these targets.
fn targets(targets: &str) -> String {
    format!(r#"{{ "metrics": {{ "response_time": {{ "targets": [{targets}] }} }} }}"#)
}

/// The targets alone.
fn probes(text: &str) -> Vec<(Plugin, Target)> {
    let probe = |plugin: Plugin| match plugin.options.clone() {
        Options::Probe(target) => Some((plugin, target)),
        _ => None,
    };
    plugins(text).into_iter().filter_map(probe).collect()
}

fn one(target: &str) -> Target {
    let mut probes = probes(&targets(target));
    assert_eq!(probes.len(), 1);
    probes.remove(0).1
}

fn http(url: &str) -> Http {
    Http { url: url.into(), expect: vec![200..=399], redirects: 0, ca_bundle: None }
}

fn collected(collected: &str) -> String {
    format!(r#"{{ "metrics": {{ "metrics_collected": {{ {collected} }} }} }}"#)
}

/// Keys and measurements, without the thirteen.
fn measured(text: &str) -> Vec<(&'static str, Vec<String>)> {
    let names = |plugin: &Plugin| match &plugin.measurements {
        Measurements::These(all) => all.iter().map(|measurement| measurement.name.clone()).collect(),
        Measurements::Everything { .. } => vec![],
    };
    plugins(text).iter().map(|plugin| (plugin.key, names(plugin))).collect()
}

#[test]
fn a_target_is_written_as_a_text_or_as_an_object() {
    let tcp = |host: &str, port| Question::Tcp { host: host.into(), port };
    let icmp = |host: &str| Question::Icmp { host: host.into() };
    for (written, question, name) in [
        (r#""https://x.org/health?key=1""#, Question::Http(http("https://x.org/health?key=1")), "https://x.org/health"),
        (r#""db:5432""#, tcp("db", 5432), "db:5432"),
        (r#""tcp://[::1]:22""#, tcp("::1", 22), "[::1]:22"),
        (r#""icmp 192.0.2.1""#, icmp("192.0.2.1"), "icmp 192.0.2.1"),
        (r#""icmp://[fe80::1]""#, icmp("fe80::1"), "icmp fe80::1"),
        (r#"{ "url": "http://x" }"#, Question::Http(http("http://x")), "http://x"),
        (r#"{ "host": "db", "port": 5432, "name": "database" }"#, tcp("db", 5432), "database"),
        (r#"{ "icmp": "gateway" }"#, icmp("gateway"), "icmp gateway"),
    ] {
        let target = one(written);
        assert_eq!((target.question, target.name.as_str()), (question, name), "{written}");
        assert_eq!(target.timeout, Duration::from_secs(10));
    }
}

#[test]
fn what_a_target_says_of_its_answer_is_read() {
    let target = one(r#"{ "url": "https://x/", "expect_status": [204, "300-399", "404"], "follow_redirects": true,
                          "ca_bundle": "/ca.pem", "timeout": 3 }"#);
    let Question::Http(http) = target.question else { panic!("it has a URL") };
    assert_eq!(http.expect, [204..=204, 300..=399, 404..=404]);
    assert_eq!((http.redirects, http.ca_bundle), (5, Some("/ca.pem".into())));
    assert_eq!(target.timeout, Duration::from_secs(3));
    let Question::Http(http) = one(r#"{ "url": "http://x", "expect_status": 200, "follow_redirects": 2 }"#).question
    else {
        panic!("it has a URL")
    };
    assert_eq!((http.expect, http.redirects), (vec![200..=200], 2));
}

#[test]
fn a_target_has_its_own_interval_or_that_of_all_and_a_timeout_within_it() {
    let text = r#"{ "agent": { "metrics_collection_interval": 30 }, "metrics": { "response_time": { "interval": 20, "timeout": 4,
        "targets": ["a:1", { "host": "b", "port": 1, "interval": 5, "timeout": 5 }] } } }"#;
    let times: Vec<_> =
        probes(text).iter().map(|(plugin, target)| (plugin.interval.as_secs(), target.timeout.as_secs())).collect();
    assert_eq!(times, [(20, 4), (5, 5)]);
    let probes = probes(
        r#"{ "agent": { "metrics_collection_interval": 5 }, "metrics": { "response_time": { "targets": ["a:1"] } } }"#,
    );
    assert_eq!((probes[0].0.interval.as_secs(), probes[0].1.timeout.as_secs()), (5, 5));
    let late = targets(r#"{ "host": "a", "port": 1, "interval": 5, "timeout": 6 }"#);
    check_error(&late, "metrics.response_time.targets[0].timeout", "longer than the interval", None);
}

#[test]
fn targets_run_beside_the_thirteen_and_carry_what_those_carry() {
    let text = r#"{ "metrics": { "append_dimensions": { "Stage": "prod" }, "response_time": { "targets": ["a:1"],
                     "measurement": ["response_time"], "append_dimensions": { "Site": "x" } } } }"#;
    let plugins = plugins(text);
    assert_eq!(plugins.iter().map(|plugin| plugin.key).collect::<Vec<_>>(), ["publisher", "response_time"]);
    let names: Vec<_> = plugins[1].dimensions.append.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Site", "InstanceId", "Hostname", "Stage"]);
    assert!(!plugins[1].dimensions.host);
    assert_eq!(measured(text)[1].1, ["response_time"]);
    let agents = r#"{ "metrics": { "metrics_collected": { "mem": { "measurement": ["used"] } }, "response_time": { "targets": ["a:1"] } } }"#;
    let probe = &probes(agents)[0].0;
    assert_eq!(probe.dimensions, SourceDimensions { host: true, ..SourceDimensions::default() });
    let all = ["response_time", "response_time_available", "response_time_status_code"];
    assert_eq!(measured(agents).last().expect("two").1, all);
}

#[test]
fn what_is_no_target_is_refused_where_it_stands() {
    for (written, at, why) in [
        (r#""somewhere""#, "", "none of the forms"),
        (r#""::1:80""#, "", "none of the forms"),
        (r#""ftp://x""#, "", "none of the forms"),
        (r#""a:0""#, "", "none of the forms"),
        (r#""https://u:secret@x/""#, "", "a user in its URL"),
        (r#""https://büro/""#, "", "none of the forms"),
        (r#""büro:80""#, "", "give it a `name`"),
        (r#"{ "url": "x.org" }"#, ".url", "is no URL"),
        (r#"{ "host": "db" }"#, ".host", "needs a `port`"),
        (r#"{ "host": "db", "icmp": "db" }"#, "", "more than one"),
        (r#"{ "name": "x" }"#, "", "needs one of"),
        (r#"{ "url": "http://x", "expect_status": "2xx" }"#, ".expect_status", "range of them"),
        (r#"{ "url": "http://x", "expect_status": "300-200" }"#, ".expect_status", "range of them"),
        (r#"{ "url": "http://x", "expect_status": 999 }"#, ".expect_status", "from 100 to 599"),
    ] {
        check_error(&targets(written), &format!("metrics.response_time.targets[0]{at}"), why, None);
    }
    let twice = targets(r#""a:1", { "host": "a", "port": 1 }"#);
    check_error(&twice, "metrics.response_time.targets[1]", "another target is called `a:1`", None);
    check_error(r#"{ "metrics": { "response_time": {} } }"#, "metrics.response_time", "`targets` is missing", None);
    let odd = targets(r#"{ "icmp": "a", "expect_status": 200 }"#);
    check_warning(&odd, "metrics.response_time.targets[0].expect_status", "only for a URL");
}

#[test]
fn the_critical_stats_take_the_place_of_the_thirteen_and_stand_beside_the_agents_plugins() {
    let all = measured(r#"{ "metrics": { "critical": ["memory", "cpu"] } }"#);
    assert_eq!(all, [("cpu", vec!["cpu_usage_active".to_owned()]), ("mem", vec!["mem_used_percent".to_owned()])]);
    let text = r#"{ "metrics": { "critical": true, "response_time": { "targets": ["a:1"] } } }"#;
    let keys: Vec<&str> = measured(text).iter().map(|(key, _)| *key).collect();
    assert!(keys.starts_with(&["cpu", "mem", "disk"]) && keys.ends_with(&["response_time"]), "{keys:?}");
    let instance = plugins(text)[0].dimensions.append[0].clone();
    assert_eq!(instance, ("InstanceId".to_owned(), DimensionValue::Instance));
    let Options::Disk { ignored_types, drop_device, .. } = &plugins(text)[2].options else { panic!("a disk") };
    assert!(*drop_device && ignored_types.iter().any(|kind| kind == "tmpfs"));
    let beside = r#"{ "metrics": { "critical": ["cpu", "memory"], "metrics_collected": { "mem": { "measurement": ["used_percent"] } } } }"#;
    let keys: Vec<&str> = measured(beside).iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["mem", "cpu"], "what is measured already is not measured twice");
    assert_eq!(measured(r#"{ "metrics": { "critical": false } }"#)[0].0, "publisher");
}

#[test]
fn critical_stats_that_nothing_measures_are_said() {
    check_warning(
        r#"{ "metrics": { "critical": ["cpu", "response_time"] } }"#,
        "metrics.critical",
        "names no `targets`",
    );
    let misspelt = r#"{ "metrics": { "critical": ["cpus"] } }"#;
    check_error(misspelt, "metrics.critical[0]", "must be one of", Some("cpu"));
}

#[test]
fn a_command_is_a_text_for_the_shell_or_a_list_of_words() {
    let text = collected(
        r#""exec": [ { "command": "df | wc -l" },
            { "command": ["/bin/x", "a b"], "format": "prometheus", "counters": "raw", "buckets": true, "timeout": 5,
              "metrics_collection_interval": 20, "name_prefix": "x_", "append_dimensions": { "Stage": "prod" } } ]"#,
    );
    let plugins = plugins(&text);
    let (delta, raw) = (
        Exposition { counters: Counters::Delta, buckets: false },
        Exposition { counters: Counters::Raw, buckets: true },
    );
    let first = Exec {
        command: Command::Shell("df | wc -l".into()),
        format: Format::Lines,
        timeout: Duration::from_secs(30),
        exposition: delta,
    };
    let second = Exec {
        command: Command::Program(vec!["/bin/x".into(), "a b".into()]),
        format: Format::Prometheus,
        timeout: Duration::from_secs(5),
        exposition: raw,
    };
    assert_eq!((&plugins[0].options, &plugins[1].options), (&Options::Exec(first), &Options::Exec(second)));
    assert_eq!((plugins[1].interval.as_secs(), plugins[1].measurements.prefix()), (20, "x_"));
    assert_eq!(plugins[1].dimensions.append.len(), 1);
    assert!(plugins[1].at.ends_with("exec[1]"));
}

#[test]
fn a_command_that_cannot_be_one_is_refused() {
    const AT: &str = "metrics.metrics_collected.exec[0]";
    for (item, at, why) in [
        (r#"{ "command": " " }"#, ".command", "names no command"),
        (r#"{ "command": [""] }"#, ".command", "names no command"),
        (r#"{ "command": "x", "timeout": 61 }"#, ".timeout", "longer than the interval"),
        (r#"{ "command": "x", "name_prefix": "ü" }"#, ".name_prefix", "ASCII"),
        (r#"{ "command": "x", "format": "json" }"#, ".format", "must be one of"),
        (r#"{ "comand": "x" }"#, ".comand", "unknown key"),
    ] {
        let loaded = loaded(&collected(&format!(r#""exec": [{item}]"#)));
        let errors: Vec<String> = loaded.errors().map(|finding| format!("{}: {}", finding.at, finding.why)).collect();
        assert!(
            errors.iter().any(|error| error.starts_with(&format!("{AT}{at}")) && error.contains(why)),
            "{errors:?}"
        );
    }
    let idle = collected(r#""exec": [{ "command": "x", "counters": "raw" }]"#);
    check_warning(&idle, &format!("{AT}.counters"), "prometheus");
}

#[test]
fn a_file_that_others_may_write_may_name_no_command_for_metrics() {
    let rights = |others_may_write| crate::platform::permissions::Rights {
        others_may_write,
        all_may_read: false,
        owner: crate::platform::permissions::Owner::Us,
    };
    let text = collected(r#""exec": [{ "command": "x" }]"#);
    let checks = Checks { sends: Sends::Nowhere, surroundings: Surroundings::default(), log_files: false };
    for others in [false, true] {
        let file = File::parse(Path::new("c.json"), text.as_bytes().to_vec(), Some(rights(others)))
            .map_err(|finding| vec![*finding]);
        let errors: Vec<String> = finish(file, Some(&checks)).errors().map(|finding| finding.at.clone()).collect();
        let expected: &[&str] = if others { &["metrics.metrics_collected.exec[0].command"] } else { &[] };
        assert_eq!(errors, expected);
    }
}

#[test]
fn text_files_are_named_by_patterns() {
    let text = collected(r#""textfile": { "paths": ["/var/lib/x/*.prom"], "file_age": true, "name_prefix": "tf_" }"#);
    let plugins = plugins(&text);
    let exposition = Exposition { counters: Counters::Delta, buckets: false };
    let files = Textfiles { paths: vec!["/var/lib/x/*.prom".into()], age: true, exposition };
    assert_eq!((&plugins[0].options, plugins[0].measurements.prefix()), (&Options::Textfile(files), "tf_"));
    const AT: &str = "metrics.metrics_collected.textfile.paths[0]";
    check_error(&collected(r#""textfile": { "paths": ["/a/{b"] }"#), AT, "without its `}`", None);
    check_warning(&collected(r#""textfile": { "paths": ["a/*.prom"] }"#), AT, "not an absolute path");
}
