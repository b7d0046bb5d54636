//! The installer of Windows as a text: nothing here runs PowerShell. Only what must come before what.
const SCRIPT: &str = include_str!("../../../installers/install-windows.ps1");

/// The lines of one function.
fn function(name: &str) -> &'static str {
    let (_, rest) = SCRIPT.split_once(&format!("\nfunction {name}")).unwrap_or_else(|| panic!("there is no {name}"));
    rest.split("\n}\n").next().expect("it ends")
}

/// These stand there, in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("no `{part}` after those before it in:\n{text}")).1;
    }
}

#[test]
fn whose_a_configuration_is_is_looked_at_before_it_is_kept() {
    in_order(
        function("Install-Publisher"),
        &["New-Folders", "Keeping the configuration", "New-Configuration", "Set-Owner $config"],
    );
    in_order(
        function("New-Folders"),
        &["if (-not $Root) {", "$folders + $config) { Assert-Ours", "New-Item", "Protect-Folder"],
    );
    in_order(function("Assert-Ours"), &["ReparsePoint", "Stop-Here", "'S-1-5-32-544', 'S-1-5-18'", "Stop-Here"]);
}

#[test]
fn what_others_made_is_neither_taken_nor_closed_below_another_root_or_beside_ours() {
    let folders = function("New-Folders");
    in_order(folders, &["if ($isNew) {", "if (-not $Root) { Set-Owner $path }"]);
    in_order(folders, &["$closes = -not $Root", "($isNew -or $closes) -and $path -ne $shared) { Protect-Folder"]);
    assert!(!SCRIPT.contains("'/T'") && !SCRIPT.contains("/reset"), "folder by folder, never all that is in one");
}

#[test]
fn a_stop_is_waited_for_as_long_as_it_may_take() {
    let (_, rest) = SCRIPT.split_once("WaitForStatus('Stopped', [TimeSpan]::FromSeconds(").expect("it waits");
    let seconds: u64 = rest.split(')').next().and_then(|seconds| seconds.parse().ok()).expect("a number");
    // What Windows waits for a service when it goes down, and so more than `agent.shutdown_seconds` there.
    assert!(seconds > 180);
}
