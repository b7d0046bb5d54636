//! What can go wrong, and when it does.
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// The operations that the fake serves, named as the API names them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Op {
    PutMetricData,
    PutLogEvents,
    CreateLogGroup,
    CreateLogStream,
    PutRetentionPolicy,
    DescribeLogGroups,
    InitiateAuth,
    GetId,
    GetCredentialsForIdentity,
    /// Of EC2.
    DescribeTags,
    /// Of STS.
    AssumeRole,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::PutMetricData,
        Self::PutLogEvents,
        Self::CreateLogGroup,
        Self::CreateLogStream,
        Self::PutRetentionPolicy,
        Self::DescribeLogGroups,
        Self::InitiateAuth,
        Self::GetId,
        Self::GetCredentialsForIdentity,
        Self::DescribeTags,
        Self::AssumeRole,
    ];

    /// By the name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| format!("{op:?}") == name)
    }

    /// The Cognito calls come from somebody who has no keys yet.
    pub fn is_signed(self) -> bool {
        !matches!(self, Self::InitiateAuth | Self::GetId | Self::GetCredentialsForIdentity)
    }
}

/// One way to fail.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The service asks to slow down.
    Throttle,
    /// The service fails on its side with a 500.
    ServerError,
    /// The connection is closed without an answer, and nothing was done.
    HangUp,
    /// The answer takes this long.
    Slow(Duration),
    /// There is no answer, ever, and nothing was done.
    Hang,
    /// The policy does not allow it.
    Denied,
    /// The request is carried out, and then the connection is closed without an answer.
    LoseAnswer,
}

/// Which calls fail.
#[derive(Default)]
pub struct Plan {
    lasting: HashMap<Op, Fault>,
    next: HashMap<Op, VecDeque<Fault>>,
}

impl Plan {
    pub fn lasting(&mut self, ops: &[Op], fault: Fault) {
        self.lasting.extend(ops.iter().map(|op| (*op, fault)));
    }

    pub fn next(&mut self, op: Op, times: usize, fault: Fault) {
        self.next.entry(op).or_default().extend(std::iter::repeat_n(fault, times));
    }

    pub fn heal(&mut self) {
        *self = Self::default();
    }

    /// What happens to the call that has just come in.
    pub fn take(&mut self, op: Op) -> Option<Fault> {
        let next = self.next.get_mut(&op).and_then(VecDeque::pop_front);
        next.or_else(|| self.lasting.get(&op).copied())
    }
}
