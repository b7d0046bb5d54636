//! Somebody sits at the terminal and types.
use super::*;
use rustix::process::{Pid, Signal, kill_process};
use std::{os::unix::process::ExitStatusExt, process::Child};

/// What is typed before the password.
const ANSWERS: [(&str, &str); 5] = [
    ("Region (like eu-west-1): ", "eu-west-1"),
    ("Account ID (12 digits): ", "123456789012"),
    ("User Pool ID (like eu-west-1_AbCdEf123): ", "eu-west-1_AbC"),
    (
        "Identity Pool ID (like eu-west-1:11111111-2222-3333-4444-555555555555): ",
        "eu-west-1:11111111-2222-3333-4444-555555555555",
    ),
    ("App Client ID (letters and digits): ", "1abc2def"),
];
const FOR_THE_PASSWORD: &str = "Password (is not shown): ";

async fn until_the_password(machine: &Machine, terminal: &Terminal) -> Child {
    let running = at(terminal, machine.installer("install-rpi.bash", &[])).spawn().expect("bash");
    for (question, answer) in ANSWERS {
        terminal.until_end(question).await;
        terminal.write(format!("{answer}\n").as_bytes());
    }
    terminal.until_end(FOR_THE_PASSWORD).await;
    running
}

fn shown(terminal: &Terminal) -> String {
    String::from_utf8_lossy(&terminal.bytes()).into_owned()
}

#[tokio::test]
async fn what_is_typed_is_shown_but_for_the_password() {
    let (machine, terminal) = (Machine::linux(), Terminal::new());
    let mut running = until_the_password(&machine, &terminal).await;
    // One that cannot be right, then one that was corrected while it was typed.
    terminal.write(b"PASSWORD\n");
    terminal.until_times(2, FOR_THE_PASSWORD).await;
    terminal.write(format!("wrong\u{15}x\u{7f}{PASSWORD}\n").as_bytes());
    assert!(running.wait().expect("bash").success(), "{}", shown(&terminal));
    assert_eq!(machine.config()["agent"]["authentication"]["password"], PASSWORD);
    assert_eq!(machine.config()["agent"]["authentication"]["appClientId"], "1abc2def");
    let shown = shown(&terminal);
    assert!(shown.contains("123456789012") && shown.contains("still what the samples have"), "{shown}");
    for secret in ["PASSWORD", "wrong", "ge/h", "i\"m"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(terminal.is_untouched(), "what is typed next is shown again");
}

#[tokio::test]
async fn who_interrupts_while_the_password_is_typed_gets_the_terminal_back_and_nothing_is_installed() {
    let (machine, terminal) = (Machine::linux(), Terminal::new());
    let before = machine.listing();
    let mut running = until_the_password(&machine, &terminal).await;
    assert!(!terminal.is_untouched());
    terminal.write(b"geh\x03");
    assert!(!running.wait().expect("bash").success());
    assert!(terminal.is_untouched() && !shown(&terminal).contains("geh"), "{}", shown(&terminal));
    assert!(shown(&terminal).contains("interrupted; nothing was written"), "{}", shown(&terminal));
    assert_eq!((machine.listing(), machine.calls()), (before, String::new()));
}

/// Of tests that were started by nohup, what they start does not end when it is hung up.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| (set >> (signal.as_raw() - 1)) & 1 == 1)
}

#[tokio::test]
async fn who_is_ended_while_the_password_is_typed_gives_the_terminal_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/amazon-cloudwatch-publisher-rpi.json");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        if is_ignored(signal) {
            continue;
        }
        let (terminal, to) = (Terminal::new(), folder.path().join("c.json"));
        let mut create = Command::new(env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher"));
        create.env_remove("CWPUBLISHER_PASSWORD").args(["config", "create"]).arg(&to).arg("--template").arg(&template);
        let names = ["--region", "--account-id", "--user-pool-id", "--identity-pool-id", "--app-client-id"];
        for (name, (_, answer)) in names.iter().zip(ANSWERS) {
            create.args([name, answer]);
        }
        let mut running = at(&terminal, create).spawn().expect("our program");
        terminal.until_end(FOR_THE_PASSWORD).await;
        assert!(!terminal.is_untouched());
        terminal.write(b"geh");
        kill_process(Pid::from_child(&running), signal).expect("it runs");
        let status = running.wait().expect("it was ours");
        assert_eq!(status.signal(), Some(signal.as_raw()), "it ends as any program does");
        assert!(terminal.is_untouched() && !to.exists(), "{}", shown(&terminal));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_right_is_asked_for_again_at_once() {
    let (machine, terminal) = (Machine::linux(), Terminal::new());
    let mut running = at(&terminal, machine.installer("install-rpi.bash", &["--no-login"])).spawn().expect("bash");
    terminal.until_end(ANSWERS[0].0).await;
    terminal.write(b"eu-west-1a\n");
    terminal.until_times(2, ANSWERS[0].0).await;
    assert!(shown(&terminal).contains("did you mean `eu-west-1`?"), "{}", shown(&terminal));
    terminal.write(b"eu-west-1\n");
    assert!(running.wait().expect("bash").success(), "{}", shown(&terminal));
    assert_eq!(machine.config()["agent"]["region"], "eu-west-1");
}

#[tokio::test]
async fn who_removes_it_is_asked_once_for_all_and_once_for_the_state() {
    for (about_state, stays) in [("n", true), ("yes", false)] {
        let (machine, terminal) = (Machine::linux(), Terminal::new());
        done(&machine.install_with_login(&[]));
        let script = machine.path(&format!("root/{HOME}/bin/uninstall"));
        let ask = || at(&terminal, machine.script(&script, &[])).spawn().expect("bash");
        let question = "Remove the publisher from ";
        let mut running = ask();
        terminal.until_times(1, question).await;
        terminal.write(b"\n");
        assert!(!running.wait().expect("bash").success());
        assert!(machine.path(&format!("root/{PROGRAM}")).exists());
        let mut running = ask();
        terminal.until_times(2, question).await;
        terminal.write(b"y\n");
        terminal.until_end("Remove them, too? [y/N] ").await;
        terminal.write(format!("{about_state}\n").as_bytes());
        assert!(running.wait().expect("bash").success(), "{}", shown(&terminal));
        assert!(!machine.path(&format!("root/{PROGRAM}")).exists());
        assert_eq!(machine.path(&format!("root/{CONFIG}")).exists(), stays, "{}", shown(&terminal));
    }
}
