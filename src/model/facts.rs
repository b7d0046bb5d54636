//! What the cloud says of this machine, for the values of dimensions that stand as `${aws:InstanceId}` in the configuration.
//!
//! Whoever asks publishes them as they become known; whoever needs one waits while it is [`Fact::Unknown`], and goes on without it when
//! it is [`Fact::Absent`]. Nothing is ever made up.
use std::sync::Arc;

/// One answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fact {
    /// Somebody is asking.
    #[default]
    Unknown,
    Known(String),
    /// There is none, or for now nobody can tell. It may become known later.
    Absent,
}

/// All answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// `i-0123456789abcdef0`
    pub instance_id: Fact,
    /// `ami-0123456789abcdef0`
    pub image_id: Fact,
    /// `m7g.large`
    pub instance_type: Fact,
    pub auto_scaling_group: Fact,
    pub volumes: Volumes,
}

/// The volumes of Amazon EBS that are attached to this machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Volumes {
    #[default]
    Unknown,
    Known(Arc<[Volume]>),
    Absent,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Volume {
    /// The kernel's name (`nvme1n1`), or the one that it was attached by (`/dev/sdf`).
    pub device: String,
    /// `vol-0123456789abcdef0`
    pub id: String,
}

impl Fact {
    /// This is what counts where nothing is known.
    fn settle(&mut self, other: Self) {
        if *self == Self::Unknown {
            *self = other;
        }
    }
}

/// What is not there is known not to be.
impl From<Option<String>> for Fact {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Absent, Self::Known)
    }
}

impl Facts {
    /// These count as far as nothing is known.
    pub fn settle(&mut self, others: Self) {
        self.instance_id.settle(others.instance_id);
        self.image_id.settle(others.image_id);
        self.instance_type.settle(others.instance_type);
        self.auto_scaling_group.settle(others.auto_scaling_group);
        if self.volumes == Volumes::Unknown {
            self.volumes = others.volumes;
        }
    }

    /// Of a machine that is no EC2 instance, or where nobody is asked.
    pub const fn none() -> Self {
        Self {
            instance_id: Fact::Absent,
            image_id: Fact::Absent,
            instance_type: Fact::Absent,
            auto_scaling_group: Fact::Absent,
            volumes: Volumes::Absent,
        }
    }
}

impl Volumes {
    /// The volume that this device lies on, a disk or a partition of one: `nvme0n1p1`, `/dev/xvda1`. `None`: on none that is known.
    ///
    /// `/dev/sda` at EC2 is `xvda` here: the names that volumes are attached by are the kernel's on Xen but for this.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>
    pub fn of(&self, device: &str) -> Option<&str> {
        let Self::Known(volumes) = self else { return None };
        let wanted = kernel_name(device);
        let exact = volumes.iter().find(|volume| kernel_name(&volume.device) == wanted);
        let volume = exact.or_else(|| {
            let disk = disk_of(&wanted).unwrap_or(&wanted);
            let mut of_disk = volumes.iter().filter(|volume| {
                let name = kernel_name(&volume.device);
                name == disk || disk_of(&name) == Some(disk)
            });
            // Two volumes that are called partitions of one disk are not told apart by the disk.
            of_disk.next().filter(|_| of_disk.next().is_none())
        });
        volume.map(|volume| volume.id.as_str())
    }
}

/// Without its folder, and as the driver of Xen calls it.
fn kernel_name(device: &str) -> String {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    name.strip_prefix("sd").map_or_else(|| name.to_owned(), |rest| format!("xvd{rest}"))
}

/// `xvda` of `xvda1`, `nvme0n1` of `nvme0n1p1`; `None` of what has no number.
fn disk_of(device: &str) -> Option<&str> {
    let head = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if head.len() == device.len() {
        return None;
    }
    // Where the disk's own name ends with a number, a `p` stands between the two.
    if device.starts_with("nvme") { head.strip_suffix('p') } else { Some(head) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes(all: &[(&str, &str)]) -> Volumes {
        let volume = |(device, id): &(&str, &str)| Volume { device: (*device).to_owned(), id: (*id).to_owned() };
        Volumes::Known(all.iter().map(volume).collect())
    }

    #[test]
    fn a_partition_lies_on_the_volume_of_its_disk() {
        let nitro = volumes(&[("nvme0n1", "vol-0"), ("nvme1n1", "vol-1"), ("nvme11n1", "vol-11")]);
        for (device, id) in
            [("nvme0n1", "vol-0"), ("nvme0n1p1", "vol-0"), ("/dev/nvme1n1p128", "vol-1"), ("nvme11n1p1", "vol-11")]
        {
            assert_eq!(nitro.of(device), Some(id), "{device}");
        }
        for device in ["nvme2n1p1", "nvme1n11", "tmpfs", "mapper/root", "", "loop1", "nvme0"] {
            assert_eq!(nitro.of(device), None, "{device}");
        }
    }

    #[test]
    fn on_xen_a_volume_is_attached_by_a_name_that_is_nearly_the_kernels() {
        let xen = volumes(&[("/dev/sda1", "vol-root"), ("/dev/sdf", "vol-f"), ("xvdba", "vol-ba")]);
        for (device, id) in [
            ("xvda1", "vol-root"),
            ("xvda", "vol-root"),
            ("xvda2", "vol-root"),
            ("sda1", "vol-root"),
            ("xvdf", "vol-f"),
            ("xvdf1", "vol-f"),
            ("xvdba1", "vol-ba"),
        ] {
            assert_eq!(xen.of(device), Some(id), "{device}");
        }
        assert_eq!(xen.of("xvdb"), None);
    }

    #[test]
    fn of_two_volumes_that_are_partitions_of_one_disk_none_is_guessed() {
        let xen = volumes(&[("/dev/sdf1", "vol-1"), ("/dev/sdf2", "vol-2")]);
        assert_eq!((xen.of("xvdf1"), xen.of("xvdf2")), (Some("vol-1"), Some("vol-2")));
        assert_eq!((xen.of("xvdf3"), xen.of("xvdf")), (None, None));
    }

    #[test]
    fn what_is_known_is_not_settled_again() {
        let mut facts = Facts { instance_id: Fact::Known("i-1".into()), volumes: volumes(&[]), ..Facts::default() };
        facts.settle(Facts { instance_type: Fact::Known("m7g.large".into()), ..Facts::none() });
        let expected = Facts {
            instance_id: Fact::Known("i-1".into()),
            instance_type: Fact::Known("m7g.large".into()),
            volumes: volumes(&[]),
            ..Facts::none()
        };
        assert_eq!(facts, expected);
    }
}
