//! The two protocols that the SDK speaks here: AWS JSON 1.1 (Logs, Cognito) and Smithy RPC v2 CBOR (CloudWatch).
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
}

/// The protocol and the operation's name, or `None` for something else altogether.
pub fn call<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<(Protocol, &'a str)> {
    if header(headers, "smithy-protocol") == "rpc-v2-cbor" {
        let operation = path.strip_prefix("/service/GraniteServiceVersion20100801/operation/")?;
        return Some((Protocol::Cbor, operation));
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
    };
    Ok((tree, body.len()))
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
    };
    head.body(Full::new(body.into())).expect("the headers above are valid")
}
