//! `iam-policy`: the least policy with which these configurations run.
//!
//! Standard output has nothing but JSON: one policy, as IAM takes it. Where a role is assumed on top of the login there is more than one,
//! so it is an object of them, by who needs them, and `--role` picks one out. What no policy can say stands on standard error.
use super::{EXIT_CONFIG, config_or_default, settings_of};
use crate::{
    cli::IamPolicy,
    ops::policy::{self, Given, Policies},
};
use anyhow::{Context, bail};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

/// Print the policy.
///
/// # Errors
/// When a role was asked for that no configuration names.
pub fn run(arguments: &IamPolicy) -> anyhow::Result<ExitCode> {
    let default = [config_or_default(None)];
    let files = if arguments.configs.is_empty() { &default[..] } else { &arguments.configs };
    let mut settings = vec![];
    for file in files {
        settings.extend(settings_of(file));
    }
    if settings.len() < files.len() {
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let given = Given { region: arguments.region.clone(), account: arguments.account_id.clone() };
    let policies = policy::least(&settings, &given);
    let text = text(&policies, arguments.role.as_deref())?;
    policies.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(policies: &Policies, role: Option<&str>) -> anyhow::Result<String> {
    let documents: BTreeMap<String, _> = policies.documents.iter().map(|(who, of)| (who.to_string(), of)).collect();
    let names = || documents.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (role, documents.values().next()) {
        (Some(role), _) => match documents.get(role) {
            Some(document) => Ok(document.to_string()),
            None => bail!("nobody who needs a policy is called {role:?}; there are {}", names()),
        },
        (None, Some(document)) if documents.len() == 1 => Ok(document.to_string()),
        (None, _) => {
            eprintln!("note: more than one needs a policy: {}; --role prints that of one", names());
            serde_json::to_string_pretty(&documents).context("JSON has a form for each policy")
        }
    }
}
