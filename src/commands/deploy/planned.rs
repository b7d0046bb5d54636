//! `--plan`: what would be done, and nothing of it.
use super::{Work, count, listed};
use crate::{
    aws::{Admin, Change, Stack},
    cli::Deploy,
    ops::{
        stack::{self, Plan, Spec, output},
        systems::System,
        things, users,
    },
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Find it out, and print it.
pub async fn say(admin: &Admin, spec: &Spec<'_>, work: &Work, arguments: &Deploy) -> anyhow::Result<ExitCode> {
    let plan = stack::plan(admin, spec).await?;
    let known = match &plan {
        Plan::New => None,
        Plan::Changes(stack, _) | Plan::At(stack) => Some(stack),
    };
    let logins = if work.iot {
        certificates(admin, spec.name, known, work).await?
    } else {
        passwords(admin, known, work, &arguments.renew).await?
    };
    let mut out = io::stdout().lock();
    if arguments.place.json {
        writeln!(
            out,
            "{}",
            json!({ "stack": spec.name, "region": admin.region(), "plan": document(&plan, spec), "logins": logins.document() })
        )?;
    } else {
        lines(&plan, spec, admin.region())
            .into_iter()
            .chain(logins.lines(work))
            .try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What would be given to machines.
struct Logins {
    what: [&'static str; 2],
    new: Vec<String>,
    renewed: Vec<String>,
    there: usize,
    others: Vec<String>,
}

fn names<'a>(systems: impl IntoIterator<Item = &'a &'a System>) -> Vec<String> {
    systems.into_iter().map(|system| system.name.clone()).collect()
}

async fn passwords(admin: &Admin, stack: Option<&Stack>, work: &Work, renew: &[String]) -> anyhow::Result<Logins> {
    let plan = match stack.and_then(|stack| output(stack, "UserPoolId").ok()) {
        Some(pool) => users::plan(admin, pool, &work.systems, renew).await?,
        None => users::all_new(&work.systems),
    };
    let (new, renewed) = (names(&plan.new), names(&plan.renewed));
    Ok(Logins { what: ["password", "passwords"], new, renewed, there: plan.there, others: plan.others })
}

async fn certificates(admin: &Admin, name: &str, stack: Option<&Stack>, work: &Work) -> anyhow::Result<Logins> {
    let plan = match stack {
        Some(_) => things::plan(admin, name, &work.systems).await?,
        None => things::all_new(&work.systems)?,
    };
    let what = ["certificate", "certificates"];
    Ok(Logins { what, new: names(&plan.new), renewed: vec![], there: plan.there, others: vec![] })
}

impl Logins {
    fn document(&self) -> Value {
        json!({ "new": self.new, "renewed": self.renewed, "there": self.there, "others": self.others })
    }

    fn lines(&self, work: &Work) -> Vec<String> {
        let [one, more] = self.what;
        let mut lines = vec![];
        let mut give = |names: &[String], word: &str| {
            if !names.is_empty() {
                lines.push(format!("would give {word}{}: {}", count(names.len(), one, more), listed(names)));
            }
        };
        give(&self.new, "");
        give(&self.renewed, "anew ");
        lines.push(match self.there {
            0 if self.new.is_empty() && self.renewed.is_empty() && work.systems.is_empty() => {
                "no list of systems: nobody would get a login".to_owned()
            }
            there => format!(
                "{} the list {} a login already",
                count(there, "system of", "systems of"),
                if there == 1 { "has" } else { "have" }
            ),
        });
        if !self.others.is_empty() {
            lines.push(format!(
                "{} not in the list, and would stay: {}",
                count(self.others.len(), "user is", "users are"),
                listed(&self.others)
            ));
        }
        lines
    }
}

fn lines(plan: &Plan, spec: &Spec<'_>, region: &str) -> Vec<String> {
    let name = spec.name;
    match plan {
        Plan::New => {
            let parts = spec.template.resources().into_iter().map(|(part, kind)| format!("  make    {part} ({kind})"));
            std::iter::once(format!("would make the stack {name} in {region}:")).chain(parts).collect()
        }
        Plan::Changes(_, changes) if changes.is_empty() => vec![format!("the stack {name} is up to date")],
        Plan::Changes(_, changes) => {
            let parts = changes
                .iter()
                .map(|change| format!("  {:<7} {} ({}){}", word(change), change.logical, change.kind, warning(change)));
            std::iter::once(format!("would change the stack {name} in {region}:")).chain(parts).collect()
        }
        Plan::At(stack) => {
            vec![format!("the stack {name} stands at {}: what an update would change cannot be told now", stack.status)]
        }
    }
}

fn word(change: &Change) -> &str {
    match change.action.as_str() {
        "Add" => "make",
        "Modify" => "change",
        "Remove" => "remove",
        other => other,
    }
}

fn warning(change: &Change) -> &'static str {
    match change.replacement {
        Some(true) => ": MADE ANEW, the old one goes",
        None => ": may be made anew",
        Some(false) => "",
    }
}

fn document(plan: &Plan, spec: &Spec<'_>) -> Value {
    let part = |action: &str, logical: &str, kind: &str, replacement: Option<bool>| json!({ "action": action, "name": logical, "type": kind, "replacement": replacement });
    match plan {
        Plan::New => {
            let parts = spec.template.resources();
            json!({ "state": "new", "changes": parts.iter().map(|(name, kind)| part("Add", name, kind, Some(false))).collect::<Vec<_>>() })
        }
        Plan::Changes(stack, changes) => json!({
            "state": stack.status,
            "changes": changes.iter().map(|c| part(&c.action, &c.logical, &c.kind, c.replacement)).collect::<Vec<_>>(),
        }),
        Plan::At(stack) => json!({ "state": stack.status, "changes": Value::Null }),
    }
}
