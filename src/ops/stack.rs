//! A stack of CloudFormation is brought to where its template has it, or removed, and what happens meanwhile is told as it happens.
//!
//! Every step may be repeated: a stack that somebody else is changing is waited for first, one whose creation failed is removed and made
//! again. When this program is ended, CloudFormation goes on by itself; the next call waits for what it finds under way.
use super::templates::Template;
use crate::aws::{Admin, AdminError, Change, Event, Resource, Stack, StackRequest};
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks; grows while nothing happens. The account may ask a few times a second.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LAST_LOOK: Duration = Duration::from_secs(4);
/// Ends with it: CloudFormation is still at work.
const AT_WORK: &str = "_IN_PROGRESS";
/// A stack that has only been thought of: what the console makes for a change set.
const THOUGHT_OF: &str = "REVIEW_IN_PROGRESS";
/// What is said of each part that was not made because another one failed.
const CANCELLED: &str = "Resource creation cancelled";

/// What is told meanwhile.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Something begins.
    Step(String),
    /// Something happened.
    Event(&'a Event),
}

/// Hears it.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// Why a stack is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error(transparent)]
    Aws(#[from] AdminError),
    #[error("the stack {name} came to {status}{}", listed(causes))]
    Failed { name: String, status: String, causes: Vec<String> },
    #[error(
        "the stack {name} stands at {status}, which only a person can mend: look at it in the CloudFormation console, or remove it with `destroy`"
    )]
    Stuck { name: String, status: String },
    #[error("the stack {name} is gone; somebody else removed it")]
    Gone { name: String },
    #[error("the stack {name} has no output {output}: was it made of another template?")]
    NoOutput { name: String, output: &'static str },
}

fn listed(causes: &[String]) -> String {
    causes.iter().map(|cause| format!("\n  {cause}")).collect()
}

/// What a stack is to be.
#[derive(Debug)]
pub struct Spec<'a> {
    pub name: &'a str,
    pub template: &'static Template,
    /// What is said of parameters; of the others a new stack has the template's, an old one keeps its own.
    pub parameters: &'a [(String, String)],
}

impl Spec<'_> {
    /// With what an old stack has where nothing else is said.
    fn parameters(&self, old: Option<&Stack>) -> Vec<(String, Option<String>)> {
        let said = self.parameters.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let is_said = |key: &String| self.parameters.iter().any(|(said, _)| said == key);
        // What this version's template does not know any more would be refused.
        let is_known = |key: &String| self.template.body.contains(&format!("\n  {key}:\n"));
        let kept = old.into_iter().flat_map(|old| old.parameters.keys()).filter(|key| !is_said(key) && is_known(key));
        said.chain(kept.map(|key| (key.clone(), None))).collect()
    }

    fn request<'b>(&'b self, parameters: &'b [(String, Option<String>)], token: &'b str) -> StackRequest<'b> {
        StackRequest { name: self.name, template: self.template.body, parameters, token }
    }
}

/// Make the stack, or bring it up to date. As it is then.
///
/// # Errors
/// When it could not be made so; a stack that was there is then as it was before, which CloudFormation sees to.
pub async fn bring(admin: &Admin, spec: &Spec<'_>, tell: Tell<'_>) -> Result<Stack, StackError> {
    let name = spec.name;
    let Some(old) = at_rest(admin, name, tell).await? else { return create(admin, spec, tell).await };
    match old.status.as_str() {
        "ROLLBACK_COMPLETE" | THOUGHT_OF => {
            tell(Progress::Step(format!(
                "the stack {name} stands at {} and holds nothing: it is removed and made anew",
                old.status
            )));
            remove_one(admin, &old, tell).await?;
            create(admin, spec, tell).await
        }
        status if status.ends_with("_FAILED") => {
            Err(StackError::Stuck { name: name.to_owned(), status: status.to_owned() })
        }
        _ => {
            let last = last_event(admin, &old.id).await?;
            let parameters = spec.parameters(Some(&old));
            if !admin.update_stack(&spec.request(&parameters, &token())).await? {
                tell(Progress::Step(format!("the stack {name} is up to date")));
                return Ok(old);
            }
            tell(Progress::Step(format!("the stack {name} is brought up to date")));
            let now = follow(admin, &old.id, last, tell).await?;
            // UPDATE_COMPLETE alone: rolled back it is complete, too, and not what was asked for.
            finished(admin, now, "UPDATE_COMPLETE").await
        }
    }
}

async fn create(admin: &Admin, spec: &Spec<'_>, tell: Tell<'_>) -> Result<Stack, StackError> {
    tell(Progress::Step(format!("the stack {} is made in {}: {}", spec.name, admin.region(), spec.template.purpose)));
    let parameters = spec.parameters(None);
    let id = admin.create_stack(&spec.request(&parameters, &token())).await?;
    let now = follow(admin, &id, None, tell).await?;
    finished(admin, now, "CREATE_COMPLETE").await
}

/// What making or updating it would come to.
#[derive(Debug)]
pub enum Plan {
    /// It is not there: all of it would be made.
    New,
    /// What would change; nothing, where the list is empty.
    Changes(Stack, Vec<Change>),
    /// Nobody can tell while it stands so.
    At(Stack),
}

