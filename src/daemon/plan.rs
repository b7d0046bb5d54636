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
        settings::{Destination, Serial, TargetTemplate},
    },
    logs::files,
    model::{
        Entity, Target,
        limits::{LOG_NAME, fits_group, fits_stream},
    },
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
    /// Where everything goes, in the order of [`templates`].
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

/// The targets of the sources that can be started. `None`: not now.
#[derive(Debug, Default)]
pub struct Targets {
    /// Of `settings.logs.journal`.
    pub journal: Option<Arc<Target>>,
    /// Of each of `settings.logs.journald`, in the same order; `windows_events`, `unified_log` and `files` likewise.
    pub journald: Vec<Option<Arc<Target>>>,
    pub windows_events: Vec<Option<Arc<Target>>>,
    pub unified_log: Vec<Option<Arc<Target>>>,
    pub files: Vec<Option<Arc<Target>>>,
    /// Of documents of `settings.logs.emf` that do not say it.
    pub emf: Option<Arc<Target>>,
}

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
        let places = templates(&settings).map(|_| Place::Waits(BTreeSet::new())).collect();
        let mut plan = Self { settings, identity, home, places, retention: HashMap::new() };
        plan.fill();
        let unfit = plan.places.iter().find_map(|place| if let Place::Unfit(name) = place { Some(name) } else { None });
        match unfit.cloned() {
            Some(unfit) => Err(unfit.into()),
            None => Ok(plan),
        }
    }

    /// All targets that are known.
    pub fn targets(&self) -> Targets {
        self.pick(|_| true)
    }

    /// Fill in what has become known. The targets that are known only now.
    pub fn learn(&mut self, identity: &Identity) -> Targets {
        self.identity = identity.clone();
        let new = self.fill();
        self.pick(|place| new.contains(&place))
    }

    /// Who waits for what.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        let all = templates(&self.settings).zip(&self.places).enumerate();
        all.filter_map(|(place, ((template, at), state))| {
            let why = match state {
                Place::Known(_) => return None,
                Place::Waits(missing) => {
                    let missing: Vec<_> = missing.iter().map(|name| format!("{{{name}}}")).collect();
                    format!("waits for the value of {}", missing.join(", "))
                }
                Place::Unfit(name) => format!("cannot be sent: {name}"),
            };
            Some(Waiting { place, at, template, why })
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

    /// Fill in whatever waits. The places that are known only now.
    fn fill(&mut self) -> HashSet<usize> {
        let mut new = vec![];
        for (place, (template, at)) in templates(&self.settings).enumerate() {
            if !matches!(self.places[place], Place::Waits(_)) {
                continue;
            }
            match target(template, at, &self.identity) {
                Ok(target) => new.push((place, target)),
                Err(Unfilled::Missing(names)) => self.places[place] = Place::Waits(names),
                Err(Unfilled::Unfit(name)) => self.places[place] = Place::Unfit(name),
            }
        }
        one_retention_each(&mut self.retention, &mut new);
        new.into_iter()
            .map(|(place, target)| {
                self.places[place] = Place::Known(Arc::new(target));
                place
            })
            .collect()
    }

    fn pick(&self, chosen: impl Fn(usize) -> bool) -> Targets {
        let mut all = self.places.iter().enumerate().map(|(number, place)| match place {
            Place::Known(target) if chosen(number) => Some(target.clone()),
            Place::Known(_) | Place::Waits(_) | Place::Unfit(_) => None,
        });
        let logs = &self.settings.logs;
        Targets {
            journal: logs.journal.as_ref().and_then(|_| all.next()).flatten(),
            journald: all.by_ref().take(logs.journald.len()).collect(),
            windows_events: all.by_ref().take(logs.windows_events.len()).collect(),
            unified_log: all.by_ref().take(logs.unified_log.len()).collect(),
            emf: logs.emf.as_ref().and_then(|_| all.next()).flatten(),
            files: all.collect(),
        }
    }
}

/// A name that CloudWatch Logs would refuse, and the JSON path of what goes there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: the name of the log {what} {fault}")]
pub struct UnfitName {
    pub at: String,
    /// `group` or `stream`.
    pub what: &'static str,
    pub fault: NameFault,
}

/// Why it would.
#[derive(Clone, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum NameFault {
    #[error(
        "has {length} characters once its placeholders are filled in, and at most {LOG_NAME} are allowed: shorten it, or what \
         goes into it ({})", brief(.name)
    )]
    TooLong { length: usize, name: String },
    #[error("would be empty: name one")]
    Empty,
    #[error("cannot hold `{}`: {}", .found.escape_debug(), brief(.name))]
    Character { found: char, name: String },
}

/// The beginning of a name that may be of any length.
fn brief(name: &str) -> String {
    const SHOWN: usize = 60;
    name.char_indices().nth(SHOWN).map_or_else(|| name.to_owned(), |(end, _)| format!("{}...", &name[..end]))
}

/// The names that do not fit whatever this machine's command prints, each once. What is not known yet counts as short.
pub fn unfit_names(settings: &Settings) -> Vec<UnfitName> {
    let mut identity = Identity::before_its_command(&settings.agent.instance);
    for unknown in placeholder::KNOWN {
        if identity.value(unknown).is_none() {
            identity.learn(unknown, "0".to_owned());
        }
    }
    let targets = templates(settings).map(|(template, at)| target(template, at, &identity));
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
        templates(settings).flat_map(|(t, _)| [names(&t.group), names(&t.stream)].concat()).collect();
    used.into_iter().map(|name| (name, value(name))).collect()
}

/// Where everything goes, and the JSON path that says so: the journal first, then the system's other logs, then the files.
fn templates(settings: &Settings) -> impl Iterator<Item = (&TargetTemplate, &str)> {
    let logs = &settings.logs;
    let journal = logs.journal.iter().map(|item| (&item.target, item.at.as_str()));
    let journald = logs.journald.iter().map(|item| (&item.target, item.at.as_str()));
    let windows_events = logs.windows_events.iter().map(|item| (&item.target, item.at.as_str()));
    let unified_log = logs.unified_log.iter().map(|item| (&item.target, item.at.as_str()));
    let emf = logs.emf.iter().map(|emf| (&emf.target, emf.at.as_str()));
    let systems = journal.chain(journald).chain(windows_events).chain(unified_log).chain(emf);
    systems.chain(logs.files.iter().map(|item| (&item.target, item.at.as_str())))
}

/// Why a template has no target.
enum Unfilled {
    Missing(BTreeSet<&'static str>),
    Unfit(UnfitName),
}

/// Fill the placeholders in.
fn target(template: &TargetTemplate, at: &str, identity: &Identity) -> Result<Target, Unfilled> {
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
    fits("group", &group, at, fits_group).map_err(Unfilled::Unfit)?;
    fits("stream", &stream, at, fits_stream).map_err(Unfilled::Unfit)?;
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

/// What the service would say at the first call, and again at each.
fn fits(what: &'static str, name: &str, at: &str, fits: fn(char) -> bool) -> Result<(), UnfitName> {
    let length = name.chars().count();
    let fault = if length == 0 {
        NameFault::Empty
    } else if length > LOG_NAME {
        NameFault::TooLong { length, name: name.to_owned() }
    } else if let Some(found) = name.chars().find(|c| !fits(*c)) {
        NameFault::Character { found, name: name.to_owned() }
    } else {
        return Ok(());
    };
    Err(UnfitName { at: at.to_owned(), what, fault })
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
