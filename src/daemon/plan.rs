//! What a configuration comes to on this machine now: its names, its log targets, its folders.
//!
//! Everything here can fail (a command, an address that is not there yet, a trust store), and nothing here touches the state of
//! a daemon: so a new configuration is planned while the old one still runs, and one that fails changes nothing. What can be known of
//! the names without running the machine's command, [`unfit_names`] knows for `validate` too.
use super::{DaemonError, Home, Identity, Options, Override};
use crate::{
    aws,
    config::{
        Settings, placeholder,
        settings::{Emf, Journal, TargetTemplate},
    },
    logs::emf::Fallback,
    model::{
        Target,
        limits::{LOG_NAME, fits_group, fits_stream},
    },
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

/// A configuration with everything that is found out before the start.
pub struct Plan {
    pub settings: Settings,
    pub identity: Identity,
    pub home: Home,
    /// Where each of `settings.logs.files` goes, in the same order.
    pub files: Vec<Arc<Target>>,
    /// Where `settings.logs.journal` goes.
    pub journal: Option<Arc<Target>>,
    /// Where documents of `settings.logs.emf` go that do not say it.
    pub emf: Option<Fallback>,
}

impl Plan {
    /// Names the machine, fills the placeholders in, and tries whether the way to AWS can be set up. Asks nothing of the network.
    ///
    /// # Errors
    /// When the daemon could not start with these settings now.
    pub async fn make(settings: Settings, options: &Options) -> Result<Self, DaemonError> {
        let home = Home::of(&settings, &options.destination);
        let identity = Identity::find(&settings.agent.instance).await?;
        if home.store.is_none() && !matches!(options.destination, Override::DryRun(..)) {
            aws::connect(&settings, &identity.instance_id, Arc::default())?;
        }
        let filled = templates(&settings).map(|(template, at)| target(template, at, &identity));
        let mut targets = filled.collect::<Result<Vec<_>, _>>()?;
        one_retention_each(&mut targets);
        let mut targets = targets.into_iter().map(Arc::new);
        let journal = settings.logs.journal.as_ref().and_then(|_| targets.next());
        let files = targets.collect();
        let emf = settings.logs.emf.as_ref().map(|emf| fallback(emf, &identity)).transpose()?;
        Ok(Self { settings, identity, home, files, journal, emf })
    }
}

/// A name that CloudWatch Logs would refuse, and the JSON path of what goes there.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
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

/// The names that do not fit whatever this machine's command prints, each once. An address that is not there yet counts as short.
pub fn unfit_names(settings: &Settings) -> Vec<UnfitName> {
    let mut identity = Identity::before_its_command(&settings.agent.instance);
    identity.ip_address.get_or_insert_with(|| "0.0.0.0".to_owned());
    let targets = templates(settings).map(|(template, at)| target(template, at, &identity));
    let mut seen = HashSet::new();
    let unfit = targets.filter_map(|target| match target {
        Err(DaemonError::Name(unfit)) => Some(unfit),
        Ok(_) | Err(_) => None,
    });
    unfit.filter(|UnfitName { what, fault, .. }| seen.insert((*what, fault.clone()))).collect()
}

/// Where everything goes, and the JSON path that says so: the journal first, then the files in their order.
fn templates(settings: &Settings) -> impl Iterator<Item = (&TargetTemplate, &str)> {
    let journal = settings.logs.journal.iter().map(|Journal { at, target, .. }| (target, at.as_str()));
    journal.chain(settings.logs.files.iter().map(|item| (&item.target, item.at.as_str())))
}

/// Fill the placeholders in.
fn target(template: &TargetTemplate, at: &str, identity: &Identity) -> Result<Target, DaemonError> {
    let fill = |text: &str, fit: fn(&str) -> Cow<'_, str>| {
        let value = |name: &str| identity.value(name).map(|value| fit(&value).into_owned());
        placeholder::fill(text, value).map_err(|unfilled| DaemonError::Placeholder {
            at: at.to_owned(),
            name: unfilled.name,
            template: text.to_owned(),
        })
    };
    let group = fill(&template.group, placeholder::group_value)?;
    let stream = fill(&template.stream, placeholder::stream_value)?;
    fits("group", &group, at, fits_group)?;
    fits("stream", &stream, at, fits_stream)?;
    Ok(Target { group, stream, retention_in_days: template.retention_in_days })
}

