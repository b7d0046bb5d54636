//! The answers of those services that speak JSON: Cognito, IoT.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>, <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::{Map, Value};

/// The members of an answer; an empty body has none.
pub(in crate::aws) fn answer(response: &HttpResponse) -> Result<Map<String, Value>, OrchestratorError<ErrorMetadata>> {
    let body = match response.body().bytes() {
        Some(body) if !body.is_empty() => body,
        _ => b"{}",
    };
    // What serde says of it may repeat a secret.
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| OrchestratorError::other("the answer is no JSON object"))?;
    if response.status().is_success() {
        return Ok(members);
    }
    let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)?.as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| text(&["code", "__type"]));
    // Some services put a namespace in front of the name, or a URL behind it.
    let code = code.map(|code| code.rsplit('#').next().unwrap_or(code)).and_then(|code| code.split(':').next());
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return Err(OrchestratorError::other("an error without a name"));
    };
    let mut error = ErrorMetadata::builder().code(code);
    if let Some(message) = text(&["message", "Message", "errorMessage"]) {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}
