//! The fake's door: connections, faults, signatures, and one answer for each operation.
use super::{
    Shared,
    cloud::{Call, Event, Standing, State},
    faults::{Fault, Op},
    limits::{self, PutLogEvents},
    signature::Authorization,
    wire::{self, Answer, Protocol, failure, success},
};
use aws_smithy_types::{DateTime, date_time::Format};
use http_body_util::BodyExt;
use hyper::{Request, body::Incoming, http::request::Parts, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    io,
    sync::{Arc, mpsc},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpSocket, sync::oneshot};

/// Serve on this thread from `plugged` until `stopped`.
pub fn run(
    socket: TcpSocket,
    plugged: oneshot::Receiver<mpsc::Sender<()>>,
    stopped: oneshot::Receiver<()>,
    shared: Arc<Shared>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let Ok(listening) = plugged.await else {
            return; // Dropped without ever having been plugged in.
        };
        let listener = socket.listen(1024).expect("a bound socket can listen");
        listening.send(()).expect("whoever plugs in waits for this");
        let serving = async {
            loop {
                let (connection, _) = listener.accept().await.expect("accepting works");
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let answering = service_fn(move |request| serve(request, Arc::clone(&shared)));
                    let connection = TokioIo::new(connection);
                    // Ends with an error when the daemon leaves or a fault hangs up: both are meant.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(connection, answering).await;
                });
            }
        };
        tokio::select! {
            () = serving => {}
            _ = stopped => {}
        }
    });
}

/// One request. `Err` closes the connection without an answer.
async fn serve(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let called = wire::call(head.uri.path(), &head.headers);
    let Some((protocol, op)) = called.and_then(|(protocol, name)| Some((protocol, Op::named(name)?))) else {
        let what = format!("no such operation: {} {} {:?}", head.method, head.uri, called);
        shared.state().seen.violations.push(what);
        return Ok(failure(Protocol::Json, 400, "UnknownOperationException", "not served here"));
    };
    *shared.state().seen.calls.entry(op).or_default() += 1;
    let fault = shared.plan().take(op);
    // Whatever follows, the call itself is news.
    shared.changed.send_modify(|version| *version += 1);
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::HangUp) => return Err(io::Error::other("hung up on purpose")),
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut answer = match fault {
        Some(Fault::Throttle) => failure(protocol, 400, "ThrottlingException", "Rate exceeded"),
        Some(Fault::ServerError) => failure(protocol, 500, "InternalFailure", "failed on purpose"),
        Some(Fault::Denied) => {
            failure(protocol, 400, "AccessDeniedException", &format!("not authorized to perform {op:?}"))
        }
        _ => respond(op, protocol, &head, &body, &mut shared.state()),
    };
    let told = Some(&*shared.state()).filter(|state| state.tells_time).map(|state| now() + state.ahead);
    if let Some(millis) = told {
        let date = DateTime::from_millis(millis).fmt(Format::HttpDate).expect("a time that people live in");
        answer.headers_mut().insert("date", date.parse().expect("ASCII"));
    }
    shared.changed.send_modify(|version| *version += 1);
    match fault {
        Some(Fault::LoseAnswer) => Err(io::Error::other("the answer is lost on purpose")),
        _ => Ok(answer),
    }
}

fn respond(op: Op, protocol: Protocol, head: &Parts, body: &[u8], state: &mut State) -> Answer {
    if let Some(refusal) = check_signature(op, protocol, head, body, state) {
        return refusal;
    }
    let (request, size) = match wire::decode(protocol, &head.headers, body) {
        Ok(decoded) => decoded,
        Err(why) => {
            state.seen.violations.push(format!("{op:?}: {why}"));
            return failure(protocol, 400, "SerializationException", &why);
        }
    };
    note(op, head, &request, state);
    match op {
        Op::PutMetricData => {
            let compressed = !wire::header(&head.headers, "content-encoding").is_empty();
            put_metric_data(state, protocol, &request, size, compressed)
        }
        Op::PutLogEvents => put_log_events(state, request, wire::header(&head.headers, "x-amzn-logs-format")),
        Op::CreateLogGroup => create_log_group(state, &request),
        Op::CreateLogStream => create_log_stream(state, &request),
        Op::PutRetentionPolicy => put_retention_policy(state, &request),
        Op::DescribeLogGroups => describe_log_groups(state, &request),
        Op::InitiateAuth => initiate_auth(state, &request),
        Op::GetId => get_id(state, &request),
        Op::GetCredentialsForIdentity => get_credentials(state, &request),
        Op::DescribeTags => describe_tags(state, &request),
        Op::AssumeRole => assume_role(state, &request),
    }
}

