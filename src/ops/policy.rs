//! The least that IAM must allow so that daemons with these configurations can do their work.
//!
//! A pure function of the settings: it asks nobody, so what only a running daemon knows has a `*` in its place, and what cannot be said
//! in a policy at all is said in words ([`Policies::notes`]). Who signs in and each role that is assumed on top of it have a policy of
//! their own. Several configurations come to one policy that is enough for each of them.
//!
//! A call that the daemon learns to make must be added here: to [`Needs`], with its statement in [`Needs::document`]. The story
//! `tests/it/policies.rs` holds the policy against the calls that a daemon makes.
mod document;
mod place;

pub use document::Document;
pub use place::Given;

use crate::config::{
    Settings,
    placeholder::{self, Piece},
    settings::{
        Authentication, Destination, FileItem, Pick, Selection, TargetTemplate,
        metrics::{AwsValue, DimensionValue, Metrics},
    },
};
use document::Statement;
use place::Place;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::is_separator,
};

/// Characters of a managed policy, without spaces.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MANAGED_POLICY: usize = 6_144;

/// Who is allowed something.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Principal {
    /// Who signs in: by the default chain, by Cognito, or by AWS IoT.
    Login,
    /// The role with this ARN.
    Role(String),
}

impl fmt::Display for Principal {
    /// As it is named on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login => f.write_str("login"),
            Self::Role(arn) => f.write_str(arn),
        }
    }
}

/// What is to be allowed to whom.
#[derive(Debug)]
pub struct Policies {
    /// The login always has one, if an empty one.
    pub documents: BTreeMap<Principal, Document>,
    /// What no policy can say, for people, without an end of line.
    pub notes: Vec<String>,
}

/// The least policies with which each of these configurations runs.
pub fn least(settings: &[Settings], given: &Given) -> Policies {
    let mut all = All { needs: BTreeMap::from([(Principal::Login, Needs::default())]), notes: vec![] };
    for one in settings {
        all.add(one, given);
    }
    all.finish()
}

/// What is being gathered.
struct All {
    needs: BTreeMap<Principal, Needs>,
    notes: Vec<String>,
}

/// What one principal has to do.
#[derive(Default)]
struct Needs {
    /// Of metrics.
    namespaces: BTreeSet<String>,
    /// ARNs of log groups.
    groups: BTreeSet<String>,
    /// Those of them whose retention is set.
    kept: BTreeSet<String>,
    /// ARNs under which log groups are listed.
    lists: BTreeSet<String>,
    tags: bool,
    volumes: bool,
    /// ARNs of roles to assume.
    roles: BTreeSet<String>,
}

impl All {
    fn add(&mut self, settings: &Settings, given: &Given) {
        let file = settings.file.display();
        if !settings.sends_something() {
            return self.note(format!("{file} sends nothing to AWS, so it needs no policy"));
        }
        if settings.agent.destination == Destination::Local {
            self.note(format!(
                "{file} publishes to the embedded CloudWatch, which needs no policy; this is what it would need with AWS"
            ));
        }
        let [metrics_role, logs_role] = settings.roles().map(|role| role.map(str::to_owned));
        for role in [&metrics_role, &logs_role].into_iter().flatten() {
            // The daemon signs in to both, whatever there is to send.
            self.needs_of(None).roles.insert(role.clone());
            self.needs_of(Some(role));
            self.note(format!(
                "the trust policy of the role {role} must name the login, whose policy allows sts:AssumeRole"
            ));
        }
        if let Some(metrics) = settings.metrics.as_ref().filter(|metrics| metrics.collects_something()) {
            self.needs_of(metrics_role.as_deref()).namespaces.insert(metrics.namespace.clone());
            self.add_facts(metrics);
        }
        if settings.logs.collects_something() {
            let place = given.place(settings, logs_role.as_deref());
            place.unknown().into_iter().for_each(|why| self.note(why));
            self.add_logs(settings, &place, logs_role.as_deref());
        }
        if let Authentication::Iot(iot) = &settings.agent.authentication {
            let alias = &iot.role_alias;
            self.note(format!(
                "each certificate needs an AWS IoT policy beside, which allows iot:AssumeRoleWithCertificate on the role alias {alias}"
            ));
        }
    }

    /// What EC2 is asked for, always by the login itself.
    fn add_facts(&mut self, metrics: &Metrics) {
        let global = metrics.dimensions.append.iter().flatten().map(|(_, value)| DimensionValue::Aws(*value));
        let sources =
            metrics.sources().flat_map(|source| source.dimensions.append.iter().map(|(_, value)| value.clone()));
        for value in global.chain(sources) {
            match value {
                DimensionValue::Aws(AwsValue::AutoScalingGroupName) => {
                    self.needs_of(None).tags = true;
                    self.note(
                        "ec2:DescribeTags, for ${aws:AutoScalingGroupName}, is needed only where the instance metadata do not show \
                         tags (InstanceMetadataTags=enabled)"
                            .to_owned(),
                    );
                }
                DimensionValue::Volume => {
                    self.needs_of(None).volumes = true;
                    self.note("ec2:DescribeVolumes, for ${aws:VolumeId}, is needed only on Xen instances".to_owned());
                }
                DimensionValue::Aws(AwsValue::InstanceId | AwsValue::ImageId | AwsValue::InstanceType)
                | DimensionValue::Literal(_)
                | DimensionValue::Instance
                | DimensionValue::Host => {}
            }
        }
    }

