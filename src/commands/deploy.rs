//! `deploy`: what machines sign in to, as a stack of CloudFormation, and a login for each new machine of a list.
//!
//! Everything that can be found wrong is found before anything is made: each line of the list, the template, files that are there. What is made
//! is told as it happens, on standard error; logins and outputs are the result, on standard output. To repeat it is always safe.
mod certificates;
mod passwords;
mod planned;
pub mod progress;

use super::EXIT_USAGE;
use crate::{
    aws::{Admin, Stack},
    cli::{Deploy, Place},
    config,
    ops::{
        composing::{self, ComposeError},
        finished::Folder,
        stack::{self, Spec},
        systems::{self, System},
        templates::{self, Template},
    },
};
use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The list that is read where nobody names another.
const SYSTEMS: &str = "systems.txt";

/// Names that are shown of a long list.
const MOST_NAMES: usize = 20;

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
        let stack = stack::bring(&admin, &spec, &mut progress::say).await?;
        let mut report = Report::new(arguments.place.json, name, &stack)?;
        let done = if arguments.place.iot {
            certificates::give(&admin, name, &stack, &work, &mut report).await
        } else {
            passwords::give(&admin, &stack, &work, &arguments.renew, &mut report).await
        };
        // What was made is told, whatever came after it.
        report.end()?;
        done.map(|()| ExitCode::SUCCESS)
    })
}

/// The runtime of an administrator's command.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the asynchronous runtime could not be started")
}

/// The administrator's way to AWS.
pub async fn connect(place: &Place) -> anyhow::Result<Admin> {
    Ok(Admin::connect(&config::of_nobody(place.region.as_deref())).await?)
}

/// The stack that is meant, and what it is made of.
pub fn stack_of(place: &Place) -> (&str, &'static Template) {
    let template = if place.iot { &templates::IOT } else { &templates::COGNITO };
    (place.stack.as_deref().unwrap_or(template.stack), template)
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
        Ok(Self { systems, configs: arguments.configs.clone(), template, iot: arguments.place.iot })
    }

    /// Whether each configuration could be composed.
    fn check(&self, admin: &Admin) -> anyhow::Result<()> {
        if self.configs.is_none() {
            return Ok(());
        }
        for system in &self.systems {
            let composed =
                if self.iot { certificates::trial(self, admin, system) } else { passwords::trial(self, admin, system) };
            composed.with_context(|| format!("no configuration can be made for {}; nothing was done", system.name))?;
        }
        Ok(())
    }

    /// The template for a machine.
    fn template(&self, system: &System) -> &str {
        match &self.template {
            Some(template) => template,
            None => composing::sample(&system.instance().prefix),
        }
    }

    /// The folder of the finished configurations, where there is one, with room for those of these systems.
    fn folder<'a>(
        &self,
        systems: impl Iterator<Item = &'a System>,
        names: impl Fn(&System) -> Vec<String>,
    ) -> anyhow::Result<Option<Folder>> {
        let Some(path) = &self.configs else { return Ok(None) };
        for system in systems {
            for name in names(system) {
                Folder::free(path, &name)?;
            }
        }
        Ok(Some(Folder::make(path)?))
    }
}

/// What a configuration is called.
fn config_name(system: &System) -> String {
    format!("{}.json", system.name)
}

/// The result: printed as it comes, or as one document at the end.
struct Report {
    /// `None`: for people.
    document: Option<Map<String, Value>>,
    systems: Vec<Value>,
}

impl Report {
    fn new(json: bool, name: &str, stack: &Stack) -> anyhow::Result<Self> {
        if json {
            let document = json!({ "stack": name, "status": stack.status, "outputs": stack.outputs });
            let Value::Object(document) = document else { unreachable!("an object stands above") };
            return Ok(Self { document: Some(document), systems: vec![] });
        }
        let mut out = io::stdout().lock();
        for (key, value) in &stack.outputs {
            writeln!(out, "{key}: {value}")?;
        }
        Ok(Self { document: None, systems: vec![] })
    }

    /// A machine with what was made for it: `password` or `config`, and its value.
    fn system(&mut self, name: &str, what: &str, value: &str) -> anyhow::Result<()> {
        if self.document.is_some() {
            self.systems.push(json!({ "name": name, what: value }));
        } else {
            let mut out = io::stdout().lock();
            // Whoever reads it may be gone, but then nobody has the password: that is a failure.
            writeln!(out, "{name} {value}").and_then(|()| out.flush()).context("the result could not be printed")?;
        }
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let Some(mut document) = self.document.take() else { return Ok(()) };
        document.insert("systems".to_owned(), self.systems.drain(..).collect());
        writeln!(io::stdout(), "{}", Value::from(document)).context("the result could not be printed")
    }
}

/// As people count.
pub fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The first names of a list.
pub fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMES {
        text += &format!(" and {} more", names.len() - MOST_NAMES);
    }
    text
}

type Composed = Result<String, ComposeError>;
