//! Finds out what the dimensions of metrics lack where the configuration says `${aws:InstanceId}` and its like, beside everything else, and
//! publishes it as it becomes known. Points wait for that in the stage of the metrics, never for longer than [`PATIENCE`]: then there is
//! an answer, or what names.json remembers of this machine, or the word that there is none for now. Nothing is ever made up.
//!
//! Whatever is not known by then is asked for on, and later points carry it. The instance metadata is asked until it answers; the Auto
//! Scaling group until there is one, then never again; the volumes for ever, since they are attached and detached.
//! To find out more, add a field to [`Facts`] and to [`Wanted`], and a question to [`Asks`].
use super::{
    asking::{Asks, said, until_answered},
    memory::Memory,
};
use crate::{
    aws::{InquiryError, Metadata},
    config::settings::metrics::{AwsValue, DimensionValue, Metrics},
    metrics::scheduler::Place,
    model::{Fact, Facts, facts::Volumes},
    publish::chain,
};
use futures_util::FutureExt;
use std::{mem, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// The longest that points wait for a value.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pauses between the first attempts that fail, as the CloudWatch Agent has them.
const FIRST_PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(3),
    Duration::from_secs(3),
];
/// Between two questions for the Auto Scaling group of an instance that had none, or nobody answered.
const GROUP_PAUSE: Duration = Duration::from_mins(3);
/// The same for volumes, whether there was an answer or not.
const VOLUMES_PAUSE: Duration = Duration::from_mins(5);
/// After a question that this machine may not ask: somebody has to change a policy first.
const DENIED_PAUSE: Duration = Duration::from_mins(10);

/// Why nobody can tell.
const UNASKED: &str = "nobody is asked where nothing is sent to AWS";
const ELSEWHERE: &str = "this is no instance of EC2, or AWS_EC2_METADATA_DISABLED is set; for one that does not say so itself, as a Mac, \
                         set AWS_EC2_METADATA_SERVICE_ENDPOINT to http://169.254.169.254";

/// Who asks for which values: JSON paths. What nobody asks for is not asked for, and counts as absent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// Instance id, image id and instance type.
    pub metadata: Vec<String>,
    pub auto_scaling_group: Vec<String>,
    pub volumes: Vec<String>,
}

impl Wanted {
    /// What these settings ask for.
    pub fn by(metrics: &Metrics) -> Self {
        let mut wanted = Self::default();
        for (name, value) in metrics.dimensions.append.iter().flatten() {
            wanted.value("metrics", name, *value);
        }
        for source in metrics.sources() {
            for (name, value) in &source.dimensions.append {
                match value {
                    DimensionValue::Aws(value) => wanted.value(source.at, name, *value),
                    DimensionValue::Volume => wanted.volumes.push(path(source.at, name)),
                    DimensionValue::Literal(_) | DimensionValue::Instance | DimensionValue::Host => {}
                }
            }
        }
        wanted
    }

    fn value(&mut self, at: &str, name: &str, value: AwsValue) {
        let paths = match value {
            AwsValue::InstanceId | AwsValue::ImageId | AwsValue::InstanceType => &mut self.metadata,
            AwsValue::AutoScalingGroupName => &mut self.auto_scaling_group,
        };
        paths.push(path(at, name));
    }
}

fn path(at: &str, name: &str) -> String {
    format!("{at}.append_dimensions.{name}")
}

/// Who is asked, and what was told before.
#[derive(Clone)]
pub struct Witness {
    /// `None`: nothing is sent to AWS, so nobody is asked.
    pub asks: Option<Arc<dyn Asks>>,
    pub on_ec2: bool,
    pub memory: Arc<Memory>,
}

/// The search for all of them.
pub struct Search {
    wanted: Wanted,
    /// `None`: there is nobody to ask.
    asks: Option<Arc<dyn Asks>>,
    memory: Arc<Memory>,
    /// Apart from the other machines of a fleet.
    offset: Duration,
    out: watch::Sender<Facts>,
}

