//! The login by password: a user for each machine.
use super::{Composed, Report, Work, config_name, count};
use crate::{
    aws::{Admin, Stack},
    ops::{
        composing::{self, Login},
        password,
        stack::output,
        systems::System,
        users,
    },
};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

/// Whether a configuration can be composed for this machine: with ids that only have the form of some.
pub fn trial(work: &Work, admin: &Admin, system: &System) -> Composed {
    let region = admin.region().to_owned();
    let login = Login {
        account_id: "123456789012".to_owned(),
        user_pool_id: format!("{region}_TRIAL"),
        identity_pool_id: format!("{region}:11111111-1111-1111-1111-111111111111"),
        app_client_id: "trial".to_owned(),
        password: SecretString::from("Trial1234".to_owned()),
        region,
    };
    composing::compose(work.template(system), &login, Some(&system.instance()))
}

/// Give each machine of the list that has none a password.
pub async fn give(
    admin: &Admin,
    stack: &Stack,
    work: &Work,
    renew: &[String],
    report: &mut Report,
) -> anyhow::Result<()> {
    let pool = output(stack, "UserPoolId")?;
    let login = |password| -> anyhow::Result<Login> {
        Ok(Login {
            region: output(stack, "Region")?.to_owned(),
            account_id: output(stack, "AccountId")?.to_owned(),
            user_pool_id: pool.to_owned(),
            identity_pool_id: output(stack, "IdentityPoolId")?.to_owned(),
            app_client_id: output(stack, "AppClientId")?.to_owned(),
            password,
        })
    };
    let plan = users::plan(admin, pool, &work.systems, renew).await?;
    let folder = work.folder(plan.given(), |system| vec![config_name(system)])?;
    let mut given = 0;
    for system in plan.given() {
        let name = &system.name;
        let password = password::make()?;
        // On the disk before it holds, so that it never holds without anybody knowing it.
        let draft = match &folder {
            Some(folder) => {
                let login = login(password.clone())?;
                let text = composing::compose(work.template(system), &login, Some(&system.instance()))?;
                Some(folder.draft(&config_name(system), &text)?)
            }
            None => None,
        };
        let made = users::give(admin, pool, name, &password).await;
        made.with_context(|| format!("{name} has no password that holds; run this again, to give it one"))?;
        given += 1;
        match draft {
            Some(draft) => {
                let lost = || format!("the password of {name} holds and is not kept: --renew {name} gives it another");
                report.system(name, "config", &draft.keep().with_context(lost)?.display().to_string())?;
            }
            None => report.system(name, "password", password.expose_secret())?,
        }
    }
    eprintln!("{}", summary(given, plan.there, plan.others.len()));
    if given > 0 {
        eprintln!("{}", if folder.is_some() { COPY } else { KEEP });
    }
    Ok(())
}

const KEEP: &str = "these passwords are shown this once: AWS does not tell them again (--renew SYSTEM gives a new one)";
const COPY: &str = "copy each file to its machine, as /opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json, then remove it \
                    here: its password stands nowhere else";

fn summary(given: usize, there: usize, others: usize) -> String {
    let mut text = format!("{} given, {there} there already", count(given, "password", "passwords"));
    if others > 0 {
        text += &format!("; {} not in the list, and stay", count(others, "user is", "users are"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn people_are_told_what_was_done_and_what_was_left() {
        assert_eq!(summary(1, 0, 0), "1 password given, 0 there already");
        assert_eq!(summary(0, 3, 2), "0 passwords given, 3 there already; 2 users are not in the list, and stay");
    }
}
