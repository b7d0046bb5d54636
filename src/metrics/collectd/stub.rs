pub use crate::model::{Dimension, Resolution, SourceId, Timestamp, Unit};
use std::{borrow::Cow, sync::Arc};
pub mod limits {
    pub use crate::model::limits::*;
    pub const VALUES: usize = 150;
}
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    One(f64),
    Many(Vec<(f64, f64)>),
}
impl Values {
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        let (one, many) = match self {
            Self::One(value) => (Some((*value, 1.0)), &[][..]),
            Self::Many(values) => (None, &values[..]),
        };
        one.into_iter().chain(many.iter().copied())
    }
    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(values) => values.len(),
        }
    }
}
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub name: Cow<'static, str>,
    pub value: Values,
    pub unit: Unit,
    pub at: Timestamp,
    pub dimensions: Arc<[Dimension]>,
    pub resolution: Resolution,
}
pub type Points = Vec<Point>;
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub source: usize,
    pub points: Points,
}
