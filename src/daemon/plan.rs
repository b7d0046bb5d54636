//! What a configuration comes to on this machine now: its names, its log targets, its folders.
//!
//! Everything here can fail (a command, an address that is not there yet, a trust store), and nothing here touches the state of
//! a daemon: so a new configuration is planned while the old one still runs, and one that fails changes nothing.
use super::{DaemonError, Home, Identity, Options, Override};
use crate::{
    aws,
    config::{
        Settings, placeholder,
        settings::{Journal, TargetTemplate},
    },
    model::Target,
};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
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
        let journal = settings.logs.journal.iter().map(|Journal { at, target, .. }| (target, at));
        let files = settings.logs.files.iter().map(|item| (&item.target, &item.at));
        let filled = journal.chain(files).map(|(template, at)| target(template, at, &identity));
        let mut targets = filled.collect::<Result<Vec<_>, _>>()?;
        one_retention_each(&mut targets);
        let mut targets = targets.into_iter().map(Arc::new);
        let journal = settings.logs.journal.as_ref().and_then(|_| targets.next());
        let files = targets.collect();
        Ok(Self { settings, identity, home, files, journal })
    }
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
    Ok(Target { group, stream, retention_in_days: template.retention_in_days })
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
    async fn what_cannot_be_found_out_is_an_error_before_anything_is_started() {
        let command = r#"{ "agent": { "instance": { "prefix": "sys", "command": "exit 3" } } }"#;
        assert!(matches!(plan(command).await, Err(DaemonError::Identity(_))));
    }
}
