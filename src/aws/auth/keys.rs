//! Whether keys can sign at all, whoever gave them: the id of the access key and the session token stand in headers of each
//! request, and the SDK takes for granted that they may. One that may not ends the whole process.
//!
//! [`check`] is asked of all keys before anybody gets them ([`super::renewing`]); [`check_signer`] of those that the SDK signs
//! with before we see them, for the role of an AWS profile. What is wrong is said without the value.
use aws_credential_types::{Credentials, credential_feature::AwsCredentialFeature as Feature};
use aws_smithy_runtime_api::client::{
    auth::AuthSchemeId, identity::ResolveIdentity, orchestrator::Metadata, runtime_components::GetIdentityResolver,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::config_bag::ConfigBag;
use futures_util::FutureExt;

/// The only call that the SDK makes with keys of its own.
const ASSUME_ROLE: &str = "AssumeRole";
/// Its way to sign.
const SCHEME: &str = "sigv4";
/// What the sources of the default chain leave on their keys, the nearest first.
const SOURCES: [(Feature, &str); 6] = [
    (Feature::CredentialsStsAssumeRole, "the role of the AWS profile"),
    (Feature::CredentialsProcess, "the credential_process of the AWS profile"),
    (Feature::CredentialsEnvVars, "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)"),
    (Feature::CredentialsHttp, "the container's source of credentials"),
    (Feature::CredentialsImds, "the EC2 instance metadata"),
    (Feature::CredentialsProfile, "the AWS profile"),
];

/// Keys that cannot sign.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the {part} that {source_of_keys} gives {fault}: correct it there")]
pub(in crate::aws) struct Unfit {
    part: &'static str,
    source_of_keys: &'static str,
    fault: &'static str,
}

/// Whether these keys can sign. `given_by` is who gave them, where they do not say so themselves.
pub(super) fn check(keys: &Credentials, given_by: &'static str) -> Result<(), Unfit> {
    let token = keys.session_token().filter(|token| !token.is_empty());
    let parts = [
        ("access key id", Some(keys.access_key_id())),
        ("secret access key", Some(keys.secret_access_key())),
        ("session token", token),
    ];
    for (part, value) in parts {
        let fault = match value {
            Some("") => "is empty",
            Some(value) if !value.bytes().all(|b| b.is_ascii_graphic()) => {
                "holds a character that none has, perhaps a line break or a blank at its end"
            }
            _ => continue,
        };
        return Err(Unfit { part, source_of_keys: source_of(keys).unwrap_or(given_by), fault });
    }
    Ok(())
}

/// The same of the keys that a call of the SDK is about to be signed with, if it is one of its own.
pub(in crate::aws) fn check_signer(components: &RuntimeComponents, call: &ConfigBag) -> Result<(), Unfit> {
    if call.load::<Metadata>().is_none_or(|call| call.name() != ASSUME_ROLE) {
        return Ok(());
    }
    let Some(resolver) = components.identity_resolver(AuthSchemeId::from(SCHEME)) else { return Ok(()) };
    // Keys that have to be fetched first are ours, which are checked where they come from.
    let identity = resolver.resolve_identity(components, call).now_or_never().and_then(Result::ok);
    identity.as_ref().and_then(|identity| identity.data()).map_or(Ok(()), |keys| check(keys, "the AWS profile"))
}

fn source_of(keys: &Credentials) -> Option<&'static str> {
    let features = keys.get_property::<Vec<Feature>>()?;
    SOURCES.iter().find(|(feature, _)| features.contains(feature)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{SECRET, TOKEN};

    fn fault(id: &str, secret: &str, token: Option<&str>) -> Option<String> {
        let keys = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
        check(&keys, "a test").err().map(|unfit| unfit.to_string())
    }

    #[test]
    fn keys_of_printable_characters_can_sign() {
        assert_eq!(fault("AKID", SECRET, Some(TOKEN)), None);
        assert_eq!(fault("test", "a+b/c=", None), None);
        assert_eq!(fault("AKID", SECRET, Some("")), None, "no token at all");
    }

    #[test]
    fn what_no_header_may_hold_is_refused_by_part_and_source_without_the_value() {
        for odd in ["seKret\n", "seKret\r", "se\nKret", "seKret\u{1}", "\tseKret", "seKret ", "seKrét", "seKret\u{7f}"]
        {
            let said = [
                ("access key id", fault(odd, "s", None)),
                ("secret access key", fault("AKID", odd, None)),
                ("session token", fault("AKID", "s", Some(odd))),
            ];
            for (part, said) in said {
                let said = said.expect("refused");
                assert!(said.starts_with(&format!("the {part} that a test gives holds")), "{said}");
                assert!(!said.contains("seKr") && !said.contains(char::is_control), "{said}");
            }
        }
    }

    #[test]
    fn an_empty_key_is_no_key() {
        assert!(fault("", "s", None).is_some_and(|said| said.contains("access key id") && said.contains("is empty")));
        assert!(fault("AKID", "", None).is_some_and(|said| said.contains("secret access key")));
    }

    #[test]
    fn the_nearest_source_in_the_chain_is_named() {
        let mut keys = Credentials::new("AKID\n", "s", None, None, "test");
        let features = vec![Feature::CredentialsProfile, Feature::CredentialsProcess];
        keys.set_property(features);
        let said = check(&keys, "the chain").expect_err("refused").to_string();
        assert!(said.contains("the credential_process of the AWS profile gives"), "{said}");
    }
}
