//! The login by certificate: a thing of AWS IoT for each machine, and a certificate for each thing.
use super::{Composed, Report, Work, config_name, count, goes_on, left};
use crate::{
    aws::{Admin, Stack},
    ops::{
        composing::{self, Device},
        finished::Folder,
        stack::output,
        systems::System,
        things,
    },
    platform::installed,
};
use secrecy::ExposeSecret;
use std::path::Path;
use tokio_util::sync::CancellationToken;

fn pem_name(system: &System) -> String {
    format!("{}.pem", system.name)
}

fn device(system: &System, region: &str, iot_url: &str, role_alias: &str) -> Device {
    Device {
        region: region.to_owned(),
        iot_url: iot_url.to_owned(),
        role_alias: role_alias.to_owned(),
        thing_name: system.name.clone(),
        certificate: installed::beside_configuration(is_windows(system), &pem_name(system)),
    }
}

/// By the sample that is taken for it.
fn is_windows(system: &System) -> bool {
    system.instance().prefix == "win"
}

fn files(system: &System) -> Vec<String> {
    vec![config_name(system), pem_name(system)]
}

/// Whether nobody else has one of these names, and there is room for all that will be given.
pub async fn check(admin: &Admin, name: &str, work: &Work) -> anyhow::Result<()> {
    let plan = things::plan(admin, name, &work.systems).await?;
    work.check_room(plan.new, files)
}

/// Whether a configuration can be composed for this machine.
pub fn trial(work: &Work, admin: &Admin, system: &System) -> Composed {
    let device = device(system, admin.region(), "trial.credentials.iot.us-east-1.amazonaws.com", "trial");
    composing::compose_device(work.template(system), &device, Some(&system.instance()))
}

/// Give each machine of the list that has none a certificate.
pub async fn give(
    admin: &Admin,
    name: &str,
    stack: &Stack,
    work: &Work,
    report: &Report,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (region, alias, policy) = (output(stack, "Region")?, output(stack, "RoleAlias")?, output(stack, "PolicyName")?);
    let plan = things::plan(admin, name, &work.systems).await?;
    work.check_room(plan.new.iter().copied(), files)?;
    let folder = work.folder()?.expect("without one the command line is refused");
    let mut given = finish(&folder, work, &plan.there, report)?;
    let url = if plan.new.is_empty() { String::new() } else { admin.credentials_endpoint().await? };
    for system in plan.new.iter().take_while(|_| goes_on(stop)) {
        let device = device(system, region, &url, alias);
        let config = composing::compose_device(work.template(system), &device, Some(&system.instance()))?;
        let config = folder.draft(&config_name(system), &config)?;
        let certificate = things::make(admin, name, &system.name).await?;
        let attached = async {
            // First the key is safe, then the certificate holds.
            let pem = folder.draft(&pem_name(system), certificate.pem.expose_secret())?;
            things::attach(admin, policy, &system.name, &certificate).await?;
            Ok::<_, anyhow::Error>(pem)
        };
        let pem = match attached.await {
            Ok(pem) => pem,
            Err(error) => {
                // Nothing that nobody has the key of is left in the account.
                if let Err(left) = things::discard(admin, policy, &system.name, &certificate).await {
                    eprintln!("a certificate of {} stays behind and can be removed by hand: {left}", system.name);
                }
                return Err(
                    error.context(format!("{} has no certificate; run this again, to give it one", system.name))
                );
            }
        };
        // Whatever becomes of the one, the other is not lost with it: the next run gives them their names.
        let (pem, path) = (folder.keep(pem), folder.keep(config));
        pem?;
        let path = path?;
        report.system(&system.name, "config", &path.display().to_string())?;
        given += 1;
    }
    let left = left(&plan.others, ["thing of the stack is", "things of the stack are"]);
    eprintln!("{} given, {} there already{left}", count(given, "certificate", "certificates"), plan.there.len());
    if given > 0 {
        eprintln!(
            "copy each .json and the .pem of the same name to its machine, into one folder, and install them there (install-rpi.bash or install-osx.bash \
             with --config FILE.json), then remove them here and there: a .pem holds the only copy of its key"
        );
    }
    Ok(())
}

/// A run that was ended after the last call left files without their names: what they hold is what the machine has to sign in with.
fn finish(folder: &Folder, work: &Work, there: &[&System], report: &Report) -> anyhow::Result<usize> {
    let path = work.configs.as_deref().unwrap_or(Path::new(""));
    let mut finished = 0;
    for system in there {
        let (config, pem) = (config_name(system), pem_name(system));
        if Folder::has_unfinished(path, &pem) {
            folder.keep(folder.unfinished(&pem)?)?;
        }
        if Folder::has_unfinished(path, &config) {
            let path = folder.keep(folder.unfinished(&config)?)?;
            report.system(&system.name, "config", &path.display().to_string())?;
            finished += 1;
        }
    }
    Ok(finished)
}
