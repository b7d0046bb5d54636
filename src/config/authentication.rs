//! `agent.authentication`: with a password Cognito, with a certificate IoT, absent the default AWS chain.
use super::{
    address,
    section::Section,
    settings::{Authentication, Certificate, Cognito, Iot, Password},
};
use secrecy::SecretString;

const COGNITO: [&str; 4] = ["accountId", "userPoolId", "identityPoolId", "appClientId"];
const IOT: [&str; 3] = ["iotUrl", "roleAlias", "thingName"];
/// Every key of the section.
const KEYS: [&str; 10] = [
    "accountId",
    "userPoolId",
    "identityPoolId",
    "appClientId",
    "password",
    "passwordFile",
    "iotUrl",
    "roleAlias",
    "thingName",
    "certificate",
];

/// Which way to sign in the section means, complete or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    Chain,
    Cognito,
    Iot,
    /// It says something, but not this.
    Unclear,
}

/// The way that is meant. `null` and `{}` say nothing, so the default chain serves.
pub fn way(section: &Section<'_>) -> Way {
    let any = |keys: &[&str]| keys.iter().any(|key| section.means(key, &KEYS));
    if section.entries().is_empty() {
        Way::Chain
    } else if any(&["password", "passwordFile"]) || (!section.has("certificate") && any(&COGNITO)) {
        // Cognito's keys alone mean that the password is in the environment.
        Way::Cognito
    } else if any(&["certificate"]) || any(&IOT) {
        Way::Iot
    } else {
        Way::Unclear
    }
}

/// How to sign in. What is missing is reported; the answer is then of no use, as is everything else of a file with errors.
pub fn read(section: &Section<'_>, region_is_named: bool) -> Authentication {
    let way = way(section);
    if way != Way::Chain && !region_is_named {
        section.error("needs `agent.region` beside it, for example \"us-east-1\"");
    }
    let authentication = match way {
        Way::Chain => None,
        Way::Cognito => cognito(section).map(Authentication::Cognito),
        Way::Iot => iot(section).map(Authentication::Iot),
        Way::Unclear => {
            section.error(
                "names neither a `password` (or `passwordFile`) nor a `certificate`; leave it out to use the default AWS credentials",
            );
            None
        }
    };
    authentication.unwrap_or(Authentication::Chain)
}

fn cognito(section: &Section<'_>) -> Option<Cognito> {
    if section.has("password") && section.has("passwordFile") {
        section.error("has both `password` and `passwordFile`; keep one of the two");
    }
    if section.has("certificate") {
        section.child("certificate").warning("not used: with a password the daemon signs in through Cognito");
    }
    let complete = complete(section, &COGNITO, "to sign in through Cognito");
    let password = password(section);
    let [account_id, user_pool_id, identity_pool_id, app_client_id] = complete?;
    Some(Cognito { account_id, user_pool_id, identity_pool_id, app_client_id, password })
}

fn iot(section: &Section<'_>) -> Option<Iot> {
    let complete = complete(section, &IOT, "to sign in with a certificate");
    if !section.means("certificate", &KEYS) {
        section.error("`certificate` is missing; it is needed to sign in through AWS IoT");
    }
    address::iot(&section.child("iotUrl"));
    address::path_part(&section.child("roleAlias"));
    address::header(&section.child("thingName"));
    let certificate = certificate(&section.child("certificate"))?;
    let [url, role_alias, thing_name] = complete?;
    Some(Iot { url, role_alias, thing_name, certificate })
}

/// Where the password is, as far as the section says.
pub fn password(section: &Section<'_>) -> Password {
    match (section.child("password").verbatim(), section.child("passwordFile").text()) {
        (Some(password), _) => Password::Inline(SecretString::from(password)),
        (None, Some(file)) => Password::File(file.into()),
        (None, None) => Password::Environment,
    }
}

/// Whether a password is named, if by a key that is unknown or with a value that is of no use: that was reported.
pub fn tries_a_password(section: &Section<'_>) -> bool {
    ["password", "passwordFile"].iter().any(|key| section.means(key, &KEYS))
}

/// The files that are named, if they are.
pub fn certificate(section: &Section<'_>) -> Option<Certificate> {
    if let Some(bundle) = section.text() {
        return Some(Certificate::Bundle(bundle.into()));
    }
    match section.items().as_slice() {
        [certificate, key] => {
            Some(Certificate::Pair { certificate: certificate.text()?.into(), key: key.text()?.into() })
        }
        _ => None,
    }
}

/// The texts of these keys; each one that is missing is reported.
fn complete<const N: usize>(section: &Section<'_>, keys: &[&str; N], why: &str) -> Option<[String; N]> {
    for key in keys.iter().filter(|key| !section.means(key, &KEYS)) {
        section.error(format!("`{key}` is missing; it is needed {why}"));
    }
    let texts: Vec<String> = keys.iter().filter_map(|key| section.child(key).text().map(str::to_owned)).collect();
    texts.try_into().ok()
}