/// Where documents go that name no group or no stream.
fn fallback(emf: &Emf, identity: &Identity) -> Result<Fallback, DaemonError> {
    // Without a group there is only a stream to fill in.
    let (group, stream) = (emf.group.clone().unwrap_or_else(|| "-".to_owned()), emf.stream.clone());
    let Target { group, stream, .. } =
        target(&TargetTemplate { group, stream, retention_in_days: None }, &emf.at, identity)?;
    Ok(Fallback { group: emf.group.is_some().then_some(group), stream })
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
fn one_retention_each(targets: &mut [Target]) {
    let mut named: HashMap<String, u16> = HashMap::new();
    for target in targets.iter() {
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
    for target in targets {
        target.retention_in_days = named.get(&target.group).copied();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn plan(text: &str) -> Result<Plan, DaemonError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let options = Options { destination: Override::Local(Some("/d".into())), once: false };
        Plan::make(crate::config::load(file.path()).settings.expect("valid"), &options).await
    }

    #[tokio::test]
    async fn groups_that_are_one_only_when_they_are_filled_in_get_one_retention_the_journal_included() {
        let text = r#"{
            "agent": { "instance": { "prefix": "sys", "serial": "1" } },
            "logs": {
                "log_group_name": "/a/{instance_id}",
                "logs_collected": {
                    "journal": true,
                    "files": { "collect_list": [
                        { "file_path": "/x", "log_group_name": "/a/sys-1", "retention_in_days": 7 },
                        { "file_path": "/y", "log_group_name": "/a/{instance_id}", "retention_in_days": 30 },
                        { "file_path": "/z", "log_group_name": "/b" } ] } } } }"#;
        let plan = plan(text).await.expect("a plan");
        let days = |target: &Arc<Target>| (target.group.clone(), target.retention_in_days);
        // The file's own check is by template: there the journal and `/y` are one group.
        assert_eq!(plan.journal.as_ref().map(days), Some(("/a/sys-1".into(), Some(30))));
        let files: Vec<_> = plan.files.iter().map(days).collect();
        assert_eq!(files, [("/a/sys-1".into(), Some(30)), ("/a/sys-1".into(), Some(30)), ("/b".into(), None)]);
    }

    #[tokio::test]
    async fn a_name_that_the_service_would_refuse_is_an_error_before_the_first_call() {
        let with = |instance: &str, group: &str| {
            format!(
                r#"{{ "agent": {{ "instance": {instance} }},
                     "logs": {{ "log_group_name": "{group}", "logs_collected": {{ "journal": true }} }} }}"#
            )
        };
        let long = format!("{}{{instance_id}}", "x".repeat(490));
        let fixed = with(r#"{ "prefix": "sys", "serial": "0123456789abcdef0123" }"#, &long);
        let command = with(r#"{ "prefix": "sys", "command": "echo 0123456789abcdef0123" }"#, &long);
        for text in [&fixed, &command] {
            let error = plan(text).await.err().expect("514 characters");
            assert!(error.is_configuration(), "{error}");
            assert!(
                error.to_string().starts_with("logs.logs_collected.journal: the name of the log group has 514"),
                "{error}"
            );
        }
        assert!(plan(&with(r#"{ "prefix": "sys", "serial": "1" }"#, &long)).await.is_ok(), "495 characters");
        let early = |text: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), text).expect("written");
            unfit_names(&crate::config::load(file.path()).settings.expect("valid"))
        };
        assert_eq!(early(&fixed).len(), 1);
        assert_eq!(early(&command), [], "only the command knows");
        let nameless = r#"{ "logs": { "log_stream_name": "s", "logs_collected": { "files": { "collect_list": [
            { "file_path": ".log" }, { "file_path": ".txt", "log_stream_name": "t" } ] } } } }"#;
        let at = "logs.logs_collected.files.collect_list[0]".to_owned();
        assert_eq!(early(nameless), [UnfitName { at, what: "group", fault: NameFault::Empty }], "said once");
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_an_error_before_anything_is_started() {
        let command = r#"{ "agent": { "instance": { "prefix": "sys", "command": "exit 3" } } }"#;
        assert!(matches!(plan(command).await, Err(DaemonError::Identity(_))));
    }
}
