//! Which devices a plugin reads: names, or patterns as a shell has them.
use crate::config::glob::Glob;
use std::path::Path;

/// The devices of `resources`.
#[derive(Debug)]
pub(super) struct Names(Option<Vec<(String, Name)>>);

#[derive(Debug)]
enum Name {
    Pattern(Glob),
    /// What is no pattern after all (`eth[0`) is a name.
    Exact(String),
}

impl Name {
    fn fits(&self, device: &str) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(Path::new(device)),
            Self::Exact(name) => name == device,
        }
    }
}

impl Names {
    /// Of a list. `None` and an empty one name nothing in particular.
    pub(super) fn of(list: Option<&[String]>) -> Self {
        let name =
            |text: &String| (text.clone(), Glob::parse(text).map_or_else(|_| Name::Exact(text.clone()), Name::Pattern));
        Self(list.filter(|list| !list.is_empty()).map(|list| list.iter().map(name).collect()))
    }

    /// Whether there is no list, so that the usual devices are meant.
    pub(super) fn usual(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a device of this name is meant. Without a list every one is.
    pub(super) fn has(&self, device: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|(_, name)| name.fits(device)))
    }

    /// Each name as it is written, and whether one of these devices is meant by it.
    pub(super) fn found(&self, devices: &[&str]) -> impl Iterator<Item = (&str, bool)> {
        let names = self.0.iter().flatten();
        names.map(|(text, name)| (text.as_str(), devices.iter().any(|device| name.fits(device))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        Names::of(Some(&list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()))
    }

    #[test]
    fn names_and_shell_patterns_choose() {
        let chosen = names(&["nvme*n1", "sd[ab]", "eth?", "{xvda,xvdb}", "odd["]);
        for device in ["nvme0n1", "sda", "eth0", "xvdb", "odd["] {
            assert!(chosen.has(device), "{device}");
        }
        for device in ["nvme0n1p1", "sdc", "eth10", "xvdc", "odd", ""] {
            assert!(!chosen.has(device), "{device}");
        }
    }

    #[test]
    fn each_name_is_told_whether_it_means_anything() {
        let chosen = names(&["eth*", "wlan0"]);
        assert_eq!(chosen.found(&["lo", "eth1"]).collect::<Vec<_>>(), [("eth*", true), ("wlan0", false)]);
        assert_eq!(Names::of(None).found(&["lo"]).count(), 0);
    }

    #[test]
    fn without_a_list_every_device_is_meant() {
        for none in [Names::of(None), names(&[])] {
            assert!(none.usual() && none.has("any"));
        }
        assert!(!names(&["eth0"]).usual());
    }
}
