//! What the fake remembers: groups, events, datums, keys, and every broken rule.
use super::faults::Op;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Access keys as a signed request needs them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    pub access_key: String,
    pub secret: String,
    /// Temporary keys only.
    pub token: Option<String>,
}

impl Key {
    /// The lasting key that the daemon of a story finds in its environment.
    pub fn lasting() -> Self {
        Self {
            access_key: "AKIASTORYSTORYSTORY0".into(),
            secret: "the-secret-half-of-the-lasting-key".into(),
            token: None,
        }
    }
}

/// One log event that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    pub group: String,
    pub stream: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub message: String,
    /// The header `x-amzn-logs-format` of its call; empty without one.
    pub format: String,
}

/// One datum that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    pub namespace: String,
    pub name: String,
    pub unit: String,
    /// The mean, where readings of one period came as one datum.
    pub value: f64,
    /// Each value with how often it came, in either form of the API.
    pub values: Vec<(f64, f64)>,
    /// `StorageResolution`.
    pub resolution: Option<i64>,
    /// Seconds since 1970.
    pub at: f64,
    pub dimensions: BTreeMap<String, String>,
}

/// A log group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Group {
    pub retention_in_days: Option<i64>,
    pub streams: BTreeSet<String>,
}

/// One signed call, as a policy sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    pub op: Op,
    /// Whose: see [`Seen::roles`].
    pub access_key: String,
    /// What it names of [`Call::NAMES`].
    pub names: BTreeMap<&'static str, String>,
}

impl Call {
    /// Fields of requests by which policies tell them apart.
    pub const NAMES: [&'static str; 4] = ["logGroupName", "logStreamName", "Namespace", "RoleArn"];
}

/// What a story can look at.
#[derive(Default)]
pub struct Seen {
    pub events: Vec<Event>,
    pub datums: Vec<Datum>,
    pub groups: BTreeMap<String, Group>,
    /// Rules of the API that a request broke. Must stay empty.
    pub violations: Vec<String>,
    /// How many PutMetricData were refused that are good by this machine's clock, and not by the cloud's: no violation, for nobody knows
    /// how wrong a clock is before the first answer. One who learns from it has one at most.
    pub mistimed: usize,
    /// Access keys in the order of their first use.
    pub keys: Vec<String>,
    /// Every signed call in its order.
    pub made: Vec<Call>,
    /// Keys that were given for a role, and its ARN.
    pub roles: BTreeMap<String, String>,
    pub(super) calls: BTreeMap<Op, usize>,
}

impl Seen {
    /// The messages of one log stream in the order in which they were accepted.
    pub fn messages(&self, stream: &str) -> Vec<String> {
        self.events.iter().filter(|event| event.stream == stream).map(|event| event.message.clone()).collect()
    }

    /// Whether an event with this message was accepted.
    pub fn has(&self, message: &str) -> bool {
        self.events.iter().any(|event| event.message == message)
    }

    /// The datums of one metric in the order in which they were accepted.
    pub fn metric(&self, name: &str) -> Vec<&Datum> {
        self.datums.iter().filter(|datum| datum.name == name).collect()
    }

    /// How often this operation was called, answered or not.
    pub fn calls(&self, op: Op) -> usize {
        self.calls.get(&op).copied().unwrap_or_default()
    }

    /// In one line, for a wait that failed.
    pub fn summary(&self) -> String {
        format!(
            "{} events, {} datums, calls {:?}, groups {:?}, violations {:?}, last event {:?}",
            self.events.len(),
            self.datums.len(),
            self.calls,
            self.groups,
            self.violations,
            self.events.last(),
        )
    }
}

/// Everything behind the door.
pub struct State {
    pub seen: Seen,
    /// How many milliseconds its clock is ahead of this machine's. Log events are judged by it, and metrics where `tells_time`.
    pub ahead: i64,
    /// Whether its answers say what its clock shows; otherwise they bear this machine's time.
    pub tells_time: bool,
    pub refused_text: Option<String>,
    pub login: Option<(String, String)>,
    /// The Auto Scaling group of every instance.
    pub scaling_group: Option<String>,
    /// By access key; `None` when it has expired.
    keys: HashMap<String, Option<Key>>,
}

impl Default for State {
    fn default() -> Self {
        let lasting = Key::lasting();
        let keys = HashMap::from([(lasting.access_key.clone(), Some(lasting))]);
        Self {
            seen: Seen::default(),
            ahead: 0,
            tells_time: false,
            refused_text: None,
            login: None,
            scaling_group: None,
            keys,
        }
    }
}

/// What the cloud thinks of an access key.
pub enum Standing {
    Good(Key),
    Expired,
    Unknown,
}

impl State {
    pub fn issue_key(&mut self) -> Key {
        let number = self.keys.len();
        let key = Key {
            access_key: format!("ASIASTORYSTORY{number:06}"),
            secret: format!("the-secret-half-of-key-{number}"),
            token: Some(format!("the-session-token-of-key-{number}")),
        };
        self.keys.insert(key.access_key.clone(), Some(key.clone()));
        key
    }

    /// The lasting key stays good: nobody could renew it.
    pub fn expire_keys(&mut self) {
        let lasting = Key::lasting().access_key;
        self.keys.iter_mut().filter(|(name, _)| **name != lasting).for_each(|(_, key)| *key = None);
    }

    pub fn standing(&self, access_key: &str) -> Standing {
        match self.keys.get(access_key) {
            Some(Some(key)) => Standing::Good(key.clone()),
            Some(None) => Standing::Expired,
            None => Standing::Unknown,
        }
    }

    pub fn keep_datums(&mut self, request: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for datum in request["MetricData"].as_array().into_iter().flatten() {
            let dimensions = datum["Dimensions"].as_array().into_iter().flatten();
            self.seen.datums.push(Datum {
                namespace: text(&request["Namespace"]),
                name: text(&datum["MetricName"]),
                unit: text(&datum["Unit"]),
                value: mean(&values(datum)),
                values: values(datum),
                resolution: datum["StorageResolution"].as_i64(),
                at: datum["Timestamp"].as_f64().unwrap_or(f64::NAN),
                dimensions: dimensions.map(|d| (text(&d["Name"]), text(&d["Value"]))).collect(),
            });
        }
    }
}

fn mean(values: &[(f64, f64)]) -> f64 {
    let count: f64 = values.iter().map(|(_, count)| count).sum();
    values.iter().map(|(value, count)| value * count).sum::<f64>() / count
}

fn values(datum: &Value) -> Vec<(f64, f64)> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let Some(values) = datum["Values"].as_array() else { return vec![(number(&datum["Value"]), 1.0)] };
    let count = |at| datum["Counts"].get(at).map_or(1.0, number);
    values.iter().enumerate().map(|(at, value)| (number(value), count(at))).collect()
}
