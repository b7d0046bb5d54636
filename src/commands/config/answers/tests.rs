use super::*;
use secrecy::ExposeSecret;
use std::collections::VecDeque;

/// Somebody with these answers, or nobody.
struct Scripted {
    is_there: bool,
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
    told: Vec<String>,
}

impl Scripted {
    fn with(answers: &[&'static str]) -> Self {
        Self { is_there: true, answers: answers.iter().copied().collect(), asked: vec![], told: vec![] }
    }

    fn nobody() -> Self {
        Self { is_there: false, ..Self::with(&[]) }
    }
}

impl Person for Scripted {
    fn is_there(&self) -> bool {
        self.is_there
    }
    fn line(&mut self, question: &str) -> io::Result<Option<String>> {
        self.asked.push(question.to_owned());
        Ok(self.answers.pop_front().map(str::to_owned))
    }
    fn secret(&mut self, question: &str) -> io::Result<Option<String>> {
        self.line(&format!("hidden {question}"))
    }
    fn tell(&mut self, words: &str) {
        self.told.push(words.to_owned());
    }
}

fn create(words: &[&str]) -> Create {
    use clap::Parser;
    let words = [&["p", "config", "create", "--template", "t"], words].concat();
    match crate::cli::Cli::parse_from(words).command {
        Some(crate::cli::Command::Config(crate::cli::Config::Create(create))) => create,
        other => panic!("{other:?}"),
    }
}

const ALL: [&str; 6] = [
    "eu-west-1",
    "123456789012",
    "eu-west-1_AbC",
    "eu-west-1:11111111-2222-3333-4444-555555555555",
    "client1",
    "geheim &/\\\"",
];

fn login(sign_in: SignIn) -> Login {
    let SignIn::Cognito(login) = sign_in else { panic!("a login") };
    login
}

#[test]
fn what_is_missing_is_asked_for_and_the_password_is_hidden() {
    let mut person = Scripted::with(&ALL);
    let login = login(find(&create(&[]), |_| None, &mut person).expect("answered"));
    assert_eq!((login.region.as_str(), login.app_client_id.as_str()), ("eu-west-1", "client1"));
    assert_eq!(login.password.expose_secret(), ALL[5]);
    let hidden: Vec<bool> = person.asked.iter().map(|question| question.starts_with("hidden")).collect();
    assert_eq!(hidden, [false, false, false, false, false, true]);
}

#[test]
fn an_answer_that_cannot_be_right_is_asked_for_again_with_the_reason() {
    let mut answers = vec!["Frankfurt", " eu-west-1 ", "12"];
    answers.extend(&ALL[1..5]);
    answers.extend(["", "PASSWORD", "geheim"]);
    let mut person = Scripted::with(&answers);
    let login = login(find(&create(&[]), |_| None, &mut person).expect("answered"));
    assert_eq!((login.region.as_str(), login.password.expose_secret()), ("eu-west-1", "geheim"));
    assert_eq!(person.told.len(), 4, "{:?}", person.told);
    assert!(person.told[0].contains("no name of a region") && person.told[1].contains("12 digits"));
}

#[test]
fn flags_count_before_the_environment_and_nothing_given_is_asked_for() {
    let variable = |name: &str| match name {
        "CWPUBLISHER_REGION" => Some("us-east-1".to_owned()),
        "CWPUBLISHER_ACCOUNT_ID" => Some(ALL[1].to_owned()),
        "CWPUBLISHER_USER_POOL_ID" => Some(ALL[2].to_owned()),
        "CWPUBLISHER_IDENTITY_POOL_ID" => Some(ALL[3].to_owned()),
        "CWPUBLISHER_APP_CLIENT_ID" => Some(ALL[4].to_owned()),
        "CWPUBLISHER_PASSWORD" => Some(ALL[5].to_owned()),
        _ => None,
    };
    let mut person = Scripted::nobody();
    let login = login(find(&create(&["--region", "eu-west-1"]), variable, &mut person).expect("all is given"));
    assert_eq!((login.region.as_str(), login.account_id.as_str()), ("eu-west-1", ALL[1]));
    assert_eq!(login.password.expose_secret(), ALL[5]);
    assert!(person.asked.is_empty());
}

#[test]
fn without_a_terminal_each_missing_value_is_named_by_flag_and_variable() {
    let given = create(&["--region", "eu-west-1", "--account-id", ALL[1]]);
    let Err(error) = find(&given, |_| Some(String::new()), &mut Scripted::nobody()) else { panic!("missing") };
    let said = error.to_string();
    assert!(error.is::<Missing>(), "{said}");
    for part in [
        "User Pool ID (--user-pool-id or CWPUBLISHER_USER_POOL_ID)",
        "CWPUBLISHER_IDENTITY_POOL_ID",
        "--app-client-id",
        "the password (--password-file or CWPUBLISHER_PASSWORD)",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("--region") && !said.contains("ACCOUNT"), "{said}");
}

#[test]
fn a_given_value_that_cannot_be_right_is_refused_before_anything_is_asked() {
    let mut person = Scripted::with(&ALL);
    let Err(error) = find(&create(&["--account-id", "12"]), |_| None, &mut person) else { panic!("refused") };
    assert!(matches!(error.downcast_ref(), Some(ComposeError::Unfit { .. })) && person.asked.is_empty());
    let password = |name: &str| (name == PASSWORD).then(|| " geheim".to_owned());
    let Err(error) = find(&create(&[]), password, &mut person) else { panic!("refused") };
    assert!(!format!("{error:#}").contains("geheim") && person.asked.is_empty());
}

#[test]
fn a_machine_with_credentials_of_its_own_needs_a_region_only() {
    let mut person = Scripted::with(&["eu-west-1"]);
    let Ok(SignIn::Region(region)) = find(&create(&["--no-login"]), |_| None, &mut person) else { panic!("a region") };
    assert_eq!((region.as_str(), person.asked.len()), ("eu-west-1", 1));
}

#[test]
fn answers_that_end_too_early_are_no_answers() {
    for count in 0..ALL.len() {
        let Err(error) = find(&create(&[]), |_| None, &mut Scripted::with(&ALL[..count])) else { panic!("none") };
        assert!(error.to_string().contains("nothing was written"), "{error:#}");
    }
}

#[test]
fn the_password_is_the_first_line_of_its_file_whatever_is_in_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "ge/h&im\nmore\n").expect("ours");
    let given = create(&["--password-file", file.to_str().expect("UTF-8")]);
    let of = |_: &str| Some("other".to_owned());
    let password = given_password(&given, of).expect("readable").expect("there");
    assert_eq!(password.expose_secret(), "ge/h&im");
    std::fs::remove_file(&file).expect("ours");
    assert!(given_password(&given, of).is_err());
}
