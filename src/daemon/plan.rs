//! What a configuration comes to on this machine now: its names, its log targets, its folders.
//!
//! What the names lack is found out while it runs ([`super::names`]); only who waits for it waits. Everything else here can fail (a
//! command, a trust store), and nothing here touches the state of
//! a daemon: so a new configuration is planned while the old one still runs, and one that fails changes nothing. What can be known of
//! the names without running the machine's command, [`unfit_names`] knows for `validate` too.
use super::{DaemonError, Home, Identity, Options, Override, identity::on_ec2};
use crate::{
    aws,
    config::{
        Settings,
        placeholder::{self, Piece},
        settings::{
            Destination, Emf, FileItem, Journal, JournaldItem, Serial, TargetTemplate, UnifiedItem, WindowsItem,
        },
    },
    logs::files,
    model::{Entity, LogName, NameFault, Target},
};
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

/// A configuration with everything that is found out before the start.
pub struct Plan {
    pub settings: Settings,
    pub identity: Identity,
    pub home: Home,
    /// Where each of [`sources`] goes.
    places: Vec<Place>,
    /// The retention that was named first for each group.
    retention: HashMap<String, u16>,
}

/// Where one source goes.
enum Place {
    Known(Arc<Target>),
    /// For the values of these placeholders.
    Waits(BTreeSet<&'static str>),
    /// Now that all values are known, the service would refuse it.
    Unfit(UnfitName),
}

/// The sources that can be started, each with its target.
#[derive(Debug, Default)]
pub struct Targets<'a> {
    pub journal: Option<(&'a Journal, Arc<Target>)>,
    pub journald: Vec<(&'a JournaldItem, Arc<Target>)>,
    pub windows_events: Vec<(&'a WindowsItem, Arc<Target>)>,
    pub unified_log: Vec<(&'a UnifiedItem, Arc<Target>)>,
    pub files: Vec<(&'a FileItem, Arc<Target>)>,
    /// The target is that of documents that do not say theirs.
    pub emf: Option<(&'a Emf, Arc<Target>)>,
}

/// Which targets have just become known.
#[derive(Debug, Default)]
pub struct News(HashSet<usize>);

/// A source that waits for its names.
#[derive(Debug, Eq, PartialEq)]
pub struct Waiting<'a> {
    /// Its number among all.
    pub place: usize,
    /// Its JSON path.
    pub at: &'a str,
    pub template: &'a TargetTemplate,
    /// Why, for people.
    pub why: String,
}

impl Plan {
    /// Names the machine, fills the placeholders in as far as their values are known, and tries whether the way to AWS can be set up.
    /// Asks nothing of the network.
    ///
    /// # Errors
    /// When the daemon could not start with these settings now.
    pub async fn make(settings: Settings, options: &Options) -> Result<Self, DaemonError> {
        let home = Home::of(&settings, &options.destination);
        let asks_aws = home.store.is_none() && !matches!(options.destination, Override::DryRun(..));
        let identity = Identity::find(&settings.agent.instance, asks_aws && on_ec2()).await?;
        let identity = if asks_aws { identity } else { identity.in_local() };
        if asks_aws {
            aws::connect(&settings, &identity.instance_id, Arc::default())?;
        }
        let places = sources(&settings).map(|_| Place::Waits(BTreeSet::new())).collect();
        let mut plan = Self { settings, identity, home, places, retention: HashMap::new() };
        plan.fill();
        let unfit = plan.places.iter().find_map(|place| if let Place::Unfit(name) = place { Some(name) } else { None });
        match unfit.cloned() {
            Some(unfit) => Err(unfit.into()),
            None => Ok(plan),
        }
    }

    /// All targets that are known.
    pub fn targets(&self) -> Targets<'_> {
        self.pick(|_| true)
    }

    /// Those that have become known.
    pub fn new_targets(&self, news: &News) -> Targets<'_> {
        self.pick(|place| news.0.contains(&place))
    }

    /// Fill in what has become known.
    pub fn learn(&mut self, identity: &Identity) -> News {
        self.identity = identity.clone();
        self.fill()
    }

    /// Who waits for what.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        let all = sources(&self.settings).zip(&self.places).enumerate();
        all.filter_map(|(place, (source, state))| {
            let why = match state {
                Place::Known(_) => return None,
                Place::Waits(missing) => {
                    let missing: Vec<_> = missing.iter().map(|name| format!("{{{name}}}")).collect();
                    format!("waits for the value of {}", missing.join(", "))
                }
                Place::Unfit(name) => format!("cannot be sent: {name}"),
            };
            Some(Waiting { place, at: source.at(), template: source.template(), why })
        })
    }

    /// The items of `settings.logs.files` that wait, with their targets as far as those are the same in every run.
    pub fn awaited_files(&self) -> Vec<files::Awaited> {
        let items = &self.settings.logs.files;
        let places = &self.places[self.places.len() - items.len()..];
        let open = |template: &str| {
            let filled = placeholder::fill(template, |_| Some(files::Awaited::UNKNOWN.to_string()));
            filled.unwrap_or_else(|_| template.to_owned())
        };
        let awaited = items.iter().zip(places).filter(|(_, place)| matches!(place, Place::Waits(_)));
        let awaited = awaited.map(|(item, _)| files::Awaited {
            path: item.path.clone(),
            selection: item.selection.clone(),
            target: Target { group: open(&item.target.group), stream: open(&item.target.stream), ..Target::default() },
        });
        awaited.collect()
    }

    /// The placeholders that somebody waits for.
    pub fn missing(&self) -> BTreeSet<&'static str> {
        let waits =
            self.places.iter().filter_map(|place| if let Place::Waits(names) = place { Some(names) } else { None });
        waits.flatten().copied().collect()
    }

    /// Fill in whatever waits.
    fn fill(&mut self) -> News {
        let mut new = vec![];
        for (number, (source, place)) in sources(&self.settings).zip(&mut self.places).enumerate() {
            if !matches!(place, Place::Waits(_)) {
                continue;
            }
            match target(source, &self.identity) {
                Ok(target) => new.push((number, target)),
                Err(Unfilled::Missing(names)) => *place = Place::Waits(names),
                Err(Unfilled::Unfit(name)) => *place = Place::Unfit(name),
            }
        }
        one_retention_each(&mut self.retention, &mut new);
        let known = new.into_iter().map(|(number, target)| {
            self.places[number] = Place::Known(Arc::new(target));
            number
        });
        News(known.collect())
    }

    fn pick(&self, chosen: impl Fn(usize) -> bool) -> Targets<'_> {
        let mut targets = Targets::default();
        for (number, (source, place)) in sources(&self.settings).zip(&self.places).enumerate() {
            let target = match place {
                Place::Known(target) if chosen(number) => target.clone(),
                Place::Known(_) | Place::Waits(_) | Place::Unfit(_) => continue,
            };
            match source {
                Source::Journal(journal) => targets.journal = Some((journal, target)),
                Source::Journald(item) => targets.journald.push((item, target)),
                Source::WindowsEvents(item) => targets.windows_events.push((item, target)),
                Source::UnifiedLog(item) => targets.unified_log.push((item, target)),
                Source::Emf(emf) => targets.emf = Some((emf, target)),
                Source::File(item) => targets.files.push((item, target)),
            }
        }
        targets
    }
}

