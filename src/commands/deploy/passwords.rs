//! The login by password: a user for each machine.
use super::{Composed, Report, Work, config_name, count, goes_on, left};
use crate::{
    aws::{Admin, Stack},
    ops::{
        composing::{self, Login},
        password,
        stack::output,
        systems::System,
        users::{self, Given},
    },
};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

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

/// Whether there is room for all that will be given.
pub async fn check(admin: &Admin, stack: Option<&Stack>, work: &Work) -> anyhow::Result<()> {
    let plan = plan(admin, stack, work).await?;
    check_room(work, &plan)
}

fn check_room(work: &Work, plan: &users::Plan<'_>) -> anyhow::Result<()> {
    work.check_room(plan.given().map(|(system, _)| system), |system| vec![config_name(system)])
}

/// Who gets a password, as far as it is known.
pub async fn plan<'a>(admin: &Admin, stack: Option<&Stack>, work: &'a Work) -> anyhow::Result<users::Plan<'a>> {
    Ok(match stack.and_then(|stack| output(stack, "UserPoolId").ok()) {
        Some(pool) => users::plan(admin, pool, &work.systems, &work.renew).await?,
        None => users::all_new(&work.systems),
    })
}

/// Give each machine of the list that has none a password.
pub async fn give(
    admin: &Admin,
    stack: &Stack,
    work: &Work,
    report: &Report,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let login = |password| -> anyhow::Result<Login> {
        Ok(Login {
            region: output(stack, "Region")?.to_owned(),
            account_id: output(stack, "AccountId")?.to_owned(),
            user_pool_id: output(stack, "UserPoolId")?.to_owned(),
            identity_pool_id: output(stack, "IdentityPoolId")?.to_owned(),
            app_client_id: output(stack, "AppClientId")?.to_owned(),
            password,
        })
    };
    let pool = output(stack, "UserPoolId")?;
    let plan = plan(admin, Some(stack), work).await?;
    check_room(work, &plan)?;
    let folder = work.folder()?;
    let mut given = 0;
    for (system, renews) in plan.given().take_while(|_| goes_on(stop)) {
        let name = &system.name;
        let password = password::make()?;
        // On the disk before it holds, so that it never holds without anybody knowing it.
        let draft = match &folder {
            Some(folder) => {
                let login = login(password.clone())?;
                let text = composing::compose(work.template(system), &login, Some(&system.instance()))?;
                Some((folder, folder.draft(&config_name(system), &text)?))
            }
            None => None,
        };
        let unknown = || format!("{name} may have no password that holds; --renew {name} gives it one");
        match users::give(admin, pool, name, &password, renews).await {
            Ok(Given::Yes) => given += 1,
            Ok(Given::BySomebodyElse) => {
                eprintln!("{name} was given a password by somebody else meanwhile, and keeps it");
                continue;
            }
            Err(error) => {
                // It may be the one that holds: the next run finds what is left of it, and gives another.
                if let Some((_, draft)) = draft {
                    draft.leave();
                }
                return Err(anyhow::Error::from(error).context(unknown()));
            }
        }
        let lost = || format!("the password of {name} holds, and may be lost: --renew {name} gives it another");
        match draft {
            Some((folder, draft)) => {
                let path = folder.keep(draft).with_context(lost)?;
                report.system(name, "config", &path.display().to_string())?;
            }
            None => report.system(name, "password", password.expose_secret()).with_context(lost)?,
        }
    }
    let left = left(&plan.others, ["user is", "users are"]);
    eprintln!("{} given, {} there already{left}", count(given, "password", "passwords"), plan.there);
    if given > 0 {
        eprintln!("{}", if folder.is_some() { COPY } else { KEEP });
    }
    Ok(())
}

const KEEP: &str = "these passwords are shown this once: AWS does not tell them again (--renew SYSTEM gives a new one)";
const COPY: &str = "copy each file to its machine and install it there (install-rpi.bash or install-osx.bash with --config FILE), then remove it here and \
                    there: its password stands nowhere else";
