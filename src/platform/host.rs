//! Who and where this machine is, asked without the network, and where this user may keep state.
//!
//! Nothing is cached: callers ask at the start and on reload.
use super::installed;
use std::{
    ffi::OsString,
    fs, io,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
};

/// Name of our folder among those of the user's other programs.
const OWN_FOLDER: &str = "amazon-cloudwatch-publisher";

/// The systems that we run on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum System {
    Linux,
    MacOs,
    Windows,
    Other,
}

/// This one.
pub const SYSTEM: System = if cfg!(target_os = "linux") {
    System::Linux
} else if cfg!(target_os = "macos") {
    System::MacOs
} else if cfg!(windows) {
    System::Windows
} else {
    System::Other
};

impl System {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::MacOs => "macOS",
            Self::Windows => "Windows",
            Self::Other => "this system",
        }
    }
}

/// The host name, as the system has it: not looked up, not made longer. `None` when there is none or it is not UTF-8.
///
/// Linux and macOS: `gethostname`. Windows: the DNS host name of this computer.
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The IPv4 address that others see: that of the default route's interface; without a default route, the first by interface
/// name that is neither loopback nor link-local; then a link-local one. Sends nothing. Same on every system.
pub fn ipv4_address() -> Option<Ipv4Addr> {
    routed_address().or_else(|| {
        let networks = sysinfo::Networks::new_with_refreshed_list();
        let all =
            networks.iter().flat_map(|(name, data)| data.ip_networks().iter().map(move |n| (name.as_str(), n.addr)));
        pick_address(all)
    })
}

/// Connecting a UDP socket only chooses the route. The address is one reserved for documentation (RFC 5737), never ours.
fn routed_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => Some(ip),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn pick_address<'a>(all: impl Iterator<Item = (&'a str, IpAddr)>) -> Option<Ipv4Addr> {
    all.filter_map(|(interface, ip)| match ip {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => Some((ip.is_link_local(), interface, ip)),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    })
    .min()
    .map(|(_, _, ip)| ip)
}

/// The EC2 instance id that the firmware shows, without asking the metadata service.
///
/// Linux: the asset tag of the board, which Nitro instances set. `None` on Xen instances, macOS and Windows, and outside EC2.
pub fn ec2_instance_id() -> Option<String> {
    instance_id(&fs::read_to_string("/sys/devices/virtual/dmi/id/board_asset_tag").ok()?)
}

/// Whether the firmware says that this is an EC2 instance, so that there is instance metadata to ask.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html>
///
/// Linux and Windows: the vendor of the system in SMBIOS, which Nitro instances set; Linux on Xen: the hypervisor's UUID. A Mac of
/// EC2 does not say it.
pub fn is_ec2() -> bool {
    let nitro = || sysinfo::Product::vendor_name().is_some_and(|vendor| vendor.trim() == "Amazon EC2");
    let xen = || fs::read_to_string("/sys/hypervisor/uuid").is_ok_and(|uuid| uuid.starts_with("ec2"));
    nitro() || xen()
}

/// What tells this machine from one that was made of a copy of its disk: the instance id of the firmware, else host name and
/// address, which EC2 gives to each instance anew.
pub fn fingerprint() -> String {
    ec2_instance_id().unwrap_or_else(|| {
        let address = ipv4_address().map(|address| address.to_string());
        [host_name(), address].map(Option::unwrap_or_default).join(" ")
    })
}

/// `i-` and 8 or 17 hexadecimal digits: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>.
fn instance_id(tag: &str) -> Option<String> {
    let tag = tag.trim();
    let digits = tag.strip_prefix("i-")?;
    let well_formed = matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed.then(|| tag.to_owned())
}

/// The id of the running boot, 32 hexadecimal digits, as the journal writes it.
///
/// Linux: `/proc/sys/kernel/random/boot_id` (`random(4)`). `None` elsewhere: only Linux has a journal.
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().replace('-', ""))
}

/// Where a daemon that names no folder keeps its state: in the first of these that it may write to. That of the installed daemon,
/// and this user's own. Only says where; nothing is looked at.
pub fn state_folders() -> [PathBuf; 2] {
    // Where even the home is not known there is only the working folder left, where somebody will see it.
    let own = user_state_folder().unwrap_or_else(|| format!("{OWN_FOLDER}-state").into());
    [installed::state(), own]
}

/// Where the CloudWatch Agent keeps how far it came in each log; it may not be there.
///
/// Linux and macOS: below `/opt/aws`. Windows: below `%ProgramData%`.
pub fn agent_state_folder() -> PathBuf {
    if cfg!(windows) {
        agent_settings_folder().join("Logs").join("state")
    } else {
        PathBuf::from("/opt/aws/amazon-cloudwatch-agent/logs/state")
    }
}

