//! The protocol of those services that take a form and answer in XML: EC2, CloudFormation.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>, <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>
use super::signed::Question;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_types::error::ErrorMetadata;
use roxmltree::{Document, Node, ParsingOptions};
use std::{fmt::Write, str};

pub(in crate::aws) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// Elements, attributes and texts of an answer. A hundred volumes, or events of a stack, have a tenth of it.
const MOST_NODES: u32 = 50_000;

/// A question with these members. `action` is the call's name in IAM.
pub(in crate::aws) fn question(
    action: &'static str,
    version: &str,
    members: impl IntoIterator<Item = (String, String)>,
) -> Question {
    let mut body = format!("Action={}&Version={version}", action.rsplit(':').next().unwrap_or(action));
    for (name, value) in members {
        _ = write!(body, "&{name}=");
        encode(&value, &mut body);
    }
    let headers = vec![("content-type", CONTENT_TYPE.to_owned())];
    Question { action, method: "POST", path: "/".to_owned(), headers, body: body.into() }
}

/// As it stands in a form or a path: <https://www.rfc-editor.org/rfc/rfc3986.html#section-2.3>
pub(in crate::aws) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
}

/// What answers a call is called after it; an error is called `Response` or `ErrorResponse`.
pub(in crate::aws) fn answer(name: &str, response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let stranger = || OrchestratorError::other("the answer is none of this service");
    let body = str::from_utf8(response.body().bytes().unwrap_or_default()).map_err(|_| stranger())?;
    let document = parse(body).map_err(|_| stranger())?;
    let root = document.root_element();
    if response.status().is_success() {
        let is_ours = root.tag_name().name().strip_suffix("Response") == Some(name);
        return if is_ours { Ok(body.to_owned()) } else { Err(stranger()) };
    }
    let error = child(child(root, "Errors").unwrap_or(root), "Error").ok_or_else(stranger)?;
    let code = text(error, "Code").ok_or_else(stranger)?;
    let mut metadata = ErrorMetadata::builder().code(code);
    if let Some(message) = text(error, "Message") {
        metadata = metadata.message(message);
    }
    Err(OrchestratorError::operation(metadata.build()))
}

pub(in crate::aws) fn parse(xml: &str) -> Result<Document<'_>, roxmltree::Error> {
    Document::parse_with_options(xml, ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() })
}

pub(in crate::aws) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// What stands in the child of this name, without blanks around it; `None` also where that is nothing.
pub(in crate::aws) fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

/// The elements of a list.
pub(in crate::aws) fn items<'a, 'input>(node: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    let list = child(node, name).into_iter().flat_map(|list| list.children());
    // EC2 calls them by the first name, all others by the second.
    list.filter(|item| matches!(item.tag_name().name(), "item" | "member"))
}
