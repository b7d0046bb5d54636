//! What is refused, before anything is made or removed.
use super::{Account, STACK, Said};
use crate::support::host::TestHost;
use std::fs;

#[tokio::test]
async fn a_bad_list_is_refused_before_anything_is_made() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\nrpi 2\nnobody\n");
    let said = account.run(&["deploy"]).await;
    assert!(said.code == 1 && said.err.contains("systems.txt:2: ") && said.err.contains("systems.txt:3: "), "{said:?}");
    let said = account.run(&["deploy", "--systems", "none.txt"]).await;
    assert!(said.code == 1 && said.err.contains("cannot read the list of systems none.txt"), "{said:?}");
    account.systems("rpi-1\n");
    let said = account.run(&["deploy", "--renew", "rpi-7"]).await;
    assert!(
        said.code == 1 && said.err.contains("rpi-7, whose password is to be renewed, is not in the list"),
        "{said:?}"
    );
    fs::write(account.admin.path("template.json"), "[]").expect("writable");
    let said = account.run(&["deploy", "--configs", "out", "--template", "template.json"]).await;
    assert!(
        said.code == 1 && said.err.contains("no configuration can be made for rpi-1; nothing was done"),
        "{said:?}"
    );
    assert_eq!(account.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_template_that_cannot_run_is_refused_before_anything_is_made() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\n");
    fs::write(account.admin.path("template.json"), r#"{"logs": {"retention_in_days": 8}}"#).expect("writable");
    let said = account.run(&["deploy", "--configs", "out", "--template", "template.json"]).await;
    assert!(
        said.code == 1 && said.err.contains("logs.retention_in_days") && said.err.contains("nothing was done"),
        "{said:?}"
    );
    // Nor where a file is in the way.
    fs::create_dir(account.admin.path("out")).expect("ours");
    fs::write(account.admin.path("out/rpi-1.json"), "{}").expect("writable");
    let said = account.run(&["deploy", "--configs", "out"]).await;
    assert!(said.code == 1 && said.err.contains("nothing was done: out/rpi-1.json is there already"), "{said:?}");
    assert_eq!(account.calls(), Vec::<String>::new());
}

/// An update would remove all that is in it, and with it each login.
#[tokio::test]
async fn a_stack_that_is_not_of_this_template_is_left_alone() {
    let account = Account::with_pool().await;
    account.systems("rpi-1\n");
    account.run(&["deploy"]).await.done();
    account.calls();
    for arguments in [
        &["deploy", "--iot", "--stack", STACK, "--configs", "out"][..],
        &["deploy", "--iot", "--stack", STACK, "--plan"],
        &["destroy", "--iot", "--stack", STACK, "--yes"],
    ] {
        let said = account.run(arguments).await;
        let why = "there is a stack amazon-cloudwatch-publisher that is not one that this command made for the login by certificate";
        assert!(said.code == 1 && said.err.contains(why), "{said:?}");
    }
    // Nor one that somebody else made.
    account.cloudformation.state().stacks.get_mut(STACK).expect("made").tags.clear();
    for arguments in [&["deploy"][..], &["destroy", "--yes"]] {
        let said = account.run(arguments).await;
        assert!(
            said.code == 1 && said.err.contains("it lacks the tag amazon-cloudwatch-publisher=cognito"),
            "{said:?}"
        );
    }
    assert_eq!(account.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn who_may_not_and_who_is_nobody_is_told_what_to_do() {
    let account = Account::with_pool().await;
    let nobody = TestHost::against(account.moto.url()).without_keys();
    let said = Said::of(nobody.run(["deploy"]).await);
    assert!(said.code == 1 && said.err.contains("no AWS credentials were found"), "{said:?}");
    let nowhere = TestHost::against(account.moto.url()).with_variable("AWS_REGION", "");
    let said = Said::of(nowhere.run(["deploy"]).await);
    assert!(said.code == 1 && said.err.contains("no AWS region is known: say --region"), "{said:?}");
    let said = account.run(&["deploy", "--stack", "under_score"]).await;
    assert!(said.code == 2 && said.err.contains("letters, digits and hyphens"), "{said:?}");
}
