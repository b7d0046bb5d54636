//! `disk`: how full each mounted file system is.
//!
//! Without `resources` all of them are read, those in memory too, as in the agent; left out are automounters, what has no size, and the
//! types of `ignore_file_system_types`. Beyond the agent: `ignore_pseudo_file_systems` leaves out all that no disk can run out of. A file
//! system that cannot be read is said once and takes no other along.
use super::{CollectError, Collector, Entry, Readings, presence::Chosen};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::mounts::{self, Kinds, Mount, Patience, Space},
};
use std::{collections::BTreeSet, io, path::PathBuf};

pub(super) const ENTRY: Entry = Entry { key: "disk", build };

/// Reading one would mount what it only keeps ready.
const AUTOMOUNTER: &str = "autofs";

/// Asks one file system how full it is.
type Ask = Box<dyn FnMut(&Mount) -> io::Result<Space> + Send>;

struct Disk {
    /// Mount points, exactly; `None`: all.
    chosen: Option<Vec<String>>,
    named: Chosen,
    ignored: Vec<String>,
    /// Types that are no disks, where they are to be left out. Asked for with the first reading.
    pseudo: Option<Box<dyn Fn() -> Kinds + Send>>,
    kinds: Option<Kinds>,
    drop_device: bool,
    mounts: Box<dyn FnMut() -> io::Result<Vec<Mount>> + Send>,
    space: Ask,
    /// Those that could not be read.
    failed: BTreeSet<PathBuf>,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let mut patience = Patience::new();
    let mut disk = Disk {
        chosen: None,
        named: Chosen::of(ENTRY.key),
        ignored: vec![],
        pseudo: None,
        kinds: None,
        drop_device: false,
        mounts: Box::new(mounts::mounts),
        space: Box::new(move |mount| patience.space(mount)),
        failed: BTreeSet::new(),
    };
    if let Options::Disk { mounts, ignored_types, drop_device, ignore_pseudo, .. } = &plugin.options {
        disk.chosen = mounts.clone().filter(|mounts| !mounts.is_empty());
        disk.ignored.clone_from(ignored_types);
        disk.drop_device = *drop_device;
        disk.pseudo = ignore_pseudo.then(|| Box::new(Kinds::read) as Box<dyn Fn() -> Kinds + Send>);
    }
    Box::new(disk)
}

impl Collector for Disk {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let mut mounts = (self.mounts)().map_err(CollectError::read("the table of mounts"))?;
        if let Some(pseudo) = &self.pseudo {
            self.kinds.get_or_insert_with(pseudo);
        }
        mounts.retain(|mount| self.wants(mount));
        let is_there = |path: &String| mounts.iter().any(|mount| *path == mount.path.to_string_lossy());
        self.named.saw(self.chosen.iter().flatten().map(|path| (path.as_str(), is_there(path))));
        for mount in &mounts {
            match (self.space)(mount) {
                Ok(space) => {
                    if self.failed.remove(&mount.path) {
                        tracing::info!(path = %mount.path.display(), "the file system can be read again");
                    }
                    if space.total > 0 {
                        offer(out, mount, &space, self.drop_device);
                    }
                }
                Err(error) if self.failed.insert(mount.path.clone()) => tracing::warn!(
                    path = %mount.path.display(), kind = mount.kind, %error,
                    "how full this file system is cannot be read; it is missing until it can be"
                ),
                Err(_) => {}
            }
        }
        self.failed.retain(|path| mounts.iter().any(|mount| mount.path == *path));
        Ok(())
    }
}

impl Disk {
    fn wants(&self, mount: &Mount) -> bool {
        let chosen =
            self.chosen.as_ref().is_none_or(|paths| paths.iter().any(|path| *path == mount.path.to_string_lossy()));
        let ignored = mount.kind == AUTOMOUNTER
            || self.ignored.contains(&mount.kind)
            || self.kinds.as_ref().is_some_and(|kinds| kinds.pseudo(&mount.kind));
        chosen && !ignored
    }
}

