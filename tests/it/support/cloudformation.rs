//! A stand-in for CloudFormation: it makes nothing, but says that it does, event by event, and has the outputs that a test gave it.
//!
//! Each look at the events of a stack brings the next few; a stack is at rest when its last one came. It lives until the test's process
//! ends. What it says is composed after the API reference; that it is what CloudFormation says, no test can tell.
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Events of a page: few, so that there are several pages.
const PAGE: usize = 3;
/// Events that happen between two looks.
const AT_ONCE: usize = 4;

/// The service.
pub struct CloudFormation {
    url: String,
    state: Arc<Mutex<State>>,
}

/// What it holds and what it was asked.
#[derive(Default)]
pub struct State {
    pub stacks: BTreeMap<String, Stack>,
    /// Calls by their names, without those that only look.
    pub calls: Vec<String>,
    /// The outputs of each stack that comes to be.
    pub outputs: Vec<(&'static str, String)>,
    /// The part that cannot be made, and why.
    pub broken: Option<(&'static str, &'static str)>,
    /// Answers to so many calls that it is asked too often.
    pub throttled: usize,
    /// What a change set shows; nothing, where it is empty.
    pub changes: Vec<(&'static str, &'static str, &'static str)>,
    made: usize,
}

/// One stack.
#[derive(Clone, Default)]
pub struct Stack {
    pub id: String,
    pub status: String,
    pub parameters: BTreeMap<String, String>,
    pub template: String,
    events: Vec<Event>,
    coming: Vec<Event>,
    /// What it comes to with the last event.
    last: String,
}

#[derive(Clone)]
struct Event {
    id: String,
    logical: String,
    kind: String,
    status: String,
    reason: String,
    of_stack: bool,
}

impl CloudFormation {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let told = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || while serve(&connection, &told).is_some() {});
            }
        });
        Self { url, state }
    }

    /// Its address, for `AWS_ENDPOINT_URL_CLOUDFORMATION`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request of a connection.