/// Where the CloudWatch Agent keeps what all of its programs read; it may not be there.
///
/// Linux and macOS: `etc` below `/opt/aws`. Windows: below `%ProgramData%`.
pub fn agent_settings_folder() -> PathBuf {
    if cfg!(windows) {
        let data = std::env::var_os("ProgramData").map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from);
        data.join("Amazon").join("AmazonCloudWatchAgent")
    } else {
        PathBuf::from("/opt/aws/amazon-cloudwatch-agent/etc")
    }
}

/// The home folder of this system's administrator, for a service to which nobody says one.
pub fn administrators_home() -> PathBuf {
    let home = if cfg!(windows) {
        r"C:\Users\Administrator"
    } else if cfg!(target_os = "macos") {
        "/var/root"
    } else {
        "/root"
    };
    PathBuf::from(home)
}

/// This user's own state folder; it may not exist yet.
///
/// Linux: `$XDG_STATE_HOME`, else `~/.local/state` (XDG base directory specification). macOS: `~/Library/Application Support`.
/// Windows: `%LOCALAPPDATA%`.
fn user_state_folder() -> Option<PathBuf> {
    let system = if cfg!(windows) {
        Family::Windows
    } else if cfg!(target_os = "macos") {
        Family::Mac
    } else {
        Family::Xdg
    };
    state_folder_of(system, |name| std::env::var_os(name))
}

#[derive(Clone, Copy)]
enum Family {
    Xdg,
    Mac,
    Windows,
}

fn state_folder_of(family: Family, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path here would depend on where we were started; the XDG specification says to ignore one.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = match family {
        Family::Xdg => folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state"))),
        Family::Mac => folder("HOME").map(|home| home.join("Library/Application Support")),
        Family::Windows => folder("LOCALAPPDATA"),
    }?;
    Some(base.join(OWN_FOLDER))
}

/// Whether files can be made in this folder, or the folder in the nearest one above it that exists. For a moment there is an empty
/// folder in it, and then everything is as before. Asking is the only answer that holds on every system, with access lists,
/// read-only mounts and full disks.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let exists = |folder: &&Path| fs::symlink_metadata(folder).is_ok();
    // A relative path ends above itself with the empty one, which means the working folder.
    let nearest = folder.ancestors().find(exists).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".writable-").tempdir_in(nearest)?.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_instance_id_is_taken_from_the_firmware() {
        assert_eq!(instance_id("i-0123456789abcdef0\n").as_deref(), Some("i-0123456789abcdef0"));
        assert_eq!(instance_id("i-1234abcd").as_deref(), Some("i-1234abcd"));
        for other in ["", "Not Specified", "i-", "i-xyz", "i-123456789", "7CG1234"] {
            assert_eq!(instance_id(other), None, "{other:?}");
        }
    }

    #[test]
    fn loopback_is_no_address_and_link_local_the_last_choice() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("literal");
        let all = [
            ("eth1", "10.0.0.9"),
            ("lo", "127.0.0.1"),
            ("a0", "169.254.1.1"),
            ("eth0", "10.0.0.5"),
            ("eth0", "fe80::1"),
        ];
        let pick =
            |keep: &dyn Fn(&str) -> bool| pick_address(all.iter().filter(|(n, _)| keep(n)).map(|(n, a)| (*n, ip(a))));
        assert_eq!(pick(&|_| true), Some(Ipv4Addr::new(10, 0, 0, 5)));
        assert_eq!(pick(&|n| n == "lo" || n == "a0"), Some(Ipv4Addr::new(169, 254, 1, 1)));
        assert_eq!(pick(&|n| n == "lo"), None);
    }

    #[test]
    fn each_family_keeps_state_where_its_users_expect_it() {
        let absolute = if cfg!(windows) { r"C:\home" } else { "/home/ann" };
        let home = |name: &str| (name == "HOME" || name == "LOCALAPPDATA").then(|| OsString::from(absolute));
        let under = |parts: &str| Some(Path::new(absolute).join(parts).join(OWN_FOLDER));
        assert_eq!(state_folder_of(Family::Xdg, home), under(".local/state"));
        assert_eq!(state_folder_of(Family::Mac, home), under("Library/Application Support"));
        assert_eq!(state_folder_of(Family::Windows, home), under(""));
        assert_eq!(state_folder_of(Family::Xdg, |_| Some("relative".into())), None);
        assert_eq!(state_folder_of(Family::Xdg, |n| (n == "XDG_STATE_HOME").then(|| absolute.into())), under(""));
    }

    #[test]
    fn a_folder_is_writable_when_a_file_can_be_made_in_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        check_writable(&folder.path().join("a/b")).expect("it could be made");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "asking makes nothing");
        fs::write(folder.path().join("file"), "").expect("written");
        assert!(check_writable(&folder.path().join("file")).is_err());
        assert!(check_writable(&folder.path().join("file/inner")).is_err());
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(host_name().is_some_and(|n| !n.is_empty()));
    }
}
