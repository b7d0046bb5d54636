//! `ethtool`: everything that the drivers of network interfaces count, under the drivers' own names and as it stands; and whether an
//! interface is up. Linux only. Loopback is not asked.
use super::{CollectError, Collector, Entry, Readings, presence::Chosen};
use crate::{
    config::{
        glob::Glob,
        settings::metrics::{Options, Plugin},
    },
    model::limits::fits_metric,
    platform::{
        devices::ethtool::{self, Interface},
        procfs,
    },
};
use std::{
    io,
    path::{Path, PathBuf},
};

pub(super) const ENTRY: Entry = Entry { key: "ethtool", build };

/// The one measurement that is not the driver's.
const UP: &str = "interface_up";

struct Ethtool {
    sys: PathBuf,
    include: Patterns,
    exclude: Patterns,
    named: Chosen,
    /// Of the statistics; empty: all.
    only: Vec<String>,
    /// Opened when it is first needed.
    driver: Option<ethtool::Ethtool>,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let (include, exclude, statistics) = match &plugin.options {
        Options::Ethtool { include, exclude, statistics } => (&include[..], &exclude[..], &statistics[..]),
        _ => (&[][..], &[][..], &[][..]),
    };
    let bare = |name: &String| name.strip_prefix("ethtool_").unwrap_or(name).to_owned();
    Box::new(Ethtool {
        sys: procfs::sys().to_owned(),
        include: Patterns::of(include),
        exclude: Patterns::of(exclude),
        named: Chosen::of(ENTRY.key),
        only: statistics.iter().map(bare).collect(),
        driver: None,
    })
}

/// Names of interfaces, or patterns of them.
struct Patterns(Vec<(String, Option<Glob>)>);

impl Patterns {
    fn of(texts: &[String]) -> Self {
        Self(texts.iter().map(|text| (text.clone(), Glob::parse(text).ok())).collect())
    }

    fn fit(&self, name: &str) -> bool {
        self.0.iter().any(|(text, glob)| fits(text, glob.as_ref(), name))
    }

    /// Each as it is written, and whether it fits one of these names.
    fn found<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, bool)> {
        let any = |text: &str, glob: &Option<Glob>| names.iter().any(|name| fits(text, glob.as_ref(), name));
        self.0.iter().map(move |(text, glob)| (text.as_str(), any(text, glob)))
    }
}

fn fits(text: &str, glob: Option<&Glob>, name: &str) -> bool {
    text == name || glob.is_some_and(|glob| glob.matches(Path::new(name)))
}

impl Ethtool {
    fn wants(&self, interface: &Interface) -> bool {
        !interface.loopback && self.include.fit(&interface.name) && !self.exclude.fit(&interface.name)
    }

    /// One interface. One without a driver has nothing to say, and so has one that went meanwhile.
    fn read(&mut self, interface: &Interface, out: &mut Readings<'_>) -> io::Result<()> {
        let driver = match &mut self.driver {
            Some(driver) => driver,
            none => none.insert(ethtool::Ethtool::open()?),
        };
        let name = match driver.driver(&interface.name) {
            Ok(name) => name,
            Err(error) if is_silent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let only = &self.only;
        let is_wanted = |name: &str| only.is_empty() || only.iter().any(|other| other == name);
        let mut tagged = out.of(&[("interface", &interface.name), ("driver", &name)]);
        if is_wanted(UP) {
            tagged.push(UP, f64::from(u8::from(interface.up)));
        }
        let mut each = |statistic: &str, value: u64| {
            if is_wanted(statistic) && statistic.chars().all(fits_metric) {
                tagged.push(statistic, value as f64);
            }
        };
        match driver.statistics(&interface.name, &mut each) {
            // Their number changes for a moment, while queues are added.
            Err(error) if is_silent(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }
}

fn is_silent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::NotFound)
}

impl Collector for Ethtool {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let mut all = ethtool::interfaces(&self.sys).map_err(CollectError::read("the network interfaces"))?;
        all.retain(|interface| self.wants(interface));
        let names: Vec<&str> = all.iter().map(|interface| interface.name.as_str()).collect();
        self.named.saw(self.include.found(&names));
        let mut failed = None;
        for interface in &all {
            if let Err(error) = self.read(interface, out) {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), |source| Err(CollectError::Read { what: "the statistics of a network driver", source }))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::whole, super::trial::Run, *};
    use crate::config::settings::metrics::Measurements;

    fn wanting(include: &[&str], exclude: &[&str]) -> Ethtool {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Ethtool {
            sys: procfs::sys().to_owned(),
            include: Patterns::of(&owned(include)),
            exclude: Patterns::of(&owned(exclude)),
            named: Chosen::of("ethtool"),
            only: vec![],
            driver: None,
        }
    }

    #[test]
    fn interfaces_are_chosen_by_patterns_and_loopback_never() {
        let interface = |name: &str| Interface { name: name.to_owned(), up: true, loopback: name == "lo" };
        let chosen = |ethtool: &Ethtool| {
            let all = ["eth0", "eth1", "ens5", "lo", "br[0]"].map(interface);
            all.into_iter().filter(|i| ethtool.wants(i)).map(|i| i.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&wanting(&["*"], &[])), ["eth0", "eth1", "ens5", "br[0]"]);
        assert_eq!(chosen(&wanting(&["*"], &["eth*"])), ["ens5", "br[0]"]);
        assert_eq!(chosen(&wanting(&["eth[1-9]", "br[0]"], &[])), ["eth1", "br[0]"]);
        assert_eq!(chosen(&wanting(&[], &[])), [] as [&str; 0]);
    }

    #[test]
    fn the_interfaces_of_this_machine_are_told_with_their_drivers() {
        let plugin = Plugin { measurements: Measurements::Everything { prefix: "ethtool_".into() }, ..whole("net") };
        let told = Run::wanting(&plugin).told(&mut wanting(&["*"], &[]));
        let is_whole = |point: &String| {
            point.starts_with("ethtool_") && point.contains("{interface=") && point.contains(",driver=")
        };
        assert!(told.iter().all(is_whole), "{told:?}");
        let mut none = wanting(&["no-such*", "lo"], &[]);
        assert_eq!(Run::wanting(&plugin).told(&mut none), [""; 0]);
        assert_eq!(none.named.missing(), ["lo", "no-such*"], "loopback is not asked");
        let mut up = Ethtool { only: vec![UP.to_owned()], ..wanting(&["*"], &[]) };
        let told = Run::wanting(&plugin).told(&mut up);
        assert!(told.iter().all(|point| point.starts_with("ethtool_interface_up{")), "{told:?}");
    }
}
