//! What a value must look like to be right at all. `config` warns of unusual forms; what is put in by hand is refused, because a slip here
//! shows only at the machine, as a login that fails.
use super::{ComposeError, Instance, Login};
use crate::{config::region, model::limits};
use secrecy::{ExposeSecret, SecretString};

/// Characters of the ids, of a user name and of a password, as the API has them:
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUser.html>,
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html>,
/// <https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html>
const LONGEST_POOL: usize = 55;
const LONGEST_CLIENT: usize = 128;
const LONGEST_USER: usize = 128;
const LONGEST_PASSWORD: usize = 256;

const REGION: &str = "region";

fn unfit(what: &'static str, why: impl Into<String>) -> ComposeError {
    ComposeError::Unfit { what, why: why.into() }
}

/// Each value of a login.
pub fn check(login: &Login) -> Result<(), ComposeError> {
    check_region(&login.region)?;
    check_account(&login.account_id)?;
    check_user_pool(&login.user_pool_id)?;
    check_identity_pool(&login.identity_pool_id)?;
    check_app_client(&login.app_client_id)?;
    check_password(&login.password)
}

/// The number of an account.
pub fn check_account(id: &str) -> Result<(), ComposeError> {
    require("account id", id, 12, "is not the 12 digits of an account", |id| id.len() == 12 && digits(id))
}

/// The id of a user pool.
pub fn check_user_pool(id: &str) -> Result<(), ComposeError> {
    let why = "is no user pool's id, which looks like eu-west-1_AbCdEf123";
    require("user pool id", id, LONGEST_POOL, why, |id| {
        behind_region(id, '_', |rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    })
}

/// The id of an identity pool.
pub fn check_identity_pool(id: &str) -> Result<(), ComposeError> {
    let why = "is no identity pool's id, which looks like eu-west-1:11111111-2222-3333-4444-555555555555";
    require("identity pool id", id, LONGEST_POOL, why, |id| {
        behind_region(id, ':', |rest| {
            rest != ZEROS && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
        })
    })
}

/// The id of an app client.
pub fn check_app_client(id: &str) -> Result<(), ComposeError> {
    let why = "is no app client's id, which is one word of letters and digits";
    require("app client id", id, LONGEST_CLIENT, why, |id| {
        id != "APP_CLIENT_ID" && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+'))
    })
}

/// What the samples have for an identity pool.
const ZEROS: &str = "00000000-0000-0000-0000-000000000000";

/// The name of a region.
pub fn check_region(name: &str) -> Result<(), ComposeError> {
    if name.is_empty() {
        return Err(unfit(REGION, "is empty"));
    }
    // A new one is only said to be unknown: it may be newer than this program.
    match region::fault(name).filter(|_| !region::has_the_form(name)) {
        None => Ok(()),
        Some((_, _, Some(better))) => Err(unfit(REGION, format!("is no name of a region; did you mean `{better}`?"))),
        Some((_, _, None)) => Err(unfit(REGION, "is no name of a region, which looks like us-east-1 or eu-central-1")),
    }
}

fn require(
    what: &'static str,
    id: &str,
    longest: usize,
    why: &str,
    fits: fn(&str) -> bool,
) -> Result<(), ComposeError> {
    if id.is_empty() {
        Err(unfit(what, "is empty"))
    } else if id.trim() != id {
        Err(unfit(what, "begins or ends with a blank"))
    } else if id.len() > longest || !fits(id) {
        Err(unfit(what, why))
    } else {
        Ok(())
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0')
}

fn behind_region(id: &str, edge: char, fits: fn(&str) -> bool) -> bool {
    id.split_once(edge).is_some_and(|(place, rest)| region::has_the_form(place) && !rest.is_empty() && fits(rest))
}

/// Cognito takes no blank at an end. What it does not take is not said of which character: no message tells anything of a password.
pub fn check_password(password: &SecretString) -> Result<(), ComposeError> {
    let password = password.expose_secret();
    let fault = if password.is_empty() {
        "is empty"
    } else if password == "PASSWORD" {
        "is still what the samples have in its place"
    } else if password.trim() != password {
        "begins or ends with a blank, which none of Cognito's does"
    } else if password.chars().any(char::is_control) {
        "has a control character in it; it must be one line of text"
    } else if password.chars().count() > LONGEST_PASSWORD {
        "is longer than 256 characters, the most that Cognito takes"
    } else {
        return Ok(());
    };
    Err(unfit("password", fault))
}

/// Both halves of an instance id: it is a user name, the value of a dimension, and part of the names of groups and streams.
pub fn check_instance(instance: &Instance) -> Result<(), ComposeError> {
    for (what, half) in [("prefix of the instance id", &instance.prefix), ("serial number", &instance.serial)] {
        if half.is_empty() {
            return Err(unfit(what, "is empty"));
        }
        let fits = |c: char| c.is_ascii_graphic() && limits::fits_group(c) && limits::fits_stream(c);
        if let Some(wrong) = half.chars().find(|c| !fits(*c)) {
            let wrong = wrong.escape_debug();
            return Err(unfit(what, format!("has `{wrong}` in it; ASCII letters, digits and -_./# may stand there")));
        }
    }
    if instance.prefix.len() + 1 + instance.serial.len() > LONGEST_USER {
        return Err(unfit("instance id", "is longer than 128 characters, the most that a user name may have"));
    }
    Ok(())
}