impl Search {
    /// Asks nothing yet. Where there is nobody to ask, what is wanted is absent at once, which is said. What is asked for again is asked for
    /// at this host's place in its fleet.
    pub fn new(wanted: Wanted, witness: Witness, place: Place) -> (Self, watch::Receiver<Facts>) {
        let Witness { asks, on_ec2, memory } = witness;
        let mut facts = Facts::none();
        let Wanted { metadata, auto_scaling_group, volumes } = &wanted;
        let unasked = asks.is_none();
        let there = asks.filter(|_| on_ec2);
        let all = [metadata, auto_scaling_group, volumes];
        if there.is_none() && all.iter().any(|paths| !paths.is_empty()) {
            let at = listed(all.into_iter().flatten());
            let why = if unasked { UNASKED } else { ELSEWHERE };
            tracing::warn!(at, "metrics are published without these dimensions: {why}");
        } else {
            if !metadata.is_empty() {
                (facts.instance_id, facts.image_id, facts.instance_type) = Default::default();
            }
            if !auto_scaling_group.is_empty() {
                facts.auto_scaling_group = Fact::Unknown;
            }
            if !volumes.is_empty() {
                facts.volumes = Volumes::Unknown;
            }
        }
        let (out, facts) = watch::channel(facts);
        (Self { wanted, asks: there, memory, offset: place.offset(GROUP_PAUSE), out }, facts)
    }

    /// Ask and publish until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if let Some(asks) = &self.asks {
            let all = async {
                tokio::join!(self.metadata(asks), self.group(asks), self.volumes(asks), self.patience());
            };
            stop.run_until_cancelled(all).await;
        }
        stop.cancelled().await;
    }

    async fn metadata(&self, asks: &Arc<dyn Asks>) {
        if self.wanted.metadata.is_empty() {
            return;
        }
        let question = || {
            let asks = Arc::clone(asks);
            async move { asks.document().await.map_err(said) }.boxed()
        };
        let document = until_answered("metrics", "the EC2 instance metadata", question).await;
        self.memory.keep(|all| {
            let hostname = all.metadata.hostname.take();
            all.metadata = Metadata { hostname, ..document.clone() };
        });
        let late = self.change(|facts| {
            let late = facts.instance_id != Fact::Unknown;
            (facts.instance_id, facts.image_id) = (document.instance_id.into(), document.image_id.into());
            facts.instance_type = document.instance_type.into();
            late
        });
        if late {
            tracing::info!("the EC2 instance metadata answers: from now on metrics carry what it says");
        }
    }

    async fn group(&self, asks: &Arc<dyn Asks>) {
        let at = &self.wanted.auto_scaling_group;
        if at.is_empty() {
            return;
        }
        let (mut failures, mut offset) = (Failures::default(), self.offset);
        loop {
            let pause = match asks.auto_scaling_group().await {
                Ok(Some(group)) => {
                    self.memory.keep(|all| all.auto_scaling_group = Some(group.clone()));
                    tracing::info!(group, "the Auto Scaling group of this instance is known");
                    return self.change(|facts| facts.auto_scaling_group = Fact::Known(group));
                }
                Ok(None) => {
                    self.memory.keep(|all| all.auto_scaling_group = None);
                    self.change(|facts| facts.auto_scaling_group = Fact::Absent);
                    failures = Failures::default();
                    GROUP_PAUSE + mem::take(&mut offset)
                }
                Err(error) => {
                    failures.say("the Auto Scaling group of this instance", at, &error);
                    if is_denied(&error) {
                        let told =
                            Facts { auto_scaling_group: self.told_before().auto_scaling_group, ..Facts::default() };
                        self.change(|facts| facts.settle(told));
                    }
                    failures.pause(&error, GROUP_PAUSE)
                }
            };
            sleep(pause).await;
        }
    }

    async fn volumes(&self, asks: &Arc<dyn Asks>) {
        let at = &self.wanted.volumes;
        if at.is_empty() {
            return;
        }
        let (mut failures, mut offset) = (Failures::default(), self.offset);
        loop {
            let pause = match asks.volumes().await {
                Ok(mut volumes) => {
                    // In whatever order they come: the same ones are no news.
                    volumes.sort_by(|a, b| a.device.cmp(&b.device));
                    self.change(|facts| facts.volumes = Volumes::Known(volumes.into()));
                    failures = Failures::default();
                    VOLUMES_PAUSE + mem::take(&mut offset)
                }
                Err(error) => {
                    failures.say("the volumes of this instance", at, &error);
                    if is_denied(&error) {
                        self.change(|facts| facts.settle(Facts { volumes: Volumes::Absent, ..Facts::default() }));
                    }
                    failures.pause(&error, VOLUMES_PAUSE)
                }
            };
            sleep(pause).await;
        }
    }

    /// Go on without what nobody has answered by then, or with what an earlier start was told.
    async fn patience(&self) {
        sleep(PATIENCE).await;
        let told = self.told_before();
        let (before, now) = self.change(|facts| {
            let before = facts.clone();
            facts.settle(told);
            (before, facts.clone())
        });
        let Wanted { metadata, auto_scaling_group, volumes } = &self.wanted;
        let (mut absent, mut remembered) = (vec![], vec![]);
        for (before, now, paths) in [
            (before.instance_id, now.instance_id, metadata),
            (before.auto_scaling_group, now.auto_scaling_group, auto_scaling_group),
        ] {
            match now {
                _ if before != Fact::Unknown => {}
                Fact::Known(_) => remembered.extend(paths),
                Fact::Absent | Fact::Unknown => absent.extend(paths),
            }
        }
        if before.volumes == Volumes::Unknown {
            absent.extend(volumes);
        }
        if !remembered.is_empty() {
            let at = listed(remembered);
            tracing::warn!(at, "EC2 does not answer: metrics carry what it said of this machine at an earlier start");
        }
        if !absent.is_empty() {
            let at = listed(absent);
            tracing::warn!(at, "EC2 does not answer: metrics are published without these dimensions until it does");
        }
    }

    /// What an earlier start was told. What it was not is absent.
    fn told_before(&self) -> Facts {
        let told = self.memory.recall().unwrap_or_default();
        Facts {
            instance_id: told.metadata.instance_id.into(),
            image_id: told.metadata.image_id.into(),
            instance_type: told.metadata.instance_type.into(),
            auto_scaling_group: told.auto_scaling_group.into(),
            volumes: Volumes::Absent,
        }
    }

    /// Publish a change. One that changes nothing wakes nobody.
    fn change<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let mut result = None;
        self.out.send_if_modified(|facts| {
            let before = facts.clone();
            result = Some(change(facts));
            *facts != before
        });
        result.expect("it is called at once")
    }
}