fn offer(out: &mut Readings<'_>, mount: &Mount, space: &Space, drop_device: bool) {
    let path = mount.path.to_string_lossy();
    let device = if drop_device { String::new() } else { mount.device.replace("/dev/", "") };
    let mut out = out.of(&[("path", &path), ("device", &device), ("fstype", &mount.kind)]);
    let amounts = [
        ("total", space.total),
        ("free", space.free),
        ("used", space.used),
        ("inodes_total", space.inodes_total),
        ("inodes_free", space.inodes_free),
        ("inodes_used", space.inodes_used),
    ];
    for (name, amount) in amounts {
        out.push(name, amount as f64);
    }
    // What is kept for root is neither used nor free: of what users can fill.
    let whole = space.used.saturating_add(space.free);
    out.push("used_percent", if whole == 0 { 0.0 } else { space.used as f64 / whole as f64 * 100.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    const SPACE: Space =
        Space { total: 1_000, free: 600, used: 200, inodes_total: 50, inodes_free: 20, inodes_used: 30 };

    fn mount(path: &str, device: &str, kind: &str) -> Mount {
        Mount { path: path.into(), device: device.into(), kind: kind.into() }
    }

    /// A machine with a root, a volume, something in memory, and an automounter.
    fn disk() -> Disk {
        let mounts = [
            mount("/", "/dev/nvme0n1p1", "ext4"),
            mount("/srv", "/dev/mapper/vg-root", "xfs"),
            mount("/run", "tmpfs", "tmpfs"),
            mount("/net", "/etc/auto.net", "autofs"),
            mount("/proc", "proc", "proc"),
        ];
        let space = |mount: &Mount| match mount.kind.as_str() {
            "autofs" => panic!("reading it would mount it"),
            "proc" => Ok(Space::default()),
            _ => Ok(SPACE),
        };
        Disk {
            chosen: None,
            named: Chosen::of("disk"),
            ignored: vec![],
            pseudo: None,
            kinds: None,
            drop_device: false,
            mounts: Box::new(move || Ok(mounts.to_vec())),
            space: Box::new(space),
            failed: BTreeSet::new(),
        }
    }

    /// The paths of which something is published.
    fn paths(disk: &mut Disk) -> Vec<String> {
        let points = Run::with("disk", &["total"]).read(disk);
        let path = |point: &crate::model::Point| point.dimensions[0].value.clone();
        points.iter().map(path).collect()
    }

    #[test]
    fn every_amount_has_its_name_and_the_share_is_of_what_users_can_fill() {
        let points = Run::of("disk").read(&mut disk());
        let root = [("path", "/"), ("device", "nvme0n1p1"), ("fstype", "ext4")];
        let expected = [
            ("total", 1_000.0),
            ("free", 600.0),
            ("used", 200.0),
            ("used_percent", 25.0),
            ("inodes_total", 50.0),
            ("inodes_free", 20.0),
            ("inodes_used", 30.0),
        ];
        for (name, value) in expected {
            assert_eq!(found(&points, &format!("disk_{name}"), &root), Some(value), "{name}");
        }
        let volume = [("path", "/srv"), ("device", "mapper/vg-root"), ("fstype", "xfs")];
        assert_eq!(found(&points, "disk_total", &volume), Some(1_000.0));
    }

    #[test]
    fn automounters_and_what_has_no_size_are_left_out_and_memory_is_not() {
        assert_eq!(paths(&mut disk()), ["/", "/srv", "/run"]);
    }

    #[test]
    fn listed_types_and_other_mount_points_are_left_out() {
        let ignored = vec!["tmpfs".to_owned(), "sysfs".to_owned()];
        assert_eq!(paths(&mut Disk { ignored, ..disk() }), ["/", "/srv"]);
        let chosen = Some(vec!["/run".to_owned(), "/net".to_owned(), "/nowhere".to_owned()]);
        let mut some = Disk { chosen, ..disk() };
        assert_eq!(paths(&mut some), ["/run"]);
        assert_eq!(some.named.missing(), ["/net", "/nowhere"]);
    }

    #[test]
    fn pseudo_file_systems_are_left_out_where_that_is_asked_for() {
        let pseudo: Option<Box<dyn Fn() -> Kinds + Send>> = Some(Box::new(Kinds::default));
        assert_eq!(paths(&mut Disk { pseudo, ..disk() }), ["/", "/srv"]);
    }

    #[test]
    fn a_dropped_device_is_no_dimension() {
        let points = Run::of("disk").read(&mut Disk { drop_device: true, ..disk() });
        assert_eq!(found(&points, "disk_total", &[("path", "/"), ("fstype", "ext4")]), Some(1_000.0));
    }

    #[test]
    fn a_file_system_that_cannot_be_read_takes_no_other_along_and_comes_back() {
        let mut turn = 0;
        let space = move |mount: &Mount| {
            turn += usize::from(mount.path == std::path::Path::new("/"));
            if turn == 1 && mount.kind == "ext4" { Err(io::ErrorKind::TimedOut.into()) } else { Ok(SPACE) }
        };
        let mut disk = Disk { space: Box::new(space), ignored: vec!["proc".to_owned()], ..disk() };
        assert_eq!(paths(&mut disk), ["/srv", "/run"]);
        assert_eq!(disk.failed.len(), 1);
        assert_eq!(paths(&mut disk), ["/", "/srv", "/run"]);
        assert!(disk.failed.is_empty());
    }

    #[test]
    fn a_system_without_a_table_of_mounts_is_a_failure_that_names_it() {
        let mut disk = Disk { mounts: Box::new(|| Err(io::ErrorKind::NotFound.into())), ..disk() };
        let error = Run::of("disk").fail(&mut disk);
        assert_eq!(error.to_string(), "could not read the table of mounts");
    }
}