fn serve(connection: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[before..].to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body).ok()?;
    let members: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = if head.contains("/us-east-1/cloudformation/aws4_request") {
        state.answer(&members)
    } else {
        Err(("IncompleteSignature", "not signed for CloudFormation".to_owned()))
    };
    let action = &members["Action"];
    let (status, body) = match answer {
        Ok(result) => {
            ("200 OK", format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
        }
        Err((code, why)) => (
            "400 Bad Request",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error></ErrorResponse>",
                escaped(&why)
            ),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\nx-amzn-requestid: 1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = connection;
    connection.write_all(format!("{head}{body}").as_bytes()).ok()
}

type Answer = Result<String, (&'static str, String)>;

impl State {
    fn answer(&mut self, members: &BTreeMap<String, String>) -> Answer {
        if self.throttled > 0 {
            self.throttled -= 1;
            return Err(("Throttling", "Rate exceeded".to_owned()));
        }
        let action = members["Action"].as_str();
        if !action.starts_with("Describe") {
            self.calls.push(action.to_owned());
        }
        let name = members["StackName"].as_str();
        // What is gone is known by its id alone.
        let is_meant =
            |known: &str, stack: &Stack| stack.id == name || (known == name && stack.status != "DELETE_COMPLETE");
        let known = self.stacks.iter().find(|(known, stack)| is_meant(known, stack)).map(|(known, _)| known.clone());
        match action {
            "CreateStack" => {
                if known.is_some() {
                    return Err(("AlreadyExistsException", format!("Stack [{name}] already exists")));
                }
                self.made += 1;
                let id = format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/{}", self.made);
                let stack = Stack { id: id.clone(), ..Stack::default() };
                self.stacks.insert(name.to_owned(), stack);
                self.begin(name, "CREATE", members);
                Ok(format!("<StackId>{id}</StackId>"))
            }
            "DescribeChangeSet" => Ok(self.change_set()),
            "CreateChangeSet" | "DeleteChangeSet" => Ok(String::new()),
            _ => {
                let missing = || ("ValidationError", format!("Stack with id {name} does not exist"));
                let known = known.ok_or_else(missing)?;
                self.of_known(action, &known, members)
            }
        }
    }

    fn of_known(&mut self, action: &str, name: &str, members: &BTreeMap<String, String>) -> Answer {
        match action {
            "DescribeStacks" => Ok(format!("<Stacks><member>{}</member></Stacks>", self.described(name))),
            "DescribeStackEvents" => {
                // A page that follows another is still the same look.
                if !members.contains_key("NextToken") {
                    self.next(name);
                }
                let from: usize = members.get("NextToken").map_or(0, |token| token.parse().expect("ours"));
                let stack = &self.stacks[name];
                let all: Vec<String> = stack.events.iter().rev().map(|event| event.xml(stack)).collect();
                let page: String = all.iter().skip(from).take(PAGE).cloned().collect();
                let more = if from + PAGE < all.len() {
                    format!("<NextToken>{}</NextToken>", from + PAGE)
                } else {
                    String::new()
                };
                Ok(format!("<StackEvents>{page}</StackEvents>{more}"))
            }
            "DescribeStackResources" => {
                let of = |(logical, kind): (String, String)| {
                    format!(
                        "<member><LogicalResourceId>{logical}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                             <PhysicalResourceId>{name}-{logical}</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
                    )
                };
                Ok(format!(
                    "<StackResources>{}</StackResources>",
                    parts(&self.stacks[name].template).into_iter().map(of).collect::<String>()
                ))
            }
            "UpdateStack" => {
                let stack = &self.stacks[name];
                let same =
                    stack.template == members["TemplateBody"] && self.parameters(members, stack) == stack.parameters;
                if same {
                    return Err(("ValidationError", "No updates are to be performed.".to_owned()));
                }
                self.begin(name, "UPDATE", members);
                Ok(format!("<StackId>{}</StackId>", self.stacks[name].id))
            }
            "DeleteStack" => {
                self.begin(name, "DELETE", members);
                Ok(String::new())
            }
            other => Err(("InvalidAction", other.to_owned())),
        }
    }

    /// The parameters of a call, those that stay as they are from before.
    fn parameters(&self, members: &BTreeMap<String, String>, old: &Stack) -> BTreeMap<String, String> {
        let keys = members.iter().filter_map(|(member, key)| Some((member.strip_suffix(".ParameterKey")?, key)));
        let value = |(at, key): (&str, &String)| {
            let kept = || old.parameters.get(key).expect("one that the stack has").clone();
            (key.clone(), members.get(&format!("{at}.ParameterValue")).cloned().unwrap_or_else(kept))
        };
        let mut all: BTreeMap<String, String> = keys.map(value).collect();
        for (key, usual) in [("LogGroups", "/system/*"), ("Namespaces", "System/*")] {
            all.entry(key.to_owned()).or_insert_with(|| usual.to_owned());
        }
        all
    }

    /// Something begins: `CREATE`, `UPDATE`, `DELETE`.
    fn begin(&mut self, name: &str, word: &str, members: &BTreeMap<String, String>) {
        let mut stack = self.stacks[name].clone();
        if let Some(template) = members.get("TemplateBody") {
            stack.parameters = self.parameters(members, &stack);
            stack.template.clone_from(template);
        }
        let mut number = stack.events.len();
        let mut event = |logical: &str, kind: &str, status: String, reason: &str, of_stack| {
            number += 1;
            let (logical, kind, reason) = (logical.to_owned(), kind.to_owned(), reason.to_owned());
            Event { id: format!("event-{number}"), logical, kind, status, reason, of_stack }
        };
        const STACK: &str = "AWS::CloudFormation::Stack";
        let mut coming = vec![event(name, STACK, format!("{word}_IN_PROGRESS"), "User Initiated", true)];
        let broken = self.broken.filter(|_| word != "DELETE");
        for (logical, kind) in parts(&stack.template) {
            coming.push(event(&logical, &kind, format!("{word}_IN_PROGRESS"), "", false));
            match broken {
                Some((part, why)) if part == logical => {
                    coming.push(event(&logical, &kind, format!("{word}_FAILED"), why, false))
                }
                Some(_) => {
                    coming.push(event(&logical, &kind, format!("{word}_FAILED"), "Resource creation cancelled", false))
                }
                None => coming.push(event(&logical, &kind, format!("{word}_COMPLETE"), "", false)),
            }
        }
        let back = if word == "UPDATE" { "UPDATE_ROLLBACK" } else { "ROLLBACK" };
        stack.last = if broken.is_some() { format!("{back}_COMPLETE") } else { format!("{word}_COMPLETE") };
        coming.push(event(name, STACK, stack.last.clone(), "", true));
        coming.reverse();
        stack.coming = coming;
        stack.status = format!("{word}_IN_PROGRESS");
        self.stacks.insert(name.to_owned(), stack);
    }

    /// The next events happen.
    fn next(&mut self, name: &str) {
        let stack = self.stacks.get_mut(name).expect("known");
        for _ in 0..AT_ONCE {
            let Some(event) = stack.coming.pop() else { return };
            stack.events.push(event);
            if stack.coming.is_empty() {
                stack.status.clone_from(&stack.last);
            }
        }
    }

    fn described(&self, name: &str) -> String {
        let stack = &self.stacks[name];
        let is_there = stack.status.starts_with("CREATE_COMPLETE") || stack.status.starts_with("UPDATE");
        let outputs = self.outputs.iter().filter(|_| is_there);
        let outputs: String = outputs
            .map(|(key, value)| {
                format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
            })
            .collect();
        let parameters: String = stack
            .parameters
            .iter()
            .map(|(key, value)| {
                format!("<member><ParameterKey>{key}</ParameterKey><ParameterValue>{value}</ParameterValue></member>")
            })
            .collect();
        format!(
            "<StackName>{name}</StackName><StackId>{}</StackId><StackStatus>{}</StackStatus><Outputs>{outputs}</Outputs><Parameters>{parameters}</Parameters>",
            stack.id, stack.status
        )
    }

    fn change_set(&self) -> String {
        if self.changes.is_empty() {
            return "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes. Submit different information to create \
                    a change set.</StatusReason><Changes/>"
                .to_owned();
        }
        let changes = self.changes.iter().map(|(action, logical, replacement)| {
            format!("<member><Type>Resource</Type><ResourceChange><Action>{action}</Action><LogicalResourceId>{logical}</LogicalResourceId>\
                     <ResourceType>AWS::X::Y</ResourceType><Replacement>{replacement}</Replacement></ResourceChange></member>")
        });
        format!("<Status>CREATE_COMPLETE</Status><Changes>{}</Changes>", changes.collect::<String>())
    }
}

impl Event {
    fn xml(&self, stack: &Stack) -> String {
        let physical = if self.of_stack { stack.id.as_str() } else { "" };
        format!(
            "<member><EventId>{}</EventId><Timestamp>2026-01-31T12:00:00.000Z</Timestamp><LogicalResourceId>{}</LogicalResourceId><ResourceType>{}</ResourceType>\
             <ResourceStatus>{}</ResourceStatus><ResourceStatusReason>{}</ResourceStatusReason><PhysicalResourceId>{physical}</PhysicalResourceId></member>",
            self.id,
            self.logical,
            self.kind,
            self.status,
            escaped(&self.reason)
        )
    }
}

/// Names and types of a template's resources.
fn parts(template: &str) -> Vec<(String, String)> {
    let inside = template.split_once("\nResources:\n").map_or("", |(_, rest)| rest);
    let inside = inside.split("\nOutputs:").next().unwrap_or_default();
    let lines: Vec<&str> = inside.lines().collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' '))?;
            Some((name.to_owned(), pair[1].strip_prefix("    Type: ")?.to_owned()))
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = vec![];
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let code = [bytes.next().expect("two digits"), bytes.next().expect("two digits")];
                u8::from_str_radix(std::str::from_utf8(&code).expect("ASCII"), 16).expect("hexadecimal")
            }
            other => other,
        });
    }
    String::from_utf8(out).expect("UTF-8")
}
