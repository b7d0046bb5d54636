//! Whether it was AWS that answered. The SDK takes any 200 for a success, also that of a captive portal or a proxy: what it
//! answers for would count as delivered and be forgotten.
//!
//! AWS marks each of its answers, errors too ([`is_marked`]). A success is one only with the status 200, such a mark, no
//! name of an error and the body that the call has ([`Expected`]). Anything else is an error, and tried again.
//! Answers of AWS also tell the time ([`Skews`]). To add a call, say what its body is.
use super::skew::Skews;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef, dyn_dispatch_hint},
        orchestrator::HttpResponse,
        runtime_components::RuntimeComponents,
    },
    http::Headers,
};
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;
use std::sync::Arc;

/// Bears the name of an error. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
const ERROR_TYPE: &str = "x-amzn-errortype";
/// What an error says in its body, and no success does.
const OF_ERRORS: [&str; 3] = ["__type", "message", "Message"];

/// Hears the answer of one call before anybody believes it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) expected: Expected,
    pub(super) skews: Arc<Skews>,
}

/// The body of a success.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// A JSON object: what was rejected, if anything.
    Put,
    /// Nothing, or a JSON object: what makes or sets something has nothing to tell.
    Made,
    /// A JSON object: what there is.
    Described,
    /// Nothing, or a CBOR map.
    Metrics,
}

/// A success that AWS does not send.
#[derive(Debug, thiserror::Error)]
#[error("a success that is none of AWS: {0}")]
pub(super) struct NotAws(&'static str);

/// Whether AWS sent it, by the headers that nobody else has a reason to send: each answer has an id, and the two protocols
/// have a content type and a header of their own.
pub(super) fn is_marked(headers: &Headers) -> bool {
    let begins = |name, text| headers.get(name).is_some_and(|value: &str| value.starts_with(text));
    ["x-amzn-requestid", "x-amz-request-id", ERROR_TYPE].iter().any(|name| headers.get(name).is_some())
        || begins("content-type", "application/x-amz-json-1.")
        || begins("smithy-protocol", "rpc-v2-cbor")
}

impl Expected {
    /// Whether this success is one.
    fn judge(self, status: u16, headers: &Headers, body: &[u8]) -> Result<(), NotAws> {
        if status != 200 {
            return Err(NotAws("its status is not 200"));
        }
        if headers.get(ERROR_TYPE).is_some() {
            return Err(NotAws("it names an error"));
        }
        if !is_marked(headers) {
            return Err(NotAws("it has none of the headers of AWS"));
        }
        let fits = match self {
            // With which members is not asked: services add new ones.
            Self::Put | Self::Described => is_object(body),
            Self::Made => body.is_empty() || is_object(body),
            // Major type 5: <https://www.rfc-editor.org/rfc/rfc8949.html#section-3.1>
            Self::Metrics => body.first().is_none_or(|first| first >> 5 == 5),
        };
        if fits { Ok(()) } else { Err(NotAws("its body is not what this call answers")) }
    }
}

/// Whether this is a JSON object that is no error.
fn is_object(body: &[u8]) -> bool {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => !OF_ERRORS.iter().any(|name| members.contains_key(*name)),
        _ => false,
    }
}

#[dyn_dispatch_hint]
impl Intercept for Listener {
    fn name(&self) -> &'static str {
        "Listener"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer: &HttpResponse = context.response();
        self.skews.hear(answer.headers());
        if context.output_or_error().is_err() {
            return Ok(()); // An error already, with more to tell than ours.
        }
        // The SDK has read it to its end by now.
        let body = answer.body().bytes().unwrap_or_default();
        Ok(self.expected.judge(answer.status().as_u16(), answer.headers(), body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
    const ID: (&str, &str) = ("x-amzn-requestid", "1");

    fn is_success(expected: Expected, status: u16, given: &[(&'static str, &'static str)], body: &[u8]) -> bool {
        let mut headers = Headers::new();
        for (name, value) in given {
            headers.insert(*name, *value);
        }
        expected.judge(status, &headers, body).is_ok()
    }

    #[test]
    fn what_the_services_send_is_a_success() {
        for body in [
            &b"{}"[..],
            br#"{"nextSequenceToken":"1","news":[]}"#,
            br#"{"rejectedLogEventsInfo":{}}"#,
            br#"{"news":[]}"#,
        ] {
            assert!(is_success(Expected::Put, 200, &[JSON, ID], body));
            // Emulators leave the content type to their web framework, or the id away.
            assert!(is_success(Expected::Put, 200, &[("content-type", "text/html"), ID], body));
            assert!(is_success(Expected::Put, 200, &[JSON], body));
        }
        for body in [&b""[..], b"{}", br#"{"news":1}"#] {
            assert!(is_success(Expected::Made, 200, &[JSON, ID], body));
        }
        for body in [&b""[..], b"\xa0", b"\xbf\xff", b"\xa1\x61x\x01"] {
            assert!(is_success(Expected::Metrics, 200, &[("smithy-protocol", "rpc-v2-cbor")], body));
        }
    }

    #[test]
    fn a_success_without_the_marks_of_aws_is_none() {
        assert!(!is_success(Expected::Put, 200, &[("content-type", "application/json")], b"{}"));
        assert!(!is_success(Expected::Made, 200, &[], b""));
        assert!(!is_success(Expected::Metrics, 200, &[("content-type", "text/html")], b""));
    }

    #[test]
    fn a_success_with_another_status_or_the_name_of_an_error_is_none() {
        for expected in [Expected::Put, Expected::Made, Expected::Metrics] {
            assert!(!is_success(expected, 204, &[JSON, ID], b""));
            assert!(!is_success(expected, 201, &[JSON, ID], b"{}"));
            assert!(!is_success(expected, 200, &[JSON, ID, (ERROR_TYPE, "ThrottlingException")], b"{}"));
        }
    }

    #[test]
    fn a_success_with_another_body_is_none() {
        for body in
            [&b""[..], b"[]", b"null", b"ok", br#"{"message":"maintenance"}"#, br#"{"__type":"Throttling"}"#, b"{} {}"]
        {
            assert!(!is_success(Expected::Put, 200, &[JSON, ID], body), "{body:?}");
        }
        for body in [&b"[]"[..], b"null", b"<html>", br#"{"message":"maintenance"}"#, br#"{"__type":"Throttling"}"#] {
            assert!(!is_success(Expected::Made, 200, &[JSON, ID], body), "{body:?}");
        }
        for body in [&b"<html>"[..], b"{}", b"ok"] {
            assert!(!is_success(Expected::Metrics, 200, &[JSON, ID], body), "{body:?}");
        }
    }
}
