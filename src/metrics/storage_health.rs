//! `storage_health`: how worn NVMe drives and eMMC are, and what each ext4 counts of errors and of what was ever written to it, which
//! is all that is known of an SD card.
//!
//! NVMe drives are asked for their health, for which Linux wants `CAP_SYS_ADMIN`; EBS volumes, which have no wear, and drives of other
//! machines are not asked. Errors and what was written are totals of the life of the drive or file system, not growths.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::settings::metrics::Plugin,
    platform::{
        devices::{DEV, nvme, wear},
        procfs,
    },
};
use std::{io, path::PathBuf};

pub(super) const ENTRY: Entry = Entry { key: "storage_health", build };

const NVME: [&str; 4] = ["nvme_percentage_used", "nvme_available_spare", "nvme_critical_warning", "nvme_media_errors"];
const EMMC: [&str; 2] = ["emmc_life_time_percent", "emmc_pre_eol_info"];
const EXT4: [&str; 2] = ["ext4_errors", "ext4_lifetime_written"];

struct StorageHealth {
    sys: PathBuf,
    dev: PathBuf,
    presence: Presence,
    /// Drives that do not tell, of which that was said.
    silent: Vec<String>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(StorageHealth {
        sys: procfs::sys().to_owned(),
        dev: DEV.into(),
        presence: Presence::of(ENTRY.key),
        silent: vec![],
    })
}

impl Collector for StorageHealth {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let wants = |fields: &[&str]| fields.iter().any(|field| out.wants(field));
        let (nvme, emmc, ext4) = (wants(&NVME), wants(&EMMC), wants(&EXT4));
        // Each part has its turn before the first error is returned.
        let parts = [
            if emmc { self.emmc(out) } else { Ok(false) },
            if ext4 { self.ext4(out) } else { Ok(false) },
            if nvme { self.nvme(out) } else { Ok(false) },
        ];
        let some = parts.iter().any(|part| matches!(part, Ok(true)));
        for part in parts {
            part?;
        }
        self.presence.saw(some, || "there is no drive, card or file system that tells what was asked for".to_owned());
        Ok(())
    }
}

impl StorageHealth {
    fn emmc(&self, out: &mut Readings<'_>) -> Result<bool, CollectError> {
        let all = wear::flash(&self.sys).map_err(CollectError::read("the cards of /sys/bus/mmc"))?;
        for flash in &all {
            let mut tagged = out.of(&[("device", &flash.device)]);
            for (field, value) in EMMC.into_iter().zip([flash.life_used, flash.spare_blocks]) {
                if let Some(value) = value {
                    tagged.push(field, value.into());
                }
            }
        }
        Ok(!all.is_empty())
    }

    fn ext4(&self, out: &mut Readings<'_>) -> Result<bool, CollectError> {
        let all = wear::file_systems(&self.sys).map_err(CollectError::read("the file systems of /sys/fs/ext4"))?;
        for system in &all {
            let mut tagged = out.of(&[("device", &system.device)]);
            for (field, value) in EXT4.into_iter().zip([system.errors, system.written]) {
                if let Some(value) = value {
                    tagged.push(field, value as f64);
                }
            }
        }
        Ok(!all.is_empty())
    }

    /// Whether there is any drive to ask. One that does not tell is no reason to call the whole reading a failure.
    fn nvme(&mut self, out: &mut Readings<'_>) -> Result<bool, CollectError> {
        let all = nvme::controllers(&self.sys).map_err(CollectError::read("the controllers of /sys/class/nvme"))?;
        let mut some = false;
        for drive in all {
            if drive.remote || matches!(drive.amazon(), Some(nvme::Amazon::Ebs { .. })) {
                continue;
            }
            some = true;
            match drive.devices(&self.dev).and_then(|devices| drive.health(&self.dev, &devices)) {
                Ok(health) => {
                    self.silent.retain(|name| *name != drive.name);
                    let values = [
                        health.percentage_used.into(),
                        health.available_spare.into(),
                        health.critical_warning.into(),
                        health.media_errors as f64,
                    ];
                    let mut tagged = out.of(&[("device", &drive.name)]);
                    for (field, value) in NVME.into_iter().zip(values) {
                        tagged.push(field, value);
                    }
                }
                Err(error) => self.silent(drive.name, &error),
            }
        }
        Ok(some)
    }

    /// Says it once, until the drive tells again.
    fn silent(&mut self, drive: String, error: &io::Error) {
        if self.silent.contains(&drive) {
            return;
        }
        if error.kind() == io::ErrorKind::PermissionDenied {
            let why = "Linux wants the capability CAP_SYS_ADMIN for it: run as root, or do not ask for the health of NVMe drives";
            tracing::warn!(collector = ENTRY.key, drive, %error, why, "the drive cannot be asked for its health");
        } else {
            tracing::info!(collector = ENTRY.key, drive, %error, "the drive does not tell its health");
        }
        self.silent.push(drive);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::trees;

    fn of(tree: &str) -> Vec<String> {
        let tree = trees::plant(tree);
        let (sys, dev) = (tree.path().to_owned(), tree.path().join("dev"));
        let presence = Presence::of("storage_health");
        offered(&mut StorageHealth { sys, dev, presence, silent: vec![] }, "storage_health")
    }

    #[test]
    fn an_sd_card_is_told_by_its_file_system() {
        let expected = ["ext4_errors{device=mmcblk0p2} 3", "ext4_lifetime_written{device=mmcblk0p2} 831841974272"];
        assert_eq!(of(trees::RASPBERRY_PI_4), expected);
    }

    #[test]
    fn an_emmc_is_told_although_a_drive_beside_it_cannot_be_asked() {
        let expected = ["emmc_life_time_percent{device=mmcblk0} 110", "emmc_pre_eol_info{device=mmcblk0} 2"];
        assert_eq!(of(trees::LAPTOP), expected);
    }

    #[test]
    fn volumes_of_ebs_and_drives_of_other_machines_are_not_asked() {
        let ebs = "class/nvme/nvme0/model = Amazon Elastic Block Store\nclass/nvme/nvme0/serial = vol0a";
        let remote = "class/nvme/nvme1/model = Linux\nclass/nvme/nvme1/transport = tcp";
        assert_eq!(of(&format!("{ebs}\n{remote}")), [] as [&str; 0]);
    }
}
