use super::*;

#[test]
fn all_of_them_are_found_in_one_run_in_the_order_of_the_file() {
    let loaded = loaded(
        "{ \"agent\": { \"debug\": \"false\",\n \"metrics_collection_interval\": 0, \"regoin\": \"x\" },\n \"logs\": { \"retention_in_days\": 31 } }",
    );
    let all: Vec<String> = loaded.findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        all,
        [
            "c.json:1:23: error: agent.debug: expected true or false, found text; did you mean `false`?",
            "c.json:2:33: error: agent.metrics_collection_interval: must be from 1 to 172800, found 0",
            "c.json:2:36: warning: agent.regoin: unknown key; ignored; did you mean `region`?",
            "c.json:3:33: error: logs.retention_in_days: CloudWatch Logs does not offer to keep events for 31 days; did you mean `30`?",
        ]
    );
    assert!(loaded.settings.is_none());
}

#[test]
fn an_unknown_key_is_an_error_in_what_we_own_and_a_warning_elsewhere() {
    let error = |text: &str, at: &str, suggestion| check_error(text, at, "unknown key", suggestion);
    error(r#"{ "agent": { "instance": { "comand": "x" } } }"#, "agent.instance.comand", Some("command"));
    error(r#"{ "agent": { "spool": { "max": 1 } } }"#, "agent.spool.max", None);
    error(r#"{ "agent": { "spool": { "max_age": 1 } } }"#, "agent.spool.max_age", Some("max_age_seconds"));
    error(r#"{ "local": { "foldr": "x" } }"#, "local.foldr", Some("folder"));
    error(
        r#"{ "logs": { "logs_collected": { "journal": { "colect": true } } } }"#,
        "logs.logs_collected.journal.colect",
        Some("collect"),
    );
    let item = items(r#"{ "file_path": "/a", "filepath": "/a" }"#);
    error(&item, &format!("{ITEM}[0].filepath"), Some("file_path"));
    for (wrong, right) in [
        ("log_group", "log_group_name"),
        ("group", "log_group_name"),
        ("stream", "log_stream_name"),
        ("retention", "retention_in_days"),
    ] {
        let item = items(&format!(r#"{{ "file_path": "/a", "{wrong}": "g" }}"#));
        error(&item, &format!("{ITEM}[0].{wrong}"), Some(right));
    }
    // One mistake, one finding: that `file_path` is missing is not said too.
    error(&items(r#"{ "path": "/a" }"#), &format!("{ITEM}[0].path"), Some("file_path"));
    let warning = |text: &str, at: &str| check_warning(text, at, "unknown key");
    warning(r#"{ "typo": 1 }"#, "typo");
    warning(r#"{ "agent": { "typo": 1 } }"#, "agent.typo");
    warning(r#"{ "metrics": { "typo": 1 } }"#, "metrics.typo");
    warning(r#"{ "logs": { "typo": 1 } }"#, "logs.typo");
}

#[test]
fn the_agents_own_refusals_are_kept_in_its_files() {
    let collected = r#""metrics_collected": { "mem": { "measurement": ["used"] } }"#;
    let at = |metrics: &str| {
        let errors = found(&format!(r#"{{ "metrics": {{ {metrics} }} }}"#), Severity::Error);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].split(':').next().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(at(&format!(r#"{collected}, "typo": 1"#)), "metrics.typo");
    assert_eq!(at(r#""metrics_collected": {}"#), "metrics.metrics_collected");
    assert_eq!(at(r#""metrics_collected": { "mem": {} }"#), "metrics.metrics_collected.mem");
    assert_eq!(at(r#""metrics_collected": { "x": {} }"#), "metrics.metrics_collected.x");
    assert_eq!(
        at(r#""metrics_collected": { "disk": { "measurement": ["free", "used", "free"] } }"#),
        "metrics.metrics_collected.disk.measurement[2]"
    );
    assert_eq!(
        at(r#""metrics_collected": { "procstat": [ { "measurement": ["pid"] } ] }"#),
        "metrics.metrics_collected.procstat[0]"
    );
    assert_eq!(
        at(&format!(r#"{collected}, "aggregation_dimensions": [["a"], "b"]"#)),
        "metrics.aggregation_dimensions[1]"
    );
    assert_eq!(
        at(&format!(r#"{collected}, "metrics_destinations": {{ "amp": {{}} }}"#)),
        "metrics.metrics_destinations.amp"
    );
}

#[test]
fn windows_events_need_something_to_choose_by_and_a_real_channel() {
    let events = |item: &str| {
        format!(r#"{{ "logs": {{ "logs_collected": {{ "windows_events": {{ "collect_list": [ {item} ] }} }} }} }}"#)
    };
    let at = "logs.logs_collected.windows_events.collect_list[0]";
    check_error(&events(r#"{ "event_name": "System" }"#), at, "needs one of", None);
    let forwarded = events(r#"{ "event_name": "Forwarded Events", "event_levels": ["ERROR"] }"#);
    check_error(&forwarded, &format!("{at}.event_name"), "title", Some("ForwardedEvents"));
}

#[test]
fn a_bad_pattern_is_named_where_it_stands() {
    let text = items(r#"{ "file_path": "/a", "include_patterns": ["ok", "a(b"] }"#);
    check_error(
        &text,
        &format!("{ITEM}[0].include_patterns[1]"),
        "`a(b` is no regular expression: unclosed group",
        None,
    );
    let text = items(r#"{ "file_path": "/a", "filters": [ { "type": "include", "expression": "(?=x)" } ] }"#);
    check_error(&text, &format!("{ITEM}[0].filters[0].expression"), "look-around", None);
}

#[test]
fn a_pattern_cannot_eat_the_memory() {
    let text = items(r#"{ "file_path": "/a", "exclude_patterns": ["(((\\w{100}){100}){100}){100}"] }"#);
    check_error(&text, &format!("{ITEM}[0].exclude_patterns[0]"), "too large", None);
}

#[test]
fn a_filter_needs_both_its_keys_and_a_known_type() {
    let filter = |filter: &str| items(&format!(r#"{{ "file_path": "/a", "filters": [ {filter} ] }}"#));
    let at = format!("{ITEM}[0].filters[0]");
    check_error(&filter(r#"{ "type": "include" }"#), &at, "`expression` is missing", None);
    let text = filter(r#"{ "type": "includes", "expression": "x" }"#);
    check_error(&text, &format!("{at}.type"), "must be one of", Some("include"));
}

#[test]
fn retention_is_what_cloudwatch_offers() {
    for (days, nearest) in [("0", "1"), ("31", "30"), ("9999999999", "3653"), ("-7", "1")] {
        let text = format!(r#"{{ "logs": {{ "retention_in_days": {days} }} }}"#);
        check_error(&text, "logs.retention_in_days", "does not offer", Some(nearest));
    }
    let item = items(r#"{ "file_path": "/a", "retention_in_days": 7.5 }"#);
    check_error(&item, &format!("{ITEM}[0].retention_in_days"), "whole number", None);
}

#[test]
fn names_are_checked_around_their_placeholders() {
    let group = |name: &str| format!(r#"{{ "logs": {{ "log_group_name": "{name}" }} }}"#);
    check_error(&group("a b"), "logs.log_group_name", "log group", None);
    check_error(&group(""), "logs.log_group_name", "empty", None);
    check_error(&group(&"x".repeat(513)), "logs.log_group_name", "512", None);
    for (wrong, right) in [
        ("{instanceid}", "{instance_id}"),
        ("{instance}", "{instance_id}"),
        ("{host}", "{hostname}"),
        ("{ip}", "{ip_address}"),
        ("{region}", "{aws_region}"),
    ] {
        check_error(&group(&format!("/{wrong}")), "logs.log_group_name", wrong, Some(right));
    }
    check_error(&group("/{}"), "logs.log_group_name", "{}", None);
    let long = format!(
        r#"{{ "agent": {{ "region": "ap-southeast-1" }}, "logs": {{ "log_group_name": "{}/{{aws_region}}" }} }}"#,
        "x".repeat(499)
    );
    check_error(&long, "logs.log_group_name", "514 characters or more", None);
    let stream = items(r#"{ "file_path": "/a", "log_stream_name": "a:b" }"#);
    check_error(&stream, &format!("{ITEM}[0].log_stream_name"), "log stream", None);
}

#[test]
fn the_region_is_put_into_names_where_it_is_known_and_what_is_not_known_is_filled_in_later() {
    let text = |region: &str, group: &str| {
        format!(
            r#"{{ "agent": {{ {region} }}, "logs": {{ "log_group_name": "{group}", "logs_collected": {{ "journal": true }} }} }}"#
        )
    };
    let s = settings(&text(r#""region": "us-east-1""#, "/{aws_region}/{instance_id}"));
    assert_eq!(s.logs.journal.expect("asked for").target.group, "/us-east-1/{instance_id}");
    for later in ["/{aws_region}", "/{account_id}/{ip_address}"] {
        assert_eq!(settings(&text("", later)).logs.journal.expect("asked for").target.group, later);
    }
}

#[test]
fn braces_that_are_no_placeholder_stay_in_a_stream_of_the_agents_with_a_warning_and_are_an_error_elsewhere() {
    let item =
        |key: &str, name: &str| items(&format!(r#"{{ "file_path": "/a", "log_group_name": "g", "{key}": "{name}" }}"#));
    let at = |key: &str| format!("{ITEM}[0].{key}");
    let stream = item("log_stream_name", "{hostname}-{x}");
    check_warning(&stream, &at("log_stream_name"), "`{x}` is no placeholder");
    assert_eq!(settings(&stream).logs.files[0].target.stream, "{hostname}-{x}");
    let publishers = items(r#"{ "file_path": "/a", "log_stream_name": "{host}" }"#);
    check_error(&publishers, &at("log_stream_name"), "{host}", Some("{hostname}"));
    let group = items(r#"{ "file_path": "/a", "log_group_name": "{host}" }"#);
    check_error(&group, &at("log_group_name"), "{host}", Some("{hostname}"));
}

#[test]
fn values_of_the_wrong_type_are_told_with_the_right_spelling() {
    check_error(r#"{ "agent": { "region": 1 } }"#, "agent.region", "expected text, found a number", Some("\"1\""));
    check_error(r#"{ "agent": { "region": null } }"#, "agent.region", "found null", None);
    check_error(r#"{ "agent": [] }"#, "agent", "expected an object, found a list", None);
    check_error("[]", "", "expected an object, found a list", None);
    let huge = r#"{ "agent": { "shutdown_seconds": 1e999999 } }"#;
    check_error(huge, "agent.shutdown_seconds", "whole number", None);
    let text = r#"{ "logs": { "logs_collected": { "journal": "yes" } } }"#;
    check_error(text, "logs.logs_collected.journal", "true or false or an object", None);
}

#[test]
fn a_key_that_stands_twice_is_an_error() {
    check_error("{ \"local\": {},\n \"local\": {} }", "local", "line 1", None);
    let text = items(r#"{ "file_path": "/a", "file_path": "/b" }"#);
    check_error(&text, &format!("{ITEM}[0].file_path"), "line 1", None);
}

#[test]
fn a_key_that_is_missing_because_it_is_misspelt_is_one_finding() {
    let text = items(r#"{ "file_pth": "/a" }"#);
    check_error(&text, &format!("{ITEM}[0].file_pth"), "unknown key", Some("file_path"));
}

#[test]
fn a_region_has_the_form_of_one() {
    let region = |name: &str| format!(r#"{{ "agent": {{ "region": "{name}" }} }}"#);
    for name in ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-7"] {
        assert_eq!(settings(&region(name)).agent.region.as_deref(), Some(name));
        assert!(loaded(&region(name)).findings.is_empty());
    }
    check_error(&region("US_East_1"), "agent.region", "no AWS region", Some("us-east-1"));
    check_error(&region("us-east-1/x"), "agent.region", "no AWS region", None);
    check_warning(&region("frankfurt"), "agent.region", "does not look like");
}

#[test]
fn a_namespace_is_ours_and_not_that_of_a_service() {
    let namespace = |name: &str| format!(r#"{{ "metrics": {{ "namespace": "{name}" }} }}"#);
    check_warning(&namespace("AWS/EC2"), "metrics.namespace", "those of AWS's own services");
    check_error(&namespace(":x"), "metrics.namespace", "colon", None);
    check_error(&namespace("Büro"), "metrics.namespace", "found `ü`", None);
    assert!(loaded(&namespace("AWSome/Things")).findings.is_empty());
}

#[test]
fn a_dimension_whose_name_begins_with_a_colon_is_an_error_and_one_whose_value_does_is_none() {
    let ours = |pair: &str| format!(r#"{{ "metrics": {{ "append_dimensions": {{ {pair} }} }} }}"#);
    check_error(&ours(r#"":Site": "x""#), r#"metrics.append_dimensions[":Site"]"#, "does not begin with a colon", None);
    assert!(loaded(&ours(r#""Site": ":x""#)).findings.is_empty());
    let agents = |plugin: &str, metrics: &str| {
        format!(
            r#"{{ "metrics": {{ {metrics} "metrics_collected": {{ "mem": {{ {plugin} "measurement": ["used"] }} }} }} }}"#
        )
    };
    let plugin = agents(r#""append_dimensions": { ":d": "x" },"#, "");
    check_error(
        &plugin,
        r#"metrics.metrics_collected.mem.append_dimensions[":d"]"#,
        "does not begin with a colon",
        None,
    );
    let extra = agents("", r#""extra_dimensions": { ":d": "x" },"#);
    check_error(&extra, r#"metrics.extra_dimensions[":d"]"#, "does not begin with a colon", None);
}

#[test]
fn a_role_is_named_by_its_arn() {
    let role = |arn: &str| format!(r#"{{ "agent": {{ "credentials": {{ "role_arn": "{arn}" }} }} }}"#);
    for wrong in ["foo", "arn:aws:iam::123456789012:user/NAME", "a-role-of-mine-by-its-name"] {
        check_error(&role(wrong), "agent.credentials.role_arn", "no ARN of a role", None);
    }
    for right in ["arn:aws:iam::123456789012:role/path/NAME", "arn:aws-us-gov:iam::123456789012:role/NAME"] {
        assert!(loaded(&role(right)).findings.is_empty());
    }
}

#[test]
fn a_role_is_one_role_wherever_it_stands_and_whoever_wrote_the_file() {
    for wild in
        ["arn:aws:iam::*:role/*", "arn:aws:iam::123456789012:role/N?ME", "arn:aws:iam::123456789012:role/*", "*"]
    {
        for (section, mark) in [("agent", ""), ("agent", r#""run_as_user": "cwagent","#), ("metrics", ""), ("logs", "")]
        {
            let text = format!(r#"{{ "{section}": {{ {mark} "credentials": {{ "role_arn": "{wild}" }} }} }}"#);
            check_error(&text, &format!("{section}.credentials.role_arn"), "must name one role", None);
        }
    }
}

#[test]
fn an_odd_role_is_a_warning_in_the_agents_file_which_runs_all_the_same() {
    let role = |mark: &str| format!(r#"{{ "agent": {{ {mark} "credentials": {{ "role_arn": "my-role" }} }} }}"#);
    let (at, why) = ("agent.credentials.role_arn", "no ARN of a role");
    let agents = role(r#""run_as_user": "cwagent","#);
    let warnings = found(&agents, Severity::Warning);
    assert!(warnings.iter().any(|warning| warning.contains(at) && warning.contains(why)), "{warnings:?}");
    assert!(loaded(&agents).settings.is_some());
    check_error(&role(r#""logs_collection_interval": 5,"#), at, why, None);
}

#[test]
fn an_instance_id_is_what_dimensions_and_names_can_hold() {
    let instance = |key: &str, value: &str| format!(r#"{{ "agent": {{ "instance": {{ "{key}": "{value}" }} }} }}"#);
    check_error(&instance("prefix", "büro"), "agent.instance.prefix", "found `ü`", None);
    check_error(&instance("serial", "a\\nb"), "agent.instance.serial", "found `\\n`", None);
    check_warning(&instance("serial", "a:b"), "agent.instance.serial", "becomes `_`");
    let dimension = r#"{ "metrics": { "append_dimensions": { "Site": "Zürich" } } }"#;
    check_error(dimension, "metrics.append_dimensions.Site", "found `ü`", None);
}

// Which Unicode properties are known cannot be told here: test tools bring all of them along.
#[test]
fn patterns_know_no_look_around_and_no_back_references() {
    let text = |pattern: &str| items(&format!(r#"{{ "file_path": "/a", "exclude_patterns": ["{pattern}"] }}"#));
    settings(&text("(?i)straße"));
    for bad in ["(?=x)", r"(x)\\1"] {
        check_error(&text(bad), &format!("{ITEM}[0].exclude_patterns[0]"), "no regular expression", None);
    }
}

#[test]
fn a_zero_character_is_found_wherever_a_text_stands() {
    check_error(r#"{ "agent": { "state_folder": "/a\u0000b" } }"#, "agent.state_folder", "zero character", None);
    check_error(&items(r#"{ "file_path": "/a\u0000b" }"#), &format!("{ITEM}[0].file_path"), "zero character", None);
}

#[test]
fn two_equal_items_are_one_mistake() {
    let item = r#"{ "file_path": "/a" }"#;
    let twice = format!("says the same as {ITEM}[0]");
    let text = publisher(&format!("{item}, {item}"));
    check_error(&text, &format!("{ITEM}[1]"), &twice, None);
    assert_eq!(loaded(&text).findings.len(), 1, "nor is their base name another mistake");
}

#[test]
fn a_known_key_of_the_wrong_type_is_not_said_to_be_ignored_too() {
    let text = |key: &str| format!(r#"{{ "logs": {{ "logs_collected": {{ "journald": {key} }} }} }}"#);
    let at = "logs.logs_collected.journald";
    check_error(&text("true"), at, "expected an object", Some("journal"));
    check_error(&text("1"), at, "expected an object", None);
}

#[test]
fn what_is_no_object_is_one_mistake() {
    let loaded = finish(
        parsed(b"[]".to_vec()),
        Some(&Checks { sends: Sends::AsConfigured, surroundings: Surroundings::default(), log_files: true }),
    );
    assert_eq!(loaded.findings.len(), 1, "{:#?}", loaded.findings);
}

#[test]
fn a_key_in_the_wrong_part_is_told_where_it_belongs() {
    let text = r#"{ "logs": { "logs_collection_interval": 5 } }"#;
    check_warning(text, "logs.logs_collection_interval", "it belongs to `agent.logs_collection_interval`");
    check_warning(r#"{ "logs": { "files": {} } }"#, "logs.files", "it belongs to `logs.logs_collected.files`");
    let journal = r#"{ "logs": { "logs_collected": { "journal": { "units": ["a"] } } } }"#;
    let place = "it belongs to `logs.logs_collected.journald.collect_list[].units`";
    check_error(journal, "logs.logs_collected.journal.units", place, None);
}

#[test]
fn one_mistake_is_one_finding() {
    let item = |keys: &str| items(&format!(r#"{{ "file_path": "/a", {keys} }}"#));
    let at = |key: &str| format!("{ITEM}[0].{key}");
    check_error(&item(r#""timestamp_format": """#), &at("timestamp_format"), "must not be empty", None);
    check_error(&item(r#""redact": [{ "expression": "" }]"#), &at("redact[0].expression"), "must not be empty", None);
    let dimension = r#"{ "metrics": { "append_dimensions": { "Site": "" } } }"#;
    check_error(dimension, "metrics.append_dimensions.Site", "must not be empty", None);
}

#[test]
fn words_of_other_programs_have_a_suggestion() {
    let item = |keys: &str| items(&format!(r#"{{ "file_path": "/a", "log_group_name": "g", {keys} }}"#));
    let at = |key: &str| format!("{ITEM}[0].{key}");
    check_error(&item(r#""encoding": "utf8mb4""#), &at("encoding"), "is no encoding", Some("utf-8"));
    settings(&item(r#""encoding": "macroman""#));
    check_error(&item(r#""time_format": "%Y""#), &at("time_format"), "unknown key", Some("timestamp_format"));
    let group = items(r#"{ "file_path": "/a", "log_group_name": "/g/{instance-id}" }"#);
    check_error(&group, &at("log_group_name"), "found `{`", Some("{instance_id}"));
    let priority = |value: &str| {
        format!(
            r#"{{ "logs": {{ "logs_collected": {{ "journald": {{ "collect_list":
            [ {{ "log_group_name": "g", "priority": {value} }} ] }} }} }} }}"#
        )
    };
    let at = "logs.logs_collected.journald.collect_list[0].priority";
    check_error(&priority(r#""error""#), at, "must be one of", Some("err"));
    check_error(&priority("3"), at, "found a number", Some("\"3\""));
}

#[test]
fn a_backspace_in_an_expression_is_told_for_what_it_is() {
    let text = items(r#"{ "file_path": "/a", "log_group_name": "g", "include_patterns": ["\bERROR\b"] }"#);
    let all = loaded(&text).findings;
    assert!(all.len() == 1 && all[0].why.contains("backspace"), "{all:?}");
    assert_eq!(all[0].suggestion.as_deref(), Some(r"\\bERROR\\b"));
}
