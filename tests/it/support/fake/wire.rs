//! The protocols that are spoken here: AWS JSON 1.1 (Logs, Cognito), Smithy RPC v2 CBOR (CloudWatch) and the queries of EC2 and STS.
use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response, http::response::Builder};
use serde_json::{Value, json};
use std::io::Read;

/// An answer of the fake.
pub type Answer = Response<Full<Bytes>>;

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    Json,
    Cbor,
    /// A form, answered in XML.
    Query,
}

/// The protocol and the operation's name, or `None` for something else altogether.
pub fn call<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<(Protocol, &'a str)> {
    if header(headers, "smithy-protocol") == "rpc-v2-cbor" {
        let operation = path.strip_prefix("/service/GraniteServiceVersion20100801/operation/")?;
        return Some((Protocol::Cbor, operation));
    }
    if header(headers, "content-type").starts_with("application/x-www-form-urlencoded") {
        // Its name stands in the body; there is but one of each service.
        let of_sts = header(headers, "authorization").contains("/sts/aws4_request");
        return Some((Protocol::Query, if of_sts { "AssumeRole" } else { "DescribeTags" }));
    }
    let (_, operation) = header(headers, "x-amz-target").split_once('.')?;
    Some((Protocol::Json, operation))
}

/// A header's text; empty when it is not there.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The body without its compression, as one tree.
pub fn decode(protocol: Protocol, headers: &HeaderMap, body: &[u8]) -> Result<(Value, usize), String> {
    let mut unpacked = Vec::new();
    let body = match header(headers, "content-encoding") {
        "" => body,
        "gzip" => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut unpacked).map_err(|why| format!("gzip: {why}"))?;
            &unpacked[..]
        }
        other => return Err(format!("content-encoding {other}")),
    };
    let tree = match protocol {
        Protocol::Json => serde_json::from_slice(body).map_err(|why| format!("JSON: {why}"))?,
        Protocol::Cbor => {
            tree(ciborium::from_reader::<ciborium::Value, _>(body).map_err(|why| format!("CBOR: {why}"))?)
        }
        Protocol::Query => form(body)?,
    };
    Ok((tree, body.len()))
}

/// The fields of a form.
fn form(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|why| format!("form: {why}"))?;
    let field = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let mut parts = value.split('%');
        let mut plain = parts.next()?.to_owned();
        for part in parts {
            plain.push(u8::from_str_radix(part.get(..2)?, 16).ok()?.into());
            plain.push_str(&part[2..]);
        }
        Some((name.to_owned(), Value::String(plain)))
    };
    let fields: Option<serde_json::Map<_, _>> = text.split('&').map(field).collect();
    fields.map(Value::Object).ok_or_else(|| format!("form: {text}"))
}

/// The same tree in JSON's types. A number that JSON cannot carry becomes its name, so that it is no number any more.
fn tree(value: ciborium::Value) -> Value {
    use ciborium::Value as Cbor;
    match value {
        Cbor::Integer(number) => i64::try_from(number).map_or(Value::Null, |number| json!(number)),
        Cbor::Float(number) if number.is_finite() => json!(number),
        Cbor::Float(number) => json!(number.to_string()),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bool(yes) => Value::Bool(yes),
        Cbor::Array(items) => items.into_iter().map(tree).collect(),
        Cbor::Map(pairs) => Value::Object(
            pairs.into_iter().map(|(key, value)| (key.into_text().unwrap_or_default(), tree(value))).collect(),
        ),
        // Tag 1 marks a time; the number under it is what counts.
        Cbor::Tag(_, inner) => tree(*inner),
        _ => Value::Null,
    }
}

/// A success with this content.
pub fn success(protocol: Protocol, content: &Value) -> Answer {
    finish(Response::builder().status(200), protocol, content)
}

/// A failure as the service words it.
pub fn failure(protocol: Protocol, status: u16, code: &str, message: &str) -> Answer {
    let kind = match protocol {
        Protocol::Json => code.to_owned(),
        Protocol::Cbor => format!("com.amazonaws.cloudwatch#{code}"),
        Protocol::Query => {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            return finish(
                Response::builder().status(status),
                protocol,
                &json!(format!("<Response><Errors>{error}</Errors></Response>")),
            );
        }
    };
    let head = Response::builder().status(status).header("x-amzn-errortype", code);
    finish(head, protocol, &json!({ "__type": kind, "message": message }))
}

fn finish(head: Builder, protocol: Protocol, content: &Value) -> Answer {
    let head = head.header("x-amzn-requestid", "00000000-0000-0000-0000-000000000000");
    let (head, body) = match protocol {
        Protocol::Json => (head.header("content-type", "application/x-amz-json-1.1"), content.to_string().into_bytes()),
        Protocol::Cbor => {
            let mut body = Vec::new();
            ciborium::into_writer(content, &mut body).expect("a vector takes everything");
            (head.header("content-type", "application/cbor").header("smithy-protocol", "rpc-v2-cbor"), body)
        }
        // XML as it stands.
        Protocol::Query => {
            (head.header("content-type", "text/xml;charset=UTF-8"), content.as_str().unwrap_or_default().into())
        }
    };
    head.body(Full::new(body.into())).expect("the headers above are valid")
}
