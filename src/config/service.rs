//! Which service the events of a target belong to: `service.name` and `deployment.environment`, of the item, else of the section,
//! else of the agent, each key on its own.
use super::section::Section;
use crate::model::Entity;
use std::sync::Arc;

/// What is said of it so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Service {
    name: Option<String>,
    environment: Option<String>,
}

impl Service {
    /// What this section says.
    pub fn read(section: &Section<'_>) -> Self {
        let text =
            |key: &str| section.child(key).text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        Self { name: text("service.name"), environment: text("deployment.environment") }
    }

    /// This, and where it says nothing the other.
    pub fn or(self, other: &Self) -> Self {
        Self {
            name: self.name.or_else(|| other.name.clone()),
            environment: self.environment.or_else(|| other.environment.clone()),
        }
    }

    /// What is sent of it: nothing without a name. The account is not known here.
    pub fn entity(self) -> Option<Arc<Entity>> {
        let Self { name, environment } = self;
        name.map(|service| Arc::new(Entity { service, environment, account_id: None }))
    }
}