/// Keep what a policy would look at.
fn note(op: Op, head: &Parts, request: &Value, state: &mut State) {
    if let Some(signed) = Authorization::of(&head.headers) {
        let named = |name| Some((name, request[name].as_str()?.to_owned()));
        let names = Call::NAMES.into_iter().filter_map(named).collect();
        state.seen.made.push(Call { op, access_key: signed.access_key.to_owned(), names });
    }
}

/// The refusal, when there is a reason for one.
fn check_signature(op: Op, protocol: Protocol, head: &Parts, body: &[u8], state: &mut State) -> Option<Answer> {
    let authorization = Authorization::of(&head.headers);
    let (true, Some(signed)) = (op.is_signed(), &authorization) else {
        if op.is_signed() != authorization.is_some() {
            let how = if op.is_signed() { "without a" } else { "with a needless" };
            state.seen.violations.push(format!("{op:?} {how} signature"));
        }
        return None;
    };
    if !state.seen.keys.iter().any(|key| key == signed.access_key) {
        state.seen.keys.push(signed.access_key.to_owned());
    }
    let key = match state.standing(signed.access_key) {
        Standing::Good(key) => key,
        Standing::Expired => {
            return Some(failure(
                protocol,
                400,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ));
        }
        Standing::Unknown => {
            return Some(failure(
                protocol,
                400,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
    };
    let token = wire::header(&head.headers, "x-amz-security-token");
    let wanted = signed.expected(head, body, &key.secret);
    if signed.signature != wanted || token != key.token.unwrap_or_default() {
        state.seen.violations.push(format!("{op:?} with a wrong signature for {}", signed.scope));
        return Some(failure(
            protocol,
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        ));
    }
    None
}

fn put_metric_data(state: &mut State, protocol: Protocol, request: &Value, size: usize, compressed: bool) -> Answer {
    // Where it does not tell its time, nobody could send by it.
    let ahead = if state.tells_time { state.ahead } else { 0 };
    let wrong_at = |time| limits::put_metric_data(request, size, compressed, time);
    let (wrong, by_theirs) = (wrong_at(now() + ahead), wrong_at(now()));
    if !wrong.is_empty() && by_theirs.is_empty() {
        state.seen.mistimed += 1;
        return failure(protocol, 400, "InvalidParameterValueException", "a timestamp is out of range");
    }
    if !wrong.is_empty() {
        state.seen.violations.extend(wrong);
        return failure(protocol, 400, "InvalidParameterValueException", "over a limit");
    }
    state.keep_datums(request);
    success(protocol, &json!({}))
}

fn put_log_events(state: &mut State, request: Value, format: &str) -> Answer {
    let request: PutLogEvents = match serde_json::from_value(request) {
        Ok(request) => request,
        Err(why) => {
            state.seen.violations.push(format!("PutLogEvents: {why}"));
            return failure(Protocol::Json, 400, "InvalidParameterException", &why.to_string());
        }
    };
    let wrong = limits::put_log_events(&request);
    if !wrong.is_empty() {
        state.seen.violations.extend(wrong);
        return failure(Protocol::Json, 400, "InvalidParameterException", "over a limit");
    }
    let (group, stream) = (request.log_group_name, request.log_stream_name);
    match state.seen.groups.get(&group) {
        None => return not_found("The specified log group does not exist."),
        Some(found) if !found.streams.contains(&stream) => {
            return not_found("The specified log stream does not exist.");
        }
        Some(_) => {}
    }
    if let Some(text) = &state.refused_text
        && request.log_events.iter().any(|event| event.message.contains(text))
    {
        return failure(Protocol::Json, 400, "InvalidParameterException", "1 validation error detected");
    }
    let count = request.log_events.len();
    let timely = limits::timely(&request.log_events, now() + state.ahead);
    let mut rejected = serde_json::Map::new();
    if timely.start > 0 {
        rejected.insert("tooOldLogEventEndIndex".into(), json!(timely.start));
    }
    if timely.end < count {
        rejected.insert("tooNewLogEventStartIndex".into(), json!(timely.end));
    }
    for event in request.log_events.into_iter().take(timely.end).skip(timely.start) {
        let (group, stream, format) = (group.clone(), stream.clone(), format.to_owned());
        state.seen.events.push(Event { group, stream, at: event.timestamp, message: event.message, format });
    }
    let mut answer = json!({ "nextSequenceToken": "1" });
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = Value::Object(rejected);
    }
    success(Protocol::Json, &answer)
}

fn not_found(message: &str) -> Answer {
    failure(Protocol::Json, 400, "ResourceNotFoundException", message)
}

fn exists(message: &str) -> Answer {
    failure(Protocol::Json, 400, "ResourceAlreadyExistsException", message)
}

fn field(request: &Value, name: &str) -> String {
    request[name].as_str().unwrap_or_default().to_owned()
}

fn create_log_group(state: &mut State, request: &Value) -> Answer {
    let group = field(request, "logGroupName");
    if !limits::is_group_name(&group) {
        state.seen.violations.push(format!("CreateLogGroup with name {group:?}"));
        return failure(Protocol::Json, 400, "InvalidParameterException", "logGroupName");
    }
    if state.seen.groups.contains_key(&group) {
        return exists("The specified log group already exists");
    }
    state.seen.groups.insert(group, Default::default());
    success(Protocol::Json, &json!({}))
}

fn create_log_stream(state: &mut State, request: &Value) -> Answer {
    let stream = field(request, "logStreamName");
    if !limits::is_stream_name(&stream) {
        state.seen.violations.push(format!("CreateLogStream with name {stream:?}"));
        return failure(Protocol::Json, 400, "InvalidParameterException", "logStreamName");
    }
    match state.seen.groups.get_mut(&field(request, "logGroupName")) {
        None => not_found("The specified log group does not exist."),
        Some(group) if group.streams.contains(&stream) => exists("The specified log stream already exists"),
        Some(group) => {
            group.streams.insert(stream);
            success(Protocol::Json, &json!({}))
        }
    }
}

fn put_retention_policy(state: &mut State, request: &Value) -> Answer {
    match state.seen.groups.get_mut(&field(request, "logGroupName")) {
        None => not_found("The specified log group does not exist."),
        Some(group) => {
            group.retention_in_days = request["retentionInDays"].as_i64();
            success(Protocol::Json, &json!({}))
        }
    }
}

/// On one page: no story has so many.
fn describe_log_groups(state: &State, request: &Value) -> Answer {
    let prefix = field(request, "logGroupNamePrefix");
    let groups = state.seen.groups.iter().filter(|(name, _)| name.starts_with(&prefix));
    let groups = groups.map(|(name, group)| match group.retention_in_days {
        Some(days) => json!({ "logGroupName": name, "retentionInDays": days }),
        None => json!({ "logGroupName": name }),
    });
    success(Protocol::Json, &json!({ "logGroups": groups.collect::<Vec<_>>() }))
}

const ID_TOKEN: &str = "e30.e30.e30";
const REFRESH_TOKEN: &str = "the-refresh-token";
const IDENTITY: &str = "us-east-1:11111111-1111-1111-1111-111111111111";

fn initiate_auth(state: &State, request: &Value) -> Answer {
    let given = &request["AuthParameters"];
    let good = match request["AuthFlow"].as_str() {
        Some("USER_PASSWORD_AUTH") => match &state.login {
            Some((name, password)) => given["USERNAME"] == name.as_str() && given["PASSWORD"] == password.as_str(),
            None => true,
        },
        Some("REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN") => given["REFRESH_TOKEN"] == REFRESH_TOKEN,
        _ => false,
    };
    if !good {
        return failure(Protocol::Json, 400, "NotAuthorizedException", "Incorrect username or password.");
    }
    let mut result = json!({ "IdToken": ID_TOKEN, "AccessToken": ID_TOKEN, "ExpiresIn": 3600, "TokenType": "Bearer" });
    if given["PASSWORD"].is_string() {
        result["RefreshToken"] = json!(REFRESH_TOKEN);
    }
    success(Protocol::Json, &json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}

fn is_logged_in(request: &Value) -> bool {
    let logins = request["Logins"].as_object();
    logins.is_some_and(|l| l.iter().any(|(name, token)| name.starts_with("cognito-idp.") && token == ID_TOKEN))
}

fn get_id(state: &mut State, request: &Value) -> Answer {
    if !is_logged_in(request) {
        state.seen.violations.push(format!("GetId with logins {}", request["Logins"]));
        return failure(Protocol::Json, 400, "NotAuthorizedException", "Unauthenticated access is not supported");
    }
    success(Protocol::Json, &json!({ "IdentityId": IDENTITY }))
}

fn get_credentials(state: &mut State, request: &Value) -> Answer {
    if !is_logged_in(request) || request["IdentityId"] != IDENTITY {
        state.seen.violations.push(format!("GetCredentialsForIdentity with {request}"));
        return failure(Protocol::Json, 400, "NotAuthorizedException", "Unauthenticated access is not supported");
    }
    let key = state.issue_key();
    let keys = json!({
        "AccessKeyId": key.access_key,
        "SecretKey": key.secret,
        "SessionToken": key.token,
        "Expiration": now() / 1000 + 3600,
    });
    success(Protocol::Json, &json!({ "IdentityId": IDENTITY, "Credentials": keys }))
}

/// Of one instance, by its key.
fn describe_tags(state: &mut State, request: &Value) -> Answer {
    let asked = [field(request, "Action"), field(request, "Filter.1.Value.1"), field(request, "Filter.3.Value.1")];
    if asked != ["DescribeTags", "instance", "aws:autoscaling:groupName"] {
        state.seen.violations.push(format!("a question of EC2: {request}"));
        return failure(Protocol::Query, 400, "InvalidParameterValue", "filters");
    }
    let item = |group: &String| format!("<item><key>aws:autoscaling:groupName</key><value>{group}</value></item>");
    let items = state.scaling_group.as_ref().map(item).unwrap_or_default();
    let body = format!("<DescribeTagsResponse><tagSet>{items}</tagSet></DescribeTagsResponse>");
    success(Protocol::Query, &json!(body))
}

fn assume_role(state: &mut State, request: &Value) -> Answer {
    if field(request, "Action") != "AssumeRole" {
        state.seen.violations.push(format!("a question of STS: {request}"));
        return failure(Protocol::Query, 400, "InvalidAction", "not served here");
    }
    let key = state.issue_key();
    state.seen.roles.insert(key.access_key.clone(), field(request, "RoleArn"));
    let expiry = DateTime::from_millis(now() + 3_600_000).fmt(Format::DateTime).expect("a time that people live in");
    let given = [
        ("AccessKeyId", key.access_key),
        ("SecretAccessKey", key.secret),
        ("SessionToken", key.token.unwrap_or_default()),
        ("Expiration", expiry),
    ];
    let given: String = given.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    let result = format!("<AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>");
    success(Protocol::Query, &json!(format!("<AssumeRoleResponse>{result}</AssumeRoleResponse>")))
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    i64::try_from(since.as_millis()).expect("a clock before the year 292,278,994")
}
