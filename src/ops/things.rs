//! A thing of AWS IoT for each machine of the list, with a certificate of its own.
//!
//! A thing is ours when it has the attribute [`MARK`], whose value is the stack that it belongs to: only such things are given certificates,
//! and only such are removed. A thing is done when it has a certificate, which is the last step; a run that was ended before leaves a thing
//! without one, which the next run gives another. What that leaves behind is a certificate that nothing is attached to: it allows nothing.
use super::systems::System;
use crate::aws::{Admin, AdminError, Keys};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;

/// Attribute of our things. Names have `[a-zA-Z0-9_.,@/:#=\[\]-]`, values too.
/// <https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html>
const MARK: &str = "amazon-cloudwatch-publisher";

/// Why a machine has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ThingError {
    #[error(transparent)]
    Aws(#[from] AdminError),
    #[error("there is a thing {name} that is not of the stack {stack}: rename it, or take the name out of the list")]
    Foreign { name: String, stack: String },
    #[error("{name} cannot be the name of a thing, which is made of letters, digits and - _ :")]
    Unfit { name: String },
}

/// What a list comes to.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    pub new: Vec<&'a System>,
    /// Of the list, with a certificate already.
    pub there: usize,
}

/// Where nothing is there yet.
///
/// # Errors
/// When a name fits no thing.
pub fn all_new(systems: &[System]) -> Result<Plan<'_>, ThingError> {
    // Users of a pool may have a dot in their names.
    if let Some(system) = systems.iter().find(|system| system.name.contains('.')) {
        return Err(ThingError::Unfit { name: system.name.clone() });
    }
    Ok(Plan { new: systems.iter().collect(), there: 0 })
}

/// Compare the list with the things there are.
///
/// # Errors
/// When they cannot be asked for, or one of these names is somebody else's.
pub async fn plan<'a>(admin: &Admin, stack: &str, systems: &'a [System]) -> Result<Plan<'a>, ThingError> {
    let mut plan = Plan::default();
    for system in all_new(systems)?.new {
        let name = &system.name;
        match admin.thing(name).await? {
            None => plan.new.push(system),
            Some(attributes) if attributes.get(MARK).is_none_or(|of| of != stack) => {
                return Err(ThingError::Foreign { name: name.clone(), stack: stack.to_owned() });
            }
            Some(_) if admin.thing_principals(name).await?.is_empty() => plan.new.push(system),
            Some(_) => plan.there += 1,
        }
    }
    Ok(plan)
}

/// What a machine signs in with.
#[derive(Debug)]
pub struct Certificate {
    arn: String,
    /// The certificate and its key, in PEM.
    pub pem: SecretString,
}

/// Make a thing and a certificate that it does not have yet: first what it brings has to be kept. Then [`attach`] it, or [`discard`] it.
///
/// # Errors
/// When a call is refused.
pub async fn make(admin: &Admin, stack: &str, name: &str) -> Result<Certificate, AdminError> {
    admin.create_thing(name, (MARK, stack)).await?;
    let Keys { arn, certificate, private_key } = admin.create_keys().await?;
    let mut pem = certificate;
    if !pem.ends_with('\n') {
        pem.push('\n');
    }
    pem.push_str(private_key.expose_secret());
    Ok(Certificate { arn, pem: pem.into() })
}

/// Let the certificate sign in as the thing.
///
/// # Errors
/// When a call is refused.
pub async fn attach(admin: &Admin, policy: &str, name: &str, certificate: &Certificate) -> Result<(), AdminError> {
    admin.attach_policy(policy, &certificate.arn).await?;
    admin.attach_principal(name, &certificate.arn).await
}

/// Remove a certificate that came to nothing.
///
/// # Errors
/// When a call is refused.
pub async fn discard(admin: &Admin, policy: &str, name: &str, certificate: &Certificate) -> Result<(), AdminError> {
    admin.detach_principal(name, &certificate.arn).await?;
    admin.detach_policy(policy, &certificate.arn).await?;
    admin.delete_certificate(&certificate.arn).await
}

/// What is attached to a stack from outside: a certificate of its policy, or a thing of ours that has none.
#[derive(Debug, Eq, PartialEq)]
pub enum Held {
    Certificate {
        arn: String,
        /// Of this stack.
        things: Vec<String>,
        /// It serves something else, too: it loses the policy and stays.
        is_shared: bool,
    },
    Thing {
        name: String,
    },
}

/// What [`remove`] has to remove before the stack can be.
///
/// # Errors
/// When it cannot be asked for.
pub async fn held(admin: &Admin, stack: &str, policy: &str) -> Result<Vec<Held>, AdminError> {
    let ours: BTreeSet<String> = admin.things_with((MARK, stack)).await?.into_iter().collect();
    let mut left = ours.clone();
    let mut all = vec![];
    for arn in admin.policy_targets(policy).await? {
        let (things, others): (Vec<_>, Vec<_>) =
            admin.principal_things(&arn).await?.into_iter().partition(|thing| ours.contains(thing));
        things.iter().for_each(|thing| _ = left.remove(thing));
        all.push(Held::Certificate { arn, things, is_shared: !others.is_empty() });
    }
    all.extend(left.into_iter().map(|name| Held::Thing { name }));
    Ok(all)
}

/// Remove it: a thing only where nothing else is attached to it. What is gone already is no failure.
///
/// # Errors
/// When a call is refused.
pub async fn remove(admin: &Admin, policy: &str, held: &Held) -> Result<(), AdminError> {
    match held {
        Held::Certificate { arn, things, is_shared } => {
            for thing in things {
                admin.detach_principal(thing, arn).await?;
                remove_free(admin, thing).await?;
            }
            admin.detach_policy(policy, arn).await?;
            if *is_shared { Ok(()) } else { admin.delete_certificate(arn).await }
        }
        Held::Thing { name } => remove_free(admin, name).await,
    }
}

async fn remove_free(admin: &Admin, thing: &str) -> Result<(), AdminError> {
    if admin.thing_principals(thing).await?.is_empty() { admin.delete_thing(thing).await } else { Ok(()) }
}
