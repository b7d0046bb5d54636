//! A policy as IAM reads it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The language of policies that has variables.
const VERSION: &str = "2012-10-17";

/// A policy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Document {
    pub(super) fn new(statement: Vec<Statement>) -> Self {
        Self { version: VERSION, statement }
    }

    /// Whether it allows nothing. IAM takes no such policy.
    pub fn is_empty(&self) -> bool {
        self.statement.is_empty()
    }

    /// Characters as IAM counts them, which leaves spaces out.
    pub(super) fn size(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.chars().filter(|c| !c.is_whitespace()).count())
    }
}

impl fmt::Display for Document {
    /// JSON over several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

/// Something that is allowed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: OneOrMore,
    resource: OneOrMore,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<BTreeMap<&'static str, BTreeMap<&'static str, OneOrMore>>>,
    #[serde(skip)]
    empty: bool,
}

impl Statement {
    pub(super) fn new(sid: &'static str, actions: &[&'static str], resources: BTreeSet<String>) -> Self {
        let empty = actions.is_empty() || resources.is_empty();
        let action = actions.iter().map(|action| (*action).to_owned()).collect::<Vec<_>>().into();
        let resource = resources.into_iter().collect::<Vec<_>>().into();
        Self { sid, effect: "Allow", action, resource, condition: None, empty }
    }

    /// Only for metrics of these. None: for nothing.
    pub(super) fn in_namespaces(mut self, namespaces: BTreeSet<String>) -> Self {
        self.empty |= namespaces.is_empty();
        // `${` would begin a variable.
        let namespaces: Vec<_> = namespaces.iter().map(|name| name.replace("${", "${$}{")).collect();
        let condition = BTreeMap::from([("cloudwatch:namespace", namespaces.into())]);
        self.condition = Some(BTreeMap::from([("StringEquals", condition)]));
        self
    }

    pub(super) fn allows_something(&self) -> bool {
        !self.empty
    }
}

/// One text stands alone, several in a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<Vec<String>> for OneOrMore {
    fn from(mut texts: Vec<String>) -> Self {
        match texts.len() {
            1 => Self::One(texts.remove(0)),
            _ => Self::More(texts),
        }
    }
}
