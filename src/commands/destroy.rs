//! `destroy`: what `deploy` made is named, and removed once somebody said so.
use super::{EXIT_USAGE, deploy};
use crate::{
    aws::{Admin, Resource, Stack},
    cli::Destroy,
    ops::{
        stack::{self, output},
        things::{self, Held},
    },
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

/// Name it, ask, remove it.
///
/// # Errors
/// When it cannot be found out what there is, or something could not be removed.
pub fn run(arguments: &Destroy) -> anyhow::Result<ExitCode> {
    deploy::runtime()?.block_on(async {
        let admin = deploy::connect(&arguments.place).await?;
        let (name, _) = deploy::stack_of(&arguments.place);
        let Some((stack, resources)) = stack::contents(&admin, name).await? else {
            eprintln!("there is no stack {name} in {}: nothing to remove", admin.region());
            return Ok(ExitCode::SUCCESS);
        };
        let attached = Attached::of(&admin, name, &stack, arguments.place.iot).await?;
        eprintln!("this removes for good, in {}:", admin.region());
        names(name, &resources, &attached).iter().for_each(|line| eprintln!("  {line}"));
        if !arguments.yes && !is_sure(name)? {
            return Ok(ExitCode::from(EXIT_USAGE));
        }
        attached.remove(&admin).await?;
        stack::remove(&admin, name, &mut deploy::progress::say).await?;
        if arguments.place.json {
            let removed: Vec<Value> = resources
                .iter()
                .map(|part| json!({ "name": part.logical, "type": part.kind, "id": part.physical }))
                .collect();
            writeln!(io::stdout(), "{}", json!({ "stack": name, "removed": removed }))?;
        }
        eprintln!("the stack {name} is removed");
        Ok(ExitCode::SUCCESS)
    })
}

/// What goes with the stack though the stack did not make it.
enum Attached {
    /// Users of its pool.
    Users(Vec<String>),
    /// Of its IoT policy.
    Things {
        policy: String,
        held: Vec<Held>,
    },
    Nothing,
}

impl Attached {
    async fn of(admin: &Admin, name: &str, stack: &Stack, iot: bool) -> anyhow::Result<Self> {
        // A stack that never came to be has no outputs, and nothing attached.
        if iot {
            let Ok(policy) = output(stack, "PolicyName") else { return Ok(Self::Nothing) };
            return Ok(Self::Things { policy: policy.to_owned(), held: things::held(admin, name, policy).await? });
        }
        let Ok(pool) = output(stack, "UserPoolId") else { return Ok(Self::Nothing) };
        let users = match admin.users(pool).await {
            // Somebody removed the pool by hand.
            Err(error) if error.is("ResourceNotFoundException") => vec![],
            other => other?,
        };
        Ok(Self::Users(users.into_iter().map(|user| user.name).collect()))
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Nothing => vec![],
            Self::Users(users) => match users.len() {
                0 => vec!["no user: nobody signs in through it".to_owned()],
                many => vec![format!(
                    "{}, who cannot sign in any more: {}",
                    deploy::count(many, "user", "users"),
                    deploy::listed(users)
                )],
            },
            Self::Things { held, .. } => held
                .iter()
                .map(|held| match held {
                    Held::Certificate { arn, is_shared: true, .. } => {
                        format!("certificate {} loses its policy, and stays, since something else uses it", id(arn))
                    }
                    Held::Certificate { arn, things, .. } if things.is_empty() => format!("certificate {}", id(arn)),
                    Held::Certificate { arn, things, .. } => {
                        format!("certificate {} with the thing {}", id(arn), things.join(", "))
                    }
                    Held::Thing { name } => format!("thing {name}"),
                })
                .collect(),
        }
    }

    async fn remove(&self, admin: &Admin) -> anyhow::Result<()> {
        let Self::Things { policy, held } = self else { return Ok(()) };
        for held in held {
            things::remove(admin, policy, held)
                .await
                .context("not everything of the things and certificates could be removed; run this again")?;
        }
        Ok(())
    }
}

fn id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn names(stack: &str, resources: &[Resource], attached: &Attached) -> Vec<String> {
    let there = resources.iter().filter(|part| part.status != "DELETE_COMPLETE");
    let parts = there.map(|part| {
        let physical = if part.physical.is_empty() { String::new() } else { format!(" {}", part.physical) };
        format!("{} ({}){physical}", part.logical, part.kind)
    });
    std::iter::once(format!("the stack {stack}")).chain(parts).chain(attached.lines()).collect()
}

/// Whether somebody at the terminal types the name.
fn is_sure(name: &str) -> anyhow::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        eprintln!("nothing was removed: nobody is there to ask; say --yes to remove it without asking");
        return Ok(false);
    }
    eprint!("type the name of the stack to remove all of this: ");
    io::stderr().flush()?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    if line.trim() == name {
        return Ok(true);
    }
    eprintln!("nothing was removed");
    Ok(false)
}
