//! What EC2 tells of this machine, as far as it is known.

/// One thing that only somebody else can tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fact {
    /// It is being asked for.
    #[default]
    Unknown,
    Known(String),
    /// It is known that there is none, or nobody can tell for now. It may be known later all the same.
    Absent,
}

/// The values of `${aws:...}`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    pub instance_id: Fact,
    pub image_id: Fact,
    pub instance_type: Fact,
    pub auto_scaling_group: Fact,
}

impl Facts {
    /// Of a machine that is no EC2 instance, or where nobody is asked.
    pub fn none() -> Self {
        let absent = || Fact::Absent;
        Self { instance_id: absent(), image_id: absent(), instance_type: absent(), auto_scaling_group: absent() }
    }
}