/// A name that CloudWatch Logs would refuse, and the JSON path of what goes there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: the name of the log {what} {fault}")]
pub struct UnfitName {
    pub at: String,
    pub what: LogName,
    pub fault: NameFault,
}

/// The names that do not fit whatever this machine's command prints, each once. What is not known yet counts as short.
pub fn unfit_names(settings: &Settings) -> Vec<UnfitName> {
    let mut identity = Identity::before_its_command(&settings.agent.instance);
    for unknown in placeholder::KNOWN {
        if identity.value(unknown).is_none() {
            identity.learn(unknown, "0".to_owned());
        }
    }
    let targets = sources(settings).map(|source| target(source, &identity));
    let mut seen = HashSet::new();
    let unfit = targets.filter_map(|target| match target {
        Err(Unfilled::Unfit(unfit)) => Some(unfit),
        Ok(_) | Err(Unfilled::Missing(_)) => None,
    });
    unfit.filter(|UnfitName { what, fault, .. }| seen.insert((*what, fault.clone()))).collect()
}

/// The placeholders that these settings use, and what is known of their values without asking anybody.
pub fn names_in_use(settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    let identity = Identity::before_its_command(&settings.agent.instance);
    let identity = if settings.agent.destination == Destination::Local { identity.in_local() } else { identity };
    // What the command prints only it knows.
    let runs_a_command = matches!(settings.agent.instance.serial, Serial::Command(_));
    let value = |name: &str| identity.value(name).filter(|_| !(runs_a_command && name == "instance_id"));
    let names = |text: &str| {
        let known = |piece| match piece {
            Piece::Placeholder(name) => placeholder::KNOWN.into_iter().find(|known| *known == name),
            Piece::Literal(_) => None,
        };
        placeholder::pieces(text).into_iter().filter_map(known).collect::<Vec<_>>()
    };
    let used: BTreeSet<_> =
        sources(settings).map(Source::template).flat_map(|t| [names(&t.group), names(&t.stream)].concat()).collect();
    used.into_iter().map(|name| (name, value(name))).collect()
}