/// Attempts without an answer, one after the other.
#[derive(Default)]
struct Failures {
    count: usize,
    /// Of a permission, and of anything else: each is said once.
    said: [bool; 2],
}

impl Failures {
    /// Say why there is no answer, unless that was said.
    fn say(&mut self, what: &str, at: &[String], error: &InquiryError) {
        let denied = is_denied(error);
        if mem::replace(&mut self.said[usize::from(denied)], true) {
            return tracing::debug!("metrics need {what}, which is asked for again: {}", chain(error));
        }
        let at = listed(at);
        if denied {
            let why = chain(error);
            tracing::warn!(at, "metrics need {what} and go without it, or with what it was at an earlier start: {why}");
        } else {
            tracing::warn!(at, "metrics need {what}, which is asked for again: {}", chain(error));
        }
    }

    /// Until the next attempt.
    fn pause(&mut self, error: &InquiryError, usual: Duration) -> Duration {
        if is_denied(error) {
            return DENIED_PAUSE;
        }
        let pause = FIRST_PAUSES.get(self.count).copied().unwrap_or(usual);
        self.count += 1;
        pause
    }
}

/// Whether only a person can help.
fn is_denied(error: &InquiryError) -> bool {
    match error {
        InquiryError::Denied { .. } => true,
        InquiryError::Metadata(_)
        | InquiryError::Stranger
        | InquiryError::Region(_)
        | InquiryError::Account(_)
        | InquiryError::Ec2 { .. } => false,
    }
}

fn listed<T: AsRef<str>>(paths: impl IntoIterator<Item = T>) -> String {
    let mut list = String::new();
    for path in paths {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(path.as_ref());
    }
    list
}

#[cfg(test)]
mod tests;
