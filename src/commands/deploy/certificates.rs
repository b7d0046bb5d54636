//! The login by certificate: a thing of AWS IoT for each machine, and a certificate for each thing.
use super::{Composed, Report, Work, config_name, count};
use crate::{
    aws::{Admin, Stack},
    ops::{
        composing::{self, Device},
        finished::{Draft, Folder},
        stack::output,
        systems::System,
        things::{self, Certificate},
    },
};
use anyhow::Context;
use secrecy::ExposeSecret;

/// Where the installers expect what belongs to a configuration.
const ETC: &str = "/opt/aws/amazon-cloudwatch-publisher/etc";

fn pem_name(system: &System) -> String {
    format!("{}.pem", system.name)
}

fn device(system: &System, region: &str, iot_url: &str, role_alias: &str) -> Device {
    Device {
        region: region.to_owned(),
        iot_url: iot_url.to_owned(),
        role_alias: role_alias.to_owned(),
        thing_name: system.name.clone(),
        certificate: format!("{ETC}/{}", pem_name(system)),
    }
}

/// Whether a configuration can be composed for this machine.
pub fn trial(work: &Work, admin: &Admin, system: &System) -> Composed {
    let device = device(system, admin.region(), "trial.credentials.iot.us-east-1.amazonaws.com", "trial");
    composing::compose_device(work.template(system), &device, Some(&system.instance()))
}

/// Give each machine of the list that has none a certificate.
pub async fn give(admin: &Admin, name: &str, stack: &Stack, work: &Work, report: &mut Report) -> anyhow::Result<()> {
    let (region, alias, policy) = (output(stack, "Region")?, output(stack, "RoleAlias")?, output(stack, "PolicyName")?);
    let plan = things::plan(admin, name, &work.systems).await?;
    let files = |system: &System| vec![config_name(system), pem_name(system)];
    let folder = work.folder(plan.new.iter().copied(), files)?;
    let Some(folder) = folder.filter(|_| !plan.new.is_empty()) else {
        eprintln!("{}", summary(0, plan.there));
        return Ok(());
    };
    let url = admin.credentials_endpoint().await?;
    for system in &plan.new {
        let device = device(system, region, &url, alias);
        let config = composing::compose_device(work.template(system), &device, Some(&system.instance()))?;
        let config = folder.draft(&config_name(system), &config)?;
        let certificate = things::make(admin, name, &system.name).await?;
        let kept = keep(admin, policy, &folder, system, config, &certificate).await;
        let path = match kept {
            Ok(path) => path,
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
        report.system(&system.name, "config", &path)?;
    }
    eprintln!("{}", summary(plan.new.len(), plan.there));
    eprintln!(
        "copy each .json to its machine as {ETC}/amazon-cloudwatch-publisher.json, and the .pem of the same name to {ETC}, then remove both here: \
         a .pem holds the only copy of its key"
    );
    Ok(())
}

/// First the key is safe, then the certificate holds.
async fn keep(
    admin: &Admin,
    policy: &str,
    folder: &Folder,
    system: &System,
    config: Draft,
    certificate: &Certificate,
) -> anyhow::Result<String> {
    let pem = folder.draft(&pem_name(system), certificate.pem.expose_secret())?;
    let pem = pem.keep()?;
    let attached = async {
        things::attach(admin, policy, &system.name, certificate).await?;
        Ok::<_, anyhow::Error>(config.keep()?.display().to_string())
    };
    attached
        .await
        .inspect_err(|_| _ = std::fs::remove_file(&pem))
        .context("the certificate could not be kept or attached")
}

fn summary(given: usize, there: usize) -> String {
    format!("{} given, {there} there already", count(given, "certificate", "certificates"))
}