/// Find out what [`bring`] would do. Makes nothing but a change set, which is removed again.
///
/// # Errors
/// When it cannot be found out.
pub async fn plan(admin: &Admin, spec: &Spec<'_>) -> Result<Plan, StackError> {
    let Some(old) = admin.stack(spec.name).await? else { return Ok(Plan::New) };
    if !old.status.ends_with("_COMPLETE") || old.status == "ROLLBACK_COMPLETE" {
        return Ok(Plan::At(old));
    }
    let (parameters, token) = (spec.parameters(Some(&old)), token());
    let name = format!("plan-{token}");
    admin.create_change_set(&spec.request(&parameters, &token), &name).await?;
    let changes = loop {
        match admin.changes(&old.id, &name).await {
            Ok(None) => sleep(FIRST_LOOK).await,
            Ok(Some(changes)) => break Ok(changes),
            Err(error) => break Err(error),
        }
    };
    // Whatever came of it, it is not left behind.
    let removed = admin.delete_change_set(&old.id, &name).await;
    let changes = changes?;
    removed?;
    Ok(Plan::Changes(old, changes))
}

/// What is in a stack; `None`: there is no such stack.
///
/// # Errors
/// When it cannot be asked for.
pub async fn contents(admin: &Admin, name: &str) -> Result<Option<(Stack, Vec<Resource>)>, StackError> {
    let Some(stack) = admin.stack(name).await? else { return Ok(None) };
    let resources = admin.resources(&stack.id).await?;
    Ok(Some((stack, resources)))
}

/// Remove a stack with all that is in it. One that is being changed is waited for.
///
/// # Errors
/// When something of it could not be removed.
pub async fn remove(admin: &Admin, name: &str, tell: Tell<'_>) -> Result<(), StackError> {
    match at_rest(admin, name, tell).await? {
        Some(stack) => remove_one(admin, &stack, tell).await,
        None => Ok(()),
    }
}

async fn remove_one(admin: &Admin, stack: &Stack, tell: Tell<'_>) -> Result<(), StackError> {
    let last = last_event(admin, &stack.id).await?;
    admin.delete_stack(&stack.id, &token()).await?;
    match follow(admin, &stack.id, last, tell).await {
        Err(StackError::Gone { .. }) => Ok(()),
        other => finished(admin, other?, "DELETE_COMPLETE").await.map(drop),
    }
}

/// The stack when nobody is changing it any more.
async fn at_rest(admin: &Admin, name: &str, tell: Tell<'_>) -> Result<Option<Stack>, StackError> {
    match admin.stack(name).await? {
        Some(stack) if stack.status.ends_with(AT_WORK) && stack.status != THOUGHT_OF => {
            tell(Progress::Step(format!(
                "the stack {name} is being changed already ({}); this is waited for",
                stack.status
            )));
            let last = last_event(admin, &stack.id).await?;
            match follow(admin, &stack.id, last, tell).await {
                Err(StackError::Gone { .. }) => Ok(None),
                // The name is free again.
                Ok(stack) if stack.status == "DELETE_COMPLETE" => Ok(None),
                other => other.map(Some),
            }
        }
        other => Ok(other),
    }
}

async fn last_event(admin: &Admin, id: &str) -> Result<Option<String>, StackError> {
    Ok(admin.events(id, None).await?.pop().map(|event| event.id))
}

/// Tell what happens until nothing does any more.
async fn follow(admin: &Admin, id: &str, mut last: Option<String>, tell: Tell<'_>) -> Result<Stack, StackError> {
    let mut wait = FIRST_LOOK;
    loop {
        // First how it stands, then what happened: so nothing that led there is missed.
        let stack = admin.stack(id).await?.ok_or_else(|| StackError::Gone { name: id.to_owned() })?;
        let events = admin.events(id, last.as_deref()).await?;
        events.iter().for_each(|event| tell(Progress::Event(event)));
        wait = if events.is_empty() { (wait * 2).min(LAST_LOOK) } else { FIRST_LOOK };
        if let Some(event) = events.into_iter().next_back() {
            last = Some(event.id);
        }
        if !stack.status.ends_with(AT_WORK) {
            return Ok(stack);
        }
        sleep(wait).await;
    }
}

/// The stack, where it came to this status; else why it did not.
async fn finished(admin: &Admin, stack: Stack, wanted: &str) -> Result<Stack, StackError> {
    if stack.status == wanted {
        return Ok(stack);
    }
    let events = admin.events(&stack.id, None).await.unwrap_or_default();
    // Of the last undertaking alone: it began with an event of the stack itself that says that it is at work.
    let begun = events.iter().rposition(|event| {
        event.physical == stack.id
            && matches!(event.status.as_str(), "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS")
    });
    let causes =
        events[begun.unwrap_or(0)..].iter().filter(|event| event.status.ends_with("_FAILED")).filter_map(|event| {
            let reason = event.reason.as_deref().filter(|reason| !reason.starts_with(CANCELLED))?;
            Some(format!("{} ({}): {reason}", event.logical, event.kind))
        });
    let mut causes: Vec<String> = causes.collect();
    causes.extend(stack.reason.clone().filter(|_| causes.is_empty()));
    let name = stack.id.split('/').nth(1).unwrap_or(&stack.id).to_owned();
    Err(StackError::Failed { name, status: stack.status, causes })
}

/// An output that the template promises.
///
/// # Errors
/// When it is not there.
pub fn output<'a>(stack: &'a Stack, output: &'static str) -> Result<&'a str, StackError> {
    let name = || stack.id.split('/').nth(1).unwrap_or(&stack.id).to_owned();
    stack.outputs.get(output).map(String::as_str).ok_or_else(|| StackError::NoOutput { name: name(), output })
}

/// What makes a call that is asked twice one.
fn token() -> String {
    format!("acp-{:016x}", fastrand::u64(..))
}
