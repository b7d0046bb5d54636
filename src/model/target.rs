//! What a log target has beside its two names.
use serde::{Deserialize, Serialize};

/// The class of a log group: fixed when the group is made.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
pub enum LogGroupClass {
    Standard,
    InfrequentAccess,
}

impl LogGroupClass {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "INFREQUENT_ACCESS",
        }
    }

    /// The class of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Standard, Self::InfrequentAccess].into_iter().find(|class| class.as_str().eq_ignore_ascii_case(name))
    }
}

/// The service that the events of a target belong to: CloudWatch shows them beside that service's other telemetry.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Entity.html>
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Deserialize, Serialize)]
pub struct Entity {
    pub service: String,
    pub environment: Option<String>,
    pub account_id: Option<String>,
}

impl Entity {
    /// Its `keyAttributes`, in the order in which they are written; at most the four that the API takes.
    pub fn key_attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let environment = self.environment.as_deref().map(|value| ("Environment", value));
        let account = self.account_id.as_deref().map(|value| ("AwsAccountId", value));
        [("Type", "Service"), ("Name", self.service.as_str())].into_iter().chain(environment).chain(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_in_any_case_and_no_other_is() {
        assert_eq!(LogGroupClass::named("standard"), Some(LogGroupClass::Standard));
        assert_eq!(LogGroupClass::named("Infrequent_Access"), Some(LogGroupClass::InfrequentAccess));
        assert_eq!(LogGroupClass::named("DELIVERY"), None);
    }

    #[test]
    fn an_entity_has_what_is_known_of_it_and_nothing_else() {
        let names = |entity: &Entity| entity.key_attributes().map(|(name, _)| name).collect::<Vec<_>>();
        let mut entity = Entity { service: "shop".into(), ..Entity::default() };
        assert_eq!(names(&entity), ["Type", "Name"]);
        (entity.environment, entity.account_id) = (Some("prod".into()), Some("1".into()));
        assert_eq!(names(&entity), ["Type", "Name", "Environment", "AwsAccountId"]);
    }
}
