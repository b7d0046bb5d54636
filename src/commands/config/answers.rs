//! The values of a login: given by flags, by the environment or a file, else typed by whoever sits at the terminal.
use crate::{
    cli::Create,
    config::login_files,
    ops::composing::{ComposeError, Login, values},
    platform::typing,
};
use anyhow::{Context, bail};
use secrecy::SecretString;
use std::io;

/// The five values that are no secret, in the order in which they are asked for.
struct Value {
    /// How people are asked for it.
    name: &'static str,
    looks_like: &'static str,
    flag: &'static str,
    variable: &'static str,
    given: fn(&Create) -> Option<&String>,
    check: fn(&str) -> Result<(), ComposeError>,
}

const VALUES: [Value; 5] = [
    Value {
        name: "Region",
        looks_like: "like eu-west-1",
        flag: "--region",
        variable: "CWPUBLISHER_REGION",
        given: |create| create.region.as_ref(),
        check: values::check_region,
    },
    Value {
        name: "Account ID",
        looks_like: "12 digits",
        flag: "--account-id",
        variable: "CWPUBLISHER_ACCOUNT_ID",
        given: |create| create.account_id.as_ref(),
        check: values::check_account,
    },
    Value {
        name: "User Pool ID",
        looks_like: "like eu-west-1_AbCdEf123",
        flag: "--user-pool-id",
        variable: "CWPUBLISHER_USER_POOL_ID",
        given: |create| create.user_pool_id.as_ref(),
        check: values::check_user_pool,
    },
    Value {
        name: "Identity Pool ID",
        looks_like: "like eu-west-1:11111111-2222-3333-4444-555555555555",
        flag: "--identity-pool-id",
        variable: "CWPUBLISHER_IDENTITY_POOL_ID",
        given: |create| create.identity_pool_id.as_ref(),
        check: values::check_identity_pool,
    },
    Value {
        name: "App Client ID",
        looks_like: "letters and digits",
        flag: "--app-client-id",
        variable: "CWPUBLISHER_APP_CLIENT_ID",
        given: |create| create.app_client_id.as_ref(),
        check: values::check_app_client,
    },
];

const PASSWORD: &str = "CWPUBLISHER_PASSWORD";

/// Who answers.
pub trait Person {
    /// Whether there is one.
    fn is_there(&self) -> bool;
    /// One line; `None`: there are no more.
    fn line(&mut self, question: &str) -> io::Result<Option<String>>;
    /// One that nobody sees.
    fn secret(&mut self, question: &str) -> io::Result<Option<String>>;
    fn tell(&mut self, words: &str);
}

/// Whoever sits at the terminal.
pub struct AtTheTerminal;

impl Person for AtTheTerminal {
    fn is_there(&self) -> bool {
        typing::somebody_is_there()
    }
    fn line(&mut self, question: &str) -> io::Result<Option<String>> {
        typing::line(question)
    }
    fn secret(&mut self, question: &str) -> io::Result<Option<String>> {
        typing::secret_line(question)
    }
    fn tell(&mut self, words: &str) {
        eprintln!("{words}");
    }
}

/// What a machine signs in with.
pub enum SignIn {
    Cognito(Login),
    /// Only where to: the machine has credentials of its own.
    Region(String),
}

/// Values are missing, and there is nobody who could be asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no terminal to ask at, and no value for {0}; give each by its flag or its variable of the environment"
)]
pub struct Missing(String);

/// All values; what is not given is asked for, again where an answer cannot be right.
///
/// # Errors
/// [`Missing`], [`ComposeError`] for a given value that cannot be right, `Interrupted`, or a file that cannot be read.
pub fn find(
    create: &Create,
    variable: impl Fn(&str) -> Option<String>,
    person: &mut dyn Person,
) -> anyhow::Result<SignIn> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let wanted = if create.no_login { &VALUES[..1] } else { &VALUES[..] };
    let given: Vec<_> =
        wanted.iter().map(|value| (value.given)(create).cloned().or_else(|| variable(value.variable))).collect();
    for (value, given) in wanted.iter().zip(&given) {
        given.as_deref().map_or(Ok(()), value.check)?;
    }
    let password = if create.no_login { None } else { given_password(create, variable)? };
    if !person.is_there() {
        let lacks = wanted.iter().zip(&given).filter(|(_, given)| given.is_none());
        let mut missing: Vec<_> =
            lacks.map(|(value, _)| format!("{} ({} or {})", value.name, value.flag, value.variable)).collect();
        if password.is_none() && !create.no_login {
            missing.push(format!("the password (--password-file or {PASSWORD})"));
        }
        if !missing.is_empty() {
            bail!(Missing(missing.join(", ")));
        }
    }
    let mut texts = vec![];
    for (value, given) in wanted.iter().zip(given) {
        texts.push(match given {
            Some(given) => given,
            None => asked(value, person)?,
        });
    }
    let mut texts = texts.into_iter();
    let mut next = || texts.next().unwrap_or_default();
    if create.no_login {
        return Ok(SignIn::Region(next()));
    }
    Ok(SignIn::Cognito(Login {
        region: next(),
        account_id: next(),
        user_pool_id: next(),
        identity_pool_id: next(),
        app_client_id: next(),
        password: match password {
            Some(password) => password,
            None => asked_password(person)?,
        },
    }))
}

fn given_password(create: &Create, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<SecretString>> {
    let password = match &create.password_file {
        Some(file) => Some(
            login_files::password(file)
                .with_context(|| format!("no password could be read from {}", file.display()))?,
        ),
        None => variable(PASSWORD).map(SecretString::from),
    };
    password.as_ref().map_or(Ok(()), values::check_password)?;
    Ok(password)
}

fn asked(value: &Value, person: &mut dyn Person) -> anyhow::Result<String> {
    loop {
        let line = person.line(&format!("{} ({}): ", value.name, value.looks_like))?;
        let Some(line) = line else { bail!("the answers ended before {}; nothing was written", value.name) };
        let answer = line.trim();
        match (value.check)(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(error) => person.tell(&error.to_string()),
        }
    }
}

fn asked_password(person: &mut dyn Person) -> anyhow::Result<SecretString> {
    loop {
        let Some(line) = person.secret("Password (is not shown): ")? else {
            bail!("the answers ended before the password; nothing was written")
        };
        let password = SecretString::from(line);
        match values::check_password(&password) {
            Ok(()) => return Ok(password),
            Err(error) => person.tell(&error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
