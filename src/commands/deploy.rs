//! `deploy`: what machines sign in to, as a stack of CloudFormation, and a login for each new machine of a list.
//!
//! Everything that can be found wrong is found before anything is made: each line of the list, the template, files that are there, a stack or
//! a thing that is somebody else's. What is made is told as it happens, on standard error; logins and outputs are the result, on standard
//! output, each as soon as it is there. To repeat it is always safe.
mod certificates;
mod passwords;
mod planned;

use super::{
    EXIT_USAGE,
    administering::{connect, count, interruption, listed, progress, runtime, stack_of},
};
use crate::{
    aws::{Admin, Stack},
    cli::Deploy,
    config,
    ops::{
        composing::{self, ComposeError},
        finished::Folder,
        stack::{self, Spec},
        systems::{self, System},
    },
};
use anyhow::{Context, bail};
use serde_json::json;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;

/// The list that is read where nobody names another.
const SYSTEMS: &str = "systems.txt";

/// Do it, or say what would be done.
///
/// # Errors
/// When something is wrong, or AWS refuses a part.
pub fn run(arguments: &Deploy) -> anyhow::Result<ExitCode> {
    if arguments.place.iot && !arguments.plan && arguments.configs.is_none() {
        eprintln!("error: with --iot say --configs DIR: keys of certificates are shown once, and have to go somewhere");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let work = Work::of(arguments)?;
    runtime()?.block_on(async {
        let admin = connect(&arguments.place).await?;
        work.check(&admin)?;
        let parameters = parameters(arguments);
        let (name, template) = stack_of(&arguments.place);
        let spec = Spec { name, template, parameters: &parameters };
        if arguments.plan {
            return planned::say(&admin, &spec, &work, arguments).await;
        }
        work.check_logins(&admin, &spec).await?;
        let stop = interruption();
        let Some(brought) = stop.run_until_cancelled(stack::bring(&admin, &spec, &mut progress)).await else {
            bail!("interrupted: CloudFormation goes on with the stack {name}; deploy again to see it through, and to give logins");
        };
        let stack = brought?;
        let report = Report { json: arguments.place.json };
        report.stack(name, &stack)?;
        if arguments.place.iot {
            certificates::give(&admin, name, &stack, &work, &report, &stop).await?;
        } else {
            passwords::give(&admin, &stack, &work, &report, &stop).await?;
        }
        if stop.is_cancelled() {
            bail!("interrupted: some machines may have no login yet; deploy again to give it to them");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parameters(arguments: &Deploy) -> Vec<(String, String)> {
    let said = [("LogGroups", &arguments.log_groups), ("Namespaces", &arguments.namespaces)];
    said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
}

/// What is to be done beside the stack.
#[derive(Debug)]
struct Work {
    systems: Vec<System>,
    /// Where finished configurations go.
    configs: Option<PathBuf>,
    /// What they are made of; `None`: of the sample that fits.
    template: Option<String>,
    iot: bool,
    /// Those that get a new password though they have one.
    renew: Vec<String>,
}

impl Work {
    fn of(arguments: &Deploy) -> anyhow::Result<Self> {
        let systems = match &arguments.systems {
            Some(path) => systems::read(path)?,
            None if Path::new(SYSTEMS).exists() => {
                eprintln!("the list of systems is {SYSTEMS}");
                systems::read(Path::new(SYSTEMS))?
            }
            None => vec![],
        };
        if let Some(name) = arguments.renew.iter().find(|name| !systems.iter().any(|system| system.name == **name)) {
            bail!("{name}, whose password is to be renewed, is not in the list of systems");
        }
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("cannot read the template {}", path.display()))
        };
        let template = arguments.template.as_ref().map(read).transpose()?;
        let configs = arguments.configs.clone();
        let mut renew = arguments.renew.clone();
        // Of a run that was ended: whether the password in it holds, nobody knows.
        let is_left = |system: &&System| {
            configs.as_ref().is_some_and(|folder| Folder::has_unfinished(folder, &config_name(system)))
        };
        if !arguments.place.iot {
            renew.extend(systems.iter().filter(is_left).map(|system| system.name.clone()));
        }
        Ok(Self { systems, configs, template, iot: arguments.place.iot, renew })
    }

    /// Whether each configuration can be composed, and then runs.
    fn check(&self, admin: &Admin) -> anyhow::Result<()> {
        if self.configs.is_none() {
            return Ok(());
        }
        for system in &self.systems {
            let composed =
                if self.iot { certificates::trial(self, admin, system) } else { passwords::trial(self, admin, system) };
            let none = || format!("no configuration can be made for {}; nothing was done", system.name);
            let composed = composed.with_context(none)?;
            let errors = config::errors_in(&composed);
            if !errors.is_empty() {
                errors.iter().for_each(|error| eprintln!("{}: {}", error.at, error.why));
                bail!("the template makes a configuration that cannot run, as said above; nothing was done");
            }
        }
        Ok(())
    }

    /// Whether what is there already leaves room for what is to be made.
    async fn check_logins(&self, admin: &Admin, spec: &Spec<'_>) -> anyhow::Result<()> {
        let known = stack::known(admin, spec).await?;
        let result = if self.iot {
            certificates::check(admin, spec.name, self).await
        } else {
            passwords::check(admin, known.as_ref(), self).await
        };
        result.context("nothing was done")
    }

    /// The template for a machine.
    fn template(&self, system: &System) -> &str {
        match &self.template {
            Some(template) => template,
            None => composing::sample(&system.instance().prefix),
        }
    }

    /// That the files of these systems are not there yet.
    fn check_room<'a>(
        &self,
        systems: impl IntoIterator<Item = &'a System>,
        names: impl Fn(&System) -> Vec<String>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.configs else { return Ok(()) };
        for system in systems {
            for name in names(system) {
                Folder::free(path, &name)?;
            }
        }
        Ok(())
    }

    /// The folder of the finished configurations, where there is one.
    fn folder(&self) -> anyhow::Result<Option<Folder>> {
        Ok(self.configs.as_deref().map(Folder::make).transpose()?)
    }
}

/// What a configuration is called.
fn config_name(system: &System) -> String {
    format!("{}.json", system.name)
}

/// The result: a line as soon as there is something, since nobody is told a password twice.
struct Report {
    json: bool,
}

impl Report {
    fn stack(&self, name: &str, stack: &Stack) -> anyhow::Result<()> {
        if self.json {
            return line(&json!({ "stack": name, "status": stack.status, "outputs": stack.outputs }).to_string());
        }
        stack.outputs.iter().try_for_each(|(key, value)| line(&format!("{key}: {value}")))
    }

    /// A machine with what was made for it: `password` or `config`, and its value.
    fn system(&self, name: &str, what: &str, value: &str) -> anyhow::Result<()> {
        let text = if self.json { json!({ "name": name, what: value }).to_string() } else { format!("{name} {value}") };
        line(&text)
    }
}

/// Whoever reads it may be gone, but then nobody has the password: that is a failure.
fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("the result could not be printed")
}

/// Whether to go on with the next machine.
fn goes_on(stop: &CancellationToken) -> bool {
    !stop.is_cancelled()
}

/// What is left alone, for people.
fn left(others: &[String], what: [&str; 2]) -> String {
    if others.is_empty() {
        return String::new();
    }
    format!("; {} not in the list, and stay: {}", count(others.len(), what[0], what[1]), listed(others))
}

type Composed = Result<String, ComposeError>;
