use super::*;
use crate::config::{Loaded, Sends, load, read_in};
use std::fs;

/// A folder with a configuration and what stands beside it.
struct Etc(tempfile::TempDir);

impl Etc {
    fn with(files: &[(&str, &str)]) -> Self {
        let etc = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            let path = etc.path(name);
            fs::create_dir_all(path.parent().expect("inside")).expect("ours");
            fs::write(&path, text).expect("ours");
            permissions::set_mode(&path, 0o644);
        }
        etc
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn loaded(&self, process: &[(&str, &str)]) -> Loaded {
        read_in(Environment::only(process), &self.path("c.json"), None, None)
    }

    #[track_caller]
    fn environment(&self, process: &[(&str, &str)]) -> Environment {
        let loaded = self.loaded(process);
        assert!(loaded.findings.is_empty(), "{:#?}", loaded.findings);
        loaded.settings.expect("valid").environment
    }
}

const CONFIG: (&str, &str) = ("c.json", "{}");

#[test]
fn common_config_beats_the_process_which_beats_env_config() {
    let bundle = std::env::temp_dir().join("ca.pem");
    let common =
        format!("[proxy]\nhttps_proxy = \"http://common:1\"\n[ssl]\nca_bundle_path = '{}'\n", bundle.display());
    let etc = Etc::with(&[
        CONFIG,
        (COMMON_CONFIG, &common),
        (
            ENV_CONFIG,
            r#"{ "HTTPS_PROXY": "http://env:1", "HTTP_PROXY": "http://env:2", "NO_PROXY": "a", "OTHER": "x" }"#,
        ),
    ]);
    let environment = etc.environment(&[("HTTPS_PROXY", "http://process:1"), ("NO_PROXY", "b"), ("OURS", "1")]);
    let get = |name: &str| environment.get(name).unwrap_or_default();
    assert_eq!(get("HTTPS_PROXY"), "http://common:1");
    assert_eq!((get("HTTP_PROXY"), get("NO_PROXY"), get("OURS")), ("http://env:2".into(), "b".into(), "1".into()));
    assert_eq!((environment.get("OTHER"), environment.variable("OTHER")), (None, Some("x".into())));
    assert_eq!(environment.origin("HTTPS_PROXY"), "https_proxy of common-config.toml");
    assert_eq!(environment.origin("HTTP_PROXY"), "HTTP_PROXY");
    let all = environment.all().expect("more than the process");
    let mut names: Vec<_> = all.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["AWS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "OURS"]);
    assert_eq!(all["HTTPS_PROXY"], "http://common:1");
}

#[test]
fn a_proxy_of_the_process_in_its_other_spelling_beats_that_of_env_config() {
    let etc = Etc::with(&[CONFIG, (ENV_CONFIG, r#"{ "HTTPS_PROXY": "http://env:1", "NO_PROXY": "a" }"#)]);
    for (name, value) in [("https_proxy", "http://p:1"), ("ALL_PROXY", "http://p:1"), ("all_proxy", "")] {
        let environment = etc.environment(&[(name, value)]);
        assert_eq!((environment.get("HTTPS_PROXY"), environment.get("NO_PROXY")), (None, Some("a".into())), "{name}");
    }
    assert_eq!(etc.environment(&[("no_proxy", "x")]).get("NO_PROXY"), None);
}

#[test]
fn without_the_files_it_is_the_environment_of_the_process() {
    let etc = Etc::with(&[CONFIG]);
    let environment = load(&etc.path("c.json")).settings.expect("valid").environment;
    assert!(environment.all().is_none() && environment.chosen_profile().is_none());
    assert_eq!(environment.get("PATH"), std::env::var("PATH").ok());
}

#[test]
fn a_profile_and_its_file_are_chosen_with_the_settings_beside_it() {
    let etc = Etc::with(&[CONFIG, ("keys/credentials", "[me]\n")]);
    let keys = etc.path("keys").join("credentials");
    let file = format!("shared_credential_file = '{}'\n", keys.display());
    let name = "shared_credential_profile = \"me\"\n";
    let chosen = |text: &str, home: &[(&str, &str)]| {
        fs::write(etc.path(COMMON_CONFIG), format!("[credentials]\n{text}[imds]\nimds_retries = 2")).expect("ours");
        permissions::set_mode(&etc.path(COMMON_CONFIG), 0o644);
        let environment = etc.environment(home);
        assert_eq!(environment.imds_retries(), Some(2));
        environment.chosen_profile()
    };
    let home: &[(&str, &str)] = &[("HOME", "/home/me")];
    assert_eq!(
        chosen(&format!("{file}{name}"), home),
        Some(ChosenProfile {
            name: Some("me".into()),
            credentials: Some(keys.clone()),
            config: Some(etc.path("keys").join("config")),
        })
    );
    assert_eq!(chosen(name, home), Some(ChosenProfile { name: Some("me".into()), credentials: None, config: None }));
    let of_nobody = chosen(name, &[]).and_then(|chosen| chosen.credentials).expect("an administrator's");
    assert!(of_nobody.ends_with(Path::new(".aws").join("credentials")), "{of_nobody:?}");
    assert_eq!(chosen(&file, &[]).map(|chosen| (chosen.name, chosen.credentials)), Some((None, Some(keys.clone()))));
    assert_eq!(chosen("", &[]), None);
}

#[test]
fn mistakes_of_common_config_have_their_place_and_their_path() {
    let etc = Etc::with(&[
        CONFIG,
        (
            COMMON_CONFIG,
            "[credentials]\nshared_credential_file = \"x\"\nshared_credential_profil = \"me\"\n[imds]\nimds_retries = \"2\"\n[ssl]\nca_bundle_path = 5\n",
        ),
    ]);
    let said: Vec<_> = etc
        .loaded(&[])
        .findings
        .into_iter()
        .map(|f| (f.line.unwrap_or_default(), f.at, f.severity, f.why, f.suggestion.unwrap_or_default()))
        .collect();
    let said: Vec<_> =
        said.iter().map(|(l, at, s, why, better)| (*l, at.as_str(), *s, why.as_str(), better.as_str())).collect();
    assert_eq!(
        said,
        [
            (2, "credentials.shared_credential_file", Severity::Error, "must be an absolute path", ""),
            (
                3,
                "credentials.shared_credential_profil",
                Severity::Warning,
                "unknown key; ignored",
                "credentials.shared_credential_profile"
            ),
            (5, "imds.imds_retries", Severity::Error, "expected a whole number, found text", ""),
            (7, "ssl.ca_bundle_path", Severity::Error, "expected text, found a number", ""),
        ]
    );
    fs::write(etc.path(COMMON_CONFIG), "[proxy\nhttps_proxy = \"http://me:hunter2@p\"").expect("ours");
    let broken = etc.loaded(&[]);
    assert!(broken.settings.is_none() && !format!("{:?}", broken.findings).contains("hunter2"));
}

#[test]
fn a_file_that_others_may_write_is_refused_or_passed_over() {
    let etc = Etc::with(&[CONFIG, (COMMON_CONFIG, ""), (ENV_CONFIG, r#"{ "NO_PROXY": "a" }"#)]);
    if !permissions::set_mode(&etc.path(ENV_CONFIG), 0o666) {
        return;
    }
    let loaded = etc.loaded(&[]);
    assert!(
        loaded.findings.len() == 1 && loaded.findings[0].why.starts_with("ignored: others"),
        "{:?}",
        loaded.findings
    );
    assert_eq!(loaded.settings.expect("runs").environment.get("NO_PROXY"), None);
    permissions::set_mode(&etc.path(COMMON_CONFIG), 0o666);
    let refused = etc.loaded(&[]);
    assert!(refused.settings.is_none() && refused.errors().all(|f| f.why.starts_with("refused: others")));
}

#[test]
fn the_key_names_another_file_and_one_that_is_not_there_is_an_error() {
    let etc = Etc::with(&[
        ("sub/named.toml", "[proxy]\nno_proxy = \"named\"\n"),
        (COMMON_CONFIG, "[proxy]\nno_proxy = \"beside\"\n"),
    ]);
    let named = serde_json::json!({ "agent": { "common_config": etc.path("${SUB}/named.toml") } });
    fs::write(etc.path("c.json"), named.to_string()).expect("ours");
    assert_eq!(etc.environment(&[("SUB", "sub")]).get("NO_PROXY").as_deref(), Some("named"));
    let missing = etc.loaded(&[("SUB", "elsewhere")]);
    assert!(missing.settings.is_none());
    assert!(missing.errors().all(|f| f.at == "agent.common_config" && f.why.starts_with("there is no file")));
}

#[test]
fn beside_a_folder_of_files_is_in_it_and_around_it() {
    let etc = Etc::with(&[("conf.d/a.json", "{}"), (COMMON_CONFIG, "[proxy]\nno_proxy = \"around\"\n")]);
    let no_proxy = || {
        let loaded = read_in(Environment::only(&[]), &etc.path("conf.d"), None, None);
        loaded.settings.expect("valid").environment.get("NO_PROXY")
    };
    assert_eq!(no_proxy().as_deref(), Some("around"));
    fs::write(etc.path("conf.d").join(COMMON_CONFIG), "[proxy]\nno_proxy = \"inside\"\n").expect("ours");
    permissions::set_mode(&etc.path("conf.d").join(COMMON_CONFIG), 0o644);
    assert_eq!(no_proxy().as_deref(), Some("inside"));
}

#[test]
fn env_config_sets_the_level_of_the_own_log_and_dual_stack_where_nothing_else_does() {
    let etc =
        Etc::with(&[CONFIG, (ENV_CONFIG, r#"{ "CWAGENT_LOG_LEVEL": "DEBUG", "AWS_USE_DUALSTACK_ENDPOINT": "True" }"#)]);
    let agent = |config: &str, process: &[(&str, &str)]| {
        fs::write(etc.path("c.json"), config).expect("ours");
        etc.loaded(process).settings.expect("valid").agent
    };
    let alone = agent("{}", &[]);
    assert_eq!((alone.own_log.debug, alone.endpoints.dualstack), (true, Some(true)));
    let said = agent(r#"{ "agent": { "debug": false, "use_dualstack_endpoint": false } }"#, &[]);
    assert_eq!((said.own_log.debug, said.endpoints.dualstack), (false, Some(false)));
    let process = agent("{}", &[("CWAGENT_LOG_LEVEL", "ERROR"), ("AWS_USE_DUALSTACK_ENDPOINT", "false")]);
    assert_eq!((process.own_log.debug, process.own_log.quiet, process.endpoints.dualstack), (false, true, None));
}

#[test]
fn what_env_config_cannot_do_is_said_without_its_values() {
    let etc = Etc::with(&[CONFIG, (ENV_CONFIG, r#"{ "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SDK_LOG_LEVEL": "x" }"#)]);
    let loaded = etc.loaded(&[]);
    assert!(loaded.settings.is_some() && loaded.findings.len() == 1, "{:?}", loaded.findings);
    assert!(loaded.findings[0].why.starts_with("AWS_SECRET_ACCESS_KEY is only put into values"));
    assert!(!format!("{loaded:?}").contains("hunter2"), "{loaded:?}");
    fs::write(etc.path(ENV_CONFIG), r#"{ "A": ["hunter2"] }"#).expect("ours");
    let odd = etc.loaded(&[]);
    assert!(odd.settings.is_some() && odd.findings[0].why.starts_with("is no JSON object of texts"));
}

#[test]
fn a_profile_that_is_chosen_and_not_there_is_told_with_the_key() {
    let etc = Etc::with(&[
        ("c.json", r#"{ "agent": { "instance": { "serial": "1" } } }"#),
        ("credentials", "[other]\n"),
        ("config", "[default]\nregion = eu-west-1\n"),
    ]);
    let text = format!(
        "[credentials]\nshared_credential_profile='me'\nshared_credential_file='{}'",
        etc.path("credentials").display()
    );
    fs::write(etc.path(COMMON_CONFIG), text).expect("ours");
    permissions::set_mode(&etc.path(COMMON_CONFIG), 0o644);
    let quiet = Environment::only(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    let loaded = read_in(quiet, &etc.path("c.json"), Some((Sends::AsConfigured, false)), None);
    let said: Vec<_> = loaded.findings.iter().map(|f| f.why.as_str()).collect();
    assert!(
        said.iter()
            .any(|why| why.starts_with("shared_credential_profile of common-config.toml names the profile `me`")),
        "{said:?}"
    );
    assert!(said.iter().any(|why| why.starts_with("no region is set here")), "of the profile `me`: {said:?}");
}
