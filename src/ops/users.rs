//! A user of the pool for each machine of the list, with a password of its own. Users are only ever added; what the list does not name stays.
//!
//! A run that was ended in the middle leaves at most one user without a password that holds: the next run gives it one, as if it were new.
use super::systems::System;
use crate::aws::{Admin, AdminError};
use secrecy::SecretString;
use std::collections::HashMap;

/// A user that nobody gave a permanent password yet.
const UNFINISHED: &str = "FORCE_CHANGE_PASSWORD";

/// What a list comes to for a pool.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Plan<'a> {
    /// To be made.
    pub new: Vec<&'a System>,
    /// They are there without a password that holds, or are to get another one.
    pub renewed: Vec<&'a System>,
    /// Of the list, and there already.
    pub there: usize,
    /// There, and not in the list.
    pub others: Vec<String>,
}

impl<'a> Plan<'a> {
    /// All that get a password.
    pub fn given(&self) -> impl Iterator<Item = &'a System> {
        self.new.iter().chain(&self.renewed).copied()
    }
}

/// Where no pool is yet.
pub fn all_new(systems: &[System]) -> Plan<'_> {
    Plan { new: systems.iter().collect(), ..Plan::default() }
}

/// Compare the list with the users of a pool. `renew`: names of those that get a new password though they have one.
///
/// # Errors
/// When the users cannot be asked for.
pub async fn plan<'a>(
    admin: &Admin,
    pool: &str,
    systems: &'a [System],
    renew: &[String],
) -> Result<Plan<'a>, AdminError> {
    let users = admin.users(pool).await?;
    // Our pools take small and capital letters for the same.
    let mut known: HashMap<String, (String, bool)> = users
        .into_iter()
        .map(|user| (user.name.to_ascii_lowercase(), (user.name, user.status == UNFINISHED)))
        .collect();
    let mut plan = Plan::default();
    for system in systems {
        match known.remove(&system.name.to_ascii_lowercase()) {
            None => plan.new.push(system),
            Some((_, true)) => plan.renewed.push(system),
            Some(_) if renew.contains(&system.name) => plan.renewed.push(system),
            Some(_) => plan.there += 1,
        }
    }
    plan.others = known.into_values().map(|(name, _)| name).collect();
    plan.others.sort();
    Ok(plan)
}

/// Let a machine sign in with this password from now on.
///
/// # Errors
/// When a call is refused: then the password does not hold.
pub async fn give(admin: &Admin, pool: &str, name: &str, password: &SecretString) -> Result<(), AdminError> {
    admin.create_user(pool, name).await?;
    admin.set_password(pool, name, password).await
}