    fn add_logs(&mut self, settings: &Settings, place: &Place, role: Option<&str>) {
        let logs = &settings.logs;
        let mut groups: Vec<(String, bool)> = vec![];
        let mut open = BTreeSet::new();
        let targets = (logs.journal.iter().map(|item| &item.target))
            .chain(logs.journald.iter().map(|item| &item.target))
            .chain(logs.windows_events.iter().map(|item| &item.target))
            .chain(logs.unified_log.iter().map(|item| &item.target))
            .chain(logs.emf.iter().filter(|emf| emf.names_group).map(|emf| &emf.target));
        let files = logs.files.iter().map(|item| (file_template(item), &item.target));
        for (template, target) in targets.map(|target| (target.group.clone(), target)).chain(files) {
            let group = pattern(&template, place);
            if group.contains('*') {
                open.insert(group.clone());
            }
            groups.push((group, is_kept(target)));
        }
        if !open.is_empty() {
            let open: Vec<_> = open.into_iter().collect();
            self.note(format!("* stands in {} for what each machine has in its place", open.join(", ")));
        }
        if logs.emf.is_some() {
            self.note(
                "documents of logs.metrics_collected.emf may name log groups of their own: where they do, add these to the resources \
                 of the statements LogEvents and MakeLogs"
                    .to_owned(),
            );
        }
        if !groups.is_empty() {
            self.note(
                "the statement MakeLogs is needed only where log groups and streams are not made beforehand; logs:CreateLogStream \
                 where groups alone are"
                    .to_owned(),
            );
        }
        let needs = self.needs_of(role);
        for (group, kept) in groups {
            let arn = place.group(&group);
            if kept {
                needs.kept.insert(arn.clone());
                needs.lists.insert(place.group("*"));
            }
            needs.groups.insert(arn);
        }
    }

    fn needs_of(&mut self, role: Option<&str>) -> &mut Needs {
        let principal = role.map_or(Principal::Login, |arn| Principal::Role(arn.to_owned()));
        self.needs.entry(principal).or_default()
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn finish(mut self) -> Policies {
        let documents: BTreeMap<_, _> =
            std::mem::take(&mut self.needs).into_iter().map(|(who, needs)| (who, needs.document())).collect();
        for (who, document) in &documents {
            if document.is_empty() {
                self.note(format!("the policy of {who} allows nothing, and IAM takes no such policy: attach none"));
            }
            let size = document.size();
            if size > MANAGED_POLICY {
                self.note(format!(
                    "the policy of {who} has {size} characters, and a managed one may have {MANAGED_POLICY}: give log groups a common \
                     beginning and write that with *, or put it into the role itself, which takes 10,240"
                ));
            }
        }
        Policies { documents, notes: self.notes }
    }
}

impl Needs {
    /// Resources and conditions: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>,
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html>,
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html>.
    fn document(self) -> Document {
        let all = || BTreeSet::from(["*".to_owned()]);
        let below = |groups: BTreeSet<String>, what: &str| -> BTreeSet<String> {
            without_covered(groups).into_iter().map(|group| format!("{group}:{what}")).collect()
        };
        let mut ec2 = vec![];
        ec2.extend(self.tags.then_some("ec2:DescribeTags"));
        ec2.extend(self.volumes.then_some("ec2:DescribeVolumes"));
        let mut statements = vec![
            Statement::new("Metrics", &["cloudwatch:PutMetricData"], all()).in_namespaces(self.namespaces),
            Statement::new("LogEvents", &["logs:PutLogEvents"], below(self.groups.clone(), "log-stream:*")),
            Statement::new("MakeLogs", &["logs:CreateLogGroup", "logs:CreateLogStream"], below(self.groups, "*")),
            Statement::new("Retention", &["logs:PutRetentionPolicy"], below(self.kept, "*")),
            Statement::new("LookAtRetention", &["logs:DescribeLogGroups"], self.lists),
            Statement::new("Instance", &ec2, all()),
            Statement::new("AssumeRole", &["sts:AssumeRole"], self.roles),
        ];
        statements.retain(Statement::allows_something);
        Document::new(statements)
    }
}

/// Whether somebody asked for a retention: it is looked at then, and set.
fn is_kept(target: &TargetTemplate) -> bool {
    target.retention_in_days.is_some()
}

/// The group of a file. Where each match has one that is called as its path, what all of them begin with, and `*`.
fn file_template(item: &FileItem) -> String {
    match &item.selection {
        Selection::Matching(matching) if matching.pick == Pick::EachToItsGroup => {
            let path = item.path.to_string_lossy();
            let is_pattern = |c: char| "*?[{".contains(c) || (c == '\\' && !is_separator('\\'));
            let before = path.split(is_pattern).next().unwrap_or_default().replace('\\', "/");
            format!("{}*", placeholder::group_value(&before))
        }
        Selection::Matching(_) | Selection::This => item.target.group.clone(),
    }
}

/// A template with what is known put in, and `*` for everything else.
fn pattern(template: &str, place: &Place) -> String {
    let mut pattern = String::with_capacity(template.len());
    for piece in placeholder::pieces(template) {
        match piece {
            Piece::Literal(text) => pattern.push_str(text),
            Piece::Placeholder(name) if placeholder::KNOWN.contains(&name) => {
                pattern.push_str(place.value(name).unwrap_or("*"));
            }
            Piece::Placeholder(name) => pattern.extend(["{", name, "}"]),
        }
    }
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    pattern
}

/// Those that no other one of them covers.
fn without_covered(patterns: BTreeSet<String>) -> BTreeSet<String> {
    let covered = |one: &String| patterns.iter().any(|other| other != one && covers(other, one));
    patterns.iter().filter(|one| !covered(one)).cloned().collect()
}

/// Whether a text matches a pattern with `*` in it. A `*` in the text is one character, so a pattern covers what another one does.
fn covers(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
