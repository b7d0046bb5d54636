//! Stacks. <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html>
use super::{Admin, AdminError, Again};
use crate::aws::by_hand::{
    self,
    query::{self, child, items, parse, text},
    signed::Kind,
};
use roxmltree::Node;
use std::collections::BTreeMap;

const VERSION: &str = "2010-05-15";
static CLOUDFORMATION: Kind = Kind { id: "CloudFormation", signing: "cloudformation", rule };

/// What it says of a request that names no stack of the account, and of one that changes nothing. The two are told apart by their words.
const INVALID: &str = "ValidationError";
/// Pages of events, or of changes: more than any stack of ours has.
const MOST_PAGES: usize = 100;

/// A stack as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stack {
    /// Its ARN, by which it can be asked for when it is gone, too.
    pub id: String,
    /// `CREATE_COMPLETE` and the like: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>
    pub status: String,
    pub reason: Option<String>,
    pub outputs: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
}

/// What a stack is to be.
#[derive(Clone, Debug)]
pub struct StackRequest<'a> {
    pub name: &'a str,
    /// At most 51,200 bytes: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
    pub template: &'a str,
    /// Each with its value; `None`: as it is.
    pub parameters: &'a [(String, Option<String>)],
    /// Makes two calls one: `[a-zA-Z0-9][-a-zA-Z0-9]*`, at most 128.
    pub token: &'a str,
}

/// Something that happened to a stack or a part of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    pub id: String,
    /// As the service writes it: `2026-01-31T12:00:00.123Z`.
    pub time: String,
    pub logical: String,
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub physical: String,
}

/// A part of a stack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    pub logical: String,
    pub kind: String,
    /// What it is called; empty while it is not made.
    pub physical: String,
    pub status: String,
}

/// What an update would do to a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// `Add`, `Modify`, `Remove`, `Import`, `Dynamic`.
    pub action: String,
    pub logical: String,
    pub kind: String,
    /// It would be made anew and the old one removed, with all that is in it. `None` where that is not known.
    pub replacement: Option<bool>,
}