/// What logs come from, as it is configured.
#[derive(Clone, Copy)]
enum Source<'a> {
    Journal(&'a Journal),
    Journald(&'a JournaldItem),
    WindowsEvents(&'a WindowsItem),
    UnifiedLog(&'a UnifiedItem),
    Emf(&'a Emf),
    File(&'a FileItem),
}

impl<'a> Source<'a> {
    /// Where it goes.
    fn template(self) -> &'a TargetTemplate {
        match self {
            Self::Journal(journal) => &journal.target,
            Self::Journald(item) => &item.target,
            Self::WindowsEvents(item) => &item.target,
            Self::UnifiedLog(item) => &item.target,
            Self::Emf(emf) => &emf.target,
            Self::File(item) => &item.target,
        }
    }

    /// Its JSON path.
    fn at(self) -> &'a str {
        match self {
            Self::Journal(journal) => &journal.at,
            Self::Journald(item) => &item.at,
            Self::WindowsEvents(item) => &item.at,
            Self::UnifiedLog(item) => &item.at,
            Self::Emf(emf) => &emf.at,
            Self::File(item) => &item.at,
        }
    }
}

/// All sources: the journal first, then the system's other logs, then the files. Of two retentions of a group the first one counts.
fn sources(settings: &Settings) -> impl Iterator<Item = Source<'_>> {
    let logs = &settings.logs;
    let journal = logs.journal.iter().map(Source::Journal).chain(logs.journald.iter().map(Source::Journald));
    let windows_events = logs.windows_events.iter().map(Source::WindowsEvents);
    let systems = journal.chain(windows_events).chain(logs.unified_log.iter().map(Source::UnifiedLog));
    systems.chain(logs.emf.iter().map(Source::Emf)).chain(logs.files.iter().map(Source::File))
}

/// Why a template has no target.
enum Unfilled {
    Missing(BTreeSet<&'static str>),
    Unfit(UnfitName),
}

/// Fill the placeholders in.
fn target(source: Source<'_>, identity: &Identity) -> Result<Target, Unfilled> {
    let (template, at) = (source.template(), source.at());
    let fill = |text: &str, fit: fn(&str) -> Cow<'_, str>| {
        // `{unit}` is another one with each event, so it stays as it is.
        let value = |name: &str| identity.value(name).map(|value| fit(&value).into_owned());
        placeholder::fill(text, value)
    };
    let group = fill(&template.group, placeholder::group_value);
    let stream = fill(&template.stream, placeholder::stream_value);
    let (group, stream) = match (group, stream) {
        (Ok(group), Ok(stream)) => (group, stream),
        (group, stream) => {
            let missing = [group.err(), stream.err()].into_iter().flatten().flatten().collect();
            return Err(Unfilled::Missing(missing));
        }
    };
    for (what, name) in [(LogName::Group, &group), (LogName::Stream, &stream)] {
        what.check(name).map_err(|fault| Unfilled::Unfit(UnfitName { at: at.to_owned(), what, fault }))?;
    }
    let with_account = |entity: &Arc<Entity>| {
        Arc::new(Entity { account_id: identity.value(placeholder::ACCOUNT), ..(**entity).clone() })
    };
    Ok(Target {
        group,
        stream,
        retention_in_days: template.retention_in_days,
        class: template.class,
        entity: template.entity.as_ref().map(with_account),
        emf: false,
    })
}

/// A group has one retention, for all that goes there. The file was checked for it, but two templates may come to the same
/// group only now: then the first one counts.
fn one_retention_each(named: &mut HashMap<String, u16>, targets: &mut [(usize, Target)]) {
    for (_, target) in targets.iter() {
        let Some(days) = target.retention_in_days else { continue };
        match named.entry(target.group.clone()) {
            Entry::Vacant(place) => _ = place.insert(days),
            Entry::Occupied(first) if *first.get() != days => {
                let (group, kept) = (&target.group, first.get());
                tracing::warn!(
                    group,
                    days = kept,
                    ignored = days,
                    "two retentions for one log group: the first one counts"
                );
            }
            Entry::Occupied(_) => {}
        }
    }
    for (_, target) in targets {
        target.retention_in_days = named.get(&target.group).copied();
    }
}

#[cfg(test)]
mod tests;
