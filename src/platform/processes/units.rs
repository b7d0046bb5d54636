//! Units of systemd by their control groups: each running unit has one of its name, in the group of its slice.
//!
//! Nothing is asked over D-Bus and no program is started. <https://systemd.io/CONTROL_GROUP_INTERFACE/>
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file that lists the processes of a group, in both versions of control groups.
const LIST: &str = "cgroup.procs";
/// Slices lie in slices, and services make groups below their own. Nobody nests them deeper.
const DEEPEST: usize = 32;
/// Endings of names of units that have processes.
const KINDS: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// The processes of this unit; `None` when there is no group for it, since it does not run.
///
/// # Errors
/// `Unsupported` without the groups of systemd; else what reading gives.
pub fn processes(root: &Path, unit: &str) -> io::Result<Option<Vec<u32>>> {
    let top = hierarchy(root)?;
    let name = if KINDS.iter().any(|kind| unit.ends_with(kind)) { unit.to_owned() } else { format!("{unit}.service") };
    // No unit has a slash in its name: systemd writes it in another way.
    if name.contains('/') {
        return Ok(None);
    }
    let Some(group) = find(&top, &name)? else { return Ok(None) };
    let mut pids = Vec::new();
    gather(&group, 0, &mut pids)?;
    pids.sort_unstable();
    pids.dedup();
    Ok(Some(pids))
}

/// Where systemd keeps its groups: the root of version 2, else a hierarchy of its own beside those of the controllers.
fn hierarchy(root: &Path) -> io::Result<PathBuf> {
    [root.to_owned(), root.join("systemd"), root.join("unified")]
        .into_iter()
        .find(|top| top.join("system.slice").is_dir())
        .ok_or_else(|| {
            let why = format!("there is no system.slice in {}: systemd does not keep its units there", root.display());
            io::Error::new(io::ErrorKind::Unsupported, why)
        })
}

/// Most are in `system.slice`; the others in a slice of their own, and slices lie within each other.
fn find(top: &Path, unit: &str) -> io::Result<Option<PathBuf>> {
    // Names that the kernel could take for files of its own have a line before them, like `_cpu.service`.
    let names = [unit.to_owned(), format!("_{unit}")];
    let mut level = vec![top.join("system.slice"), top.to_owned()];
    for _ in 0..DEEPEST {
        for slice in &level {
            let groups = names.iter().map(|name| slice.join(name));
            if let Some(group) = groups.into_iter().find(|group| group.join(LIST).exists()) {
                return Ok(Some(group));
            }
        }
        let mut below = Vec::new();
        for slice in &level {
            below.extend(folders(slice)?.into_iter().filter(|folder| folder.extension().is_some_and(|e| e == "slice")));
        }
        if below.is_empty() {
            break;
        }
        level = below;
    }
    Ok(None)
}

/// The processes of a group and of all below it.
fn gather(group: &Path, depth: usize, pids: &mut Vec<u32>) -> io::Result<()> {
    // A group of threads alone has no list of processes: they stand in the one above it.
    if let Ok(text) = fs::read_to_string(group.join(LIST)) {
        // A process of a container that we are not in is 0.
        pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
    }
    if depth < DEEPEST {
        for below in folders(group)? {
            gather(&below, depth + 1, pids)?;
        }
    }
    Ok(())
}

/// The folders in a folder; none where it went away meanwhile.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let folder = |entry: io::Result<fs::DirEntry>| entry.ok().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(entries.filter_map(folder).map(|entry| entry.path()).collect())
}