impl Admin {
    /// A stack by its name or ARN; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn stack(&self, name: &str) -> Result<Option<Stack>, AdminError> {
        let action = "cloudformation:DescribeStacks";
        let asked = self.form(action, Again::Yes, vec![("StackName".to_owned(), name.to_owned())]).await;
        let answer = match asked {
            Err(error) if error.is(INVALID) && says(&error, "does not exist") => return Ok(None),
            other => other?,
        };
        read(action, &answer, |result| {
            let stack = items(result, "Stacks").next()?;
            let pairs = |list: &'static str, key: &'static str, value: &'static str| {
                let pair = move |item| Some((text(item, key)?.to_owned(), text(item, value).unwrap_or("").to_owned()));
                items(stack, list).filter_map(pair).collect()
            };
            Some(Stack {
                id: text(stack, "StackId")?.to_owned(),
                status: text(stack, "StackStatus")?.to_owned(),
                reason: text(stack, "StackStatusReason").map(str::to_owned),
                outputs: pairs("Outputs", "OutputKey", "OutputValue"),
                parameters: pairs("Parameters", "ParameterKey", "ParameterValue"),
            })
        })
        .map(Some)
    }

    /// Begin to make it; its ARN.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_stack(&self, request: &StackRequest<'_>) -> Result<String, AdminError> {
        let action = "cloudformation:CreateStack";
        let mut members = request.members();
        members.push(("ClientRequestToken".to_owned(), request.token.to_owned()));
        let answer = self.form(action, Again::Yes, members).await?;
        read(action, &answer, |result| text(result, "StackId").map(str::to_owned))
    }

    /// Begin to change it; no, where it is so already.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn update_stack(&self, request: &StackRequest<'_>) -> Result<bool, AdminError> {
        let mut members = request.members();
        members.push(("ClientRequestToken".to_owned(), request.token.to_owned()));
        match self.form("cloudformation:UpdateStack", Again::Yes, members).await {
            Err(error) if error.is(INVALID) && says(&error, "No updates are to be performed") => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Begin to remove it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_stack(&self, id: &str, token: &str) -> Result<(), AdminError> {
        let members =
            vec![("StackName".to_owned(), id.to_owned()), ("ClientRequestToken".to_owned(), token.to_owned())];
        self.form("cloudformation:DeleteStack", Again::Yes, members).await.map(drop)
    }

    /// What has happened to it since the event with this id, the oldest first; without one all.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn events(&self, id: &str, since: Option<&str>) -> Result<Vec<Event>, AdminError> {
        let action = "cloudformation:DescribeStackEvents";
        let mut events = vec![];
        self.pages(action, vec![("StackName".to_owned(), id.to_owned())], |result| {
            for item in items(result, "StackEvents") {
                let of = |name| text(item, name).unwrap_or_default().to_owned();
                let event = Event {
                    id: of("EventId"),
                    time: of("Timestamp"),
                    logical: of("LogicalResourceId"),
                    kind: of("ResourceType"),
                    status: of("ResourceStatus"),
                    reason: text(item, "ResourceStatusReason").map(str::to_owned),
                    physical: of("PhysicalResourceId"),
                };
                // The newest come first.
                if Some(event.id.as_str()) == since {
                    return false;
                }
                events.push(event);
            }
            true
        })
        .await?;
        events.reverse();
        Ok(events)
    }

    /// Of what it consists.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn resources(&self, id: &str) -> Result<Vec<Resource>, AdminError> {
        let action = "cloudformation:DescribeStackResources";
        let answer = self.form(action, Again::Yes, vec![("StackName".to_owned(), id.to_owned())]).await?;
        read(action, &answer, |result| {
            let resource = |item| {
                Some(Resource {
                    logical: text(item, "LogicalResourceId")?.to_owned(),
                    kind: text(item, "ResourceType")?.to_owned(),
                    physical: text(item, "PhysicalResourceId").unwrap_or_default().to_owned(),
                    status: text(item, "ResourceStatus").unwrap_or_default().to_owned(),
                })
            };
            Some(items(result, "StackResources").filter_map(resource).collect())
        })
    }

    /// Begin to find out what an update would do.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_change_set(&self, request: &StackRequest<'_>, name: &str) -> Result<(), AdminError> {
        let mut members = request.members();
        members.push(("ChangeSetName".to_owned(), name.to_owned()));
        members.push(("ChangeSetType".to_owned(), "UPDATE".to_owned()));
        members.push(("ClientToken".to_owned(), request.token.to_owned()));
        self.form("cloudformation:CreateChangeSet", Again::Yes, members).await.map(drop)
    }

    /// What an update would do; `None` while that is not known.
    ///
    /// # Errors
    /// When it cannot be asked for, or CloudFormation cannot find it out.
    pub async fn changes(&self, stack: &str, name: &str) -> Result<Option<Vec<Change>>, AdminError> {
        let action = "cloudformation:DescribeChangeSet";
        let (mut changes, mut status, mut reason) = (vec![], String::new(), String::new());
        let members = vec![("StackName".to_owned(), stack.to_owned()), ("ChangeSetName".to_owned(), name.to_owned())];
        self.pages(action, members, |result| {
            status = text(result, "Status").unwrap_or_default().to_owned();
            reason = text(result, "StatusReason").unwrap_or_default().to_owned();
            for change in items(result, "Changes").filter_map(|item| child(item, "ResourceChange")) {
                let of = |name| text(change, name).unwrap_or_default().to_owned();
                let replacement = match text(change, "Replacement") {
                    Some("True") => Some(true),
                    Some("Conditional") => None,
                    _ => Some(false),
                };
                let (action, logical, kind) = (of("Action"), of("LogicalResourceId"), of("ResourceType"));
                changes.push(Change { action, logical, kind, replacement });
            }
            true
        })
        .await?;
        match status.as_str() {
            "CREATE_COMPLETE" => Ok(Some(changes)),
            // It fails where there is nothing to do.
            "FAILED" if reason.contains("didn't contain changes") || reason.contains("No updates") => Ok(Some(vec![])),
            "FAILED" => Err(AdminError::odd(action, &reason)),
            _ => Ok(None),
        }
    }

    /// Forget what an update would do.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), AdminError> {
        let members = vec![("StackName".to_owned(), stack.to_owned()), ("ChangeSetName".to_owned(), name.to_owned())];
        self.form("cloudformation:DeleteChangeSet", Again::Yes, members).await.map(drop)
    }

    async fn form(
        &self,
        action: &'static str,
        again: Again,
        members: Vec<(String, String)>,
    ) -> Result<String, AdminError> {
        self.ask(&CLOUDFORMATION, again, query::question(action, VERSION, members), query::answer).await
    }

    /// Page by page, until `take` has seen enough.
    async fn pages(
        &self,
        action: &'static str,
        members: Vec<(String, String)>,
        mut take: impl FnMut(Node<'_, '_>) -> bool + Send,
    ) -> Result<(), AdminError> {
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let next = token.take().map(|token| ("NextToken".to_owned(), token));
            let answer = self.form(action, Again::Yes, members.iter().cloned().chain(next).collect()).await?;
            let (more, next) =
                read(action, &answer, |result| Some((take(result), text(result, "NextToken").map(str::to_owned))))?;
            token = next;
            if !more || token.is_none() {
                return Ok(());
            }
        }
        Err(AdminError::odd(action, &format!("the answer does not end after {MOST_PAGES} pages")))
    }
}

impl StackRequest<'_> {
    fn members(&self) -> Vec<(String, String)> {
        let mut members = vec![
            ("StackName".to_owned(), self.name.to_owned()),
            ("TemplateBody".to_owned(), self.template.to_owned()),
            // The templates make roles, whose names CloudFormation chooses.
            ("Capabilities.member.1".to_owned(), "CAPABILITY_IAM".to_owned()),
        ];
        for (number, (key, value)) in (1..).zip(self.parameters) {
            members.push((format!("Parameters.member.{number}.ParameterKey"), key.clone()));
            members.push(match value {
                Some(value) => (format!("Parameters.member.{number}.ParameterValue"), value.clone()),
                None => (format!("Parameters.member.{number}.UsePreviousValue"), "true".to_owned()),
            });
        }
        members
    }
}

/// What `take` finds in the result of the call.
fn read<T>(action: &'static str, answer: &str, take: impl FnOnce(Node<'_, '_>) -> Option<T>) -> Result<T, AdminError> {
    let odd = || AdminError::odd(action, "the answer is not what CloudFormation answers");
    let document = parse(answer).map_err(|_| odd())?;
    let result = document.root_element().children().find(|child| child.tag_name().name().ends_with("Result"));
    take(result.ok_or_else(odd)?).ok_or_else(odd)
}

/// Whether the service said so.
fn says(error: &AdminError, words: &str) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string().contains(words))
}

/// As of most services; in GovCloud the plain hosts are those of FIPS.
fn rule(region: &str, fips: bool, dualstack: bool) -> String {
    let (plain, dual) = by_hand::suffixes(region);
    let always_fips = region.starts_with("us-gov-") && !dualstack;
    let variant = if fips && !always_fips { "-fips" } else { "" };
    format!("https://cloudformation{variant}.{region}.{}", if dualstack { dual } else { plain })
}
