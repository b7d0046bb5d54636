//! `agent.authentication`: with a password Cognito, with a certificate IoT, absent the default AWS chain.
use super::{
    file::Value,
    section::Section,
    settings::{Authentication, Certificate, Cognito, Iot, Password},
};
use secrecy::SecretString;

const COGNITO: [&str; 4] = ["accountId", "userPoolId", "identityPoolId", "appClientId"];
const IOT: [&str; 3] = ["iotUrl", "roleAlias", "thingName"];

/// How to sign in. What is missing is reported; the answer is then of no use, as is everything else of a file with errors.
pub fn read(section: &Section<'_>, region_is_named: bool) -> Authentication {
    if !section.exists() {
        return Authentication::Chain;
    }
    if !region_is_named {
        section.error("needs `agent.region` beside it, for example \"us-east-1\"");
    }
    let password = section.has("password") || section.has("passwordFile");
    // Cognito's keys alone mean that the password is in the environment.
    let cognito = password || (!section.has("certificate") && COGNITO.iter().any(|key| section.has(key)));
    if cognito {
        return self::cognito(section).map_or(Authentication::Chain, Authentication::Cognito);
    }
    if section.has("certificate") || IOT.iter().any(|key| section.has(key)) {
        return iot(section).map_or(Authentication::Chain, Authentication::Iot);
    }
    section.error(
        "names neither a `password` (or `passwordFile`) nor a `certificate`; leave it out to use the default AWS credentials",
    );
    Authentication::Chain
}

fn cognito(section: &Section<'_>) -> Option<Cognito> {
    if section.has("password") && section.has("passwordFile") {
        section.error("has both `password` and `passwordFile`; keep one of the two");
    }
    if section.has("certificate") {
        section.child("certificate").warning("not used: with a password the daemon signs in through Cognito");
    }
    let complete = complete(section, &COGNITO, "to sign in through Cognito");
    let password = match (section.child("password").verbatim(), section.child("passwordFile").text()) {
        (Some(password), _) => Password::Inline(SecretString::from(password)),
        (None, Some(file)) => Password::File(file.into()),
        (None, None) => Password::Environment,
    };
    let [account_id, user_pool_id, identity_pool_id, app_client_id] = complete?;
    Some(Cognito { account_id, user_pool_id, identity_pool_id, app_client_id, password })
}

fn iot(section: &Section<'_>) -> Option<Iot> {
    let complete = complete(section, &IOT, "to sign in with a certificate");
    if !section.has("certificate") {
        section.error("`certificate` is missing; it is needed to sign in through AWS IoT");
    }
    let certificate = section.child("certificate");
    let certificate = match certificate.node().map(|node| &node.value) {
        Some(Value::Text(_)) => Certificate::Bundle(certificate.text()?.into()),
        _ => match certificate.items().as_slice() {
            [certificate, key] => {
                Certificate::Pair { certificate: certificate.text()?.into(), key: key.text()?.into() }
            }
            _ => return None,
        },
    };
    let [url, role_alias, thing_name] = complete?;
    Some(Iot { url, role_alias, thing_name, certificate })
}

/// The texts of these keys; each one that is missing is reported.
fn complete<const N: usize>(section: &Section<'_>, keys: &[&str; N], why: &str) -> Option<[String; N]> {
    for key in keys.iter().filter(|key| !section.has(key)) {
        section.error(format!("`{key}` is missing; it is needed {why}"));
    }
    let texts: Vec<String> = keys.iter().filter_map(|key| section.child(key).text().map(str::to_owned)).collect();
    texts.try_into().ok()
}
