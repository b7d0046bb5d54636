//! What only EC2's own API knows of an instance: its tags and its volumes. Two calls, of a service with seven hundred: they are made by
//! hand, in the protocol of its queries, and signed by the login itself, never by a role that is assumed for what is published.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>
//!
//! Each question is one attempt, with a second one only where the keys of the first did not hold. Whoever asks tries again.
use super::{
    auth::renewing::Renewing,
    base::Base,
    by_hand,
    errors::{Cause, Outcome, is_about_keys, is_denial, read, with_clock},
    inquiry::InquiryError,
    skew::Skews,
};
use crate::{
    config::{Severity, region},
    model::{Timestamp, facts::Volume},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
};
use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
use aws_types::SdkConfig;
use roxmltree::{Document, Node, ParsingOptions};
use std::{
    fmt::Write,
    str,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html>
const VERSION: &str = "2016-11-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The calls, by their names in IAM. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html>
pub(super) const DESCRIBE_TAGS: &str = "ec2:DescribeTags";
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html>
pub(super) const DESCRIBE_VOLUMES: &str = "ec2:DescribeVolumes";
/// Pages of one answer. An instance has at most a hundred volumes or so, and one tag of a name: all that fits on the first.
const MOST_PAGES: usize = 10;
/// Elements, attributes and texts of an answer. A hundred volumes have a tenth of it.
const MOST_NODES: u32 = 50_000;

/// Asks EC2.
pub(super) struct Ec2 {
    base: Arc<Base>,
    login: Arc<Renewing>,
    skews: Arc<Skews>,
}

impl Ec2 {
    pub(super) fn new(base: Arc<Base>, login: Arc<Renewing>, skews: Arc<Skews>) -> Self {
        Self { base, login, skews }
    }

    /// The value of this tag of an instance; `None`: it has no such tag.
    pub(super) async fn tag(&self, region: &str, instance: &str, key: &str) -> Result<Option<String>, InquiryError> {
        let filters = [("resource-type", "instance"), ("resource-id", instance), ("key", key)];
        let mut value = None;
        self.pages(DESCRIBE_TAGS, region, &filters, &mut |page| {
            let tag = items(page, "tagSet").find(|tag| text(*tag, "key") == Some(key));
            if let Some(found) = tag.and_then(|tag| text(tag, "value")) {
                value = Some(found.to_owned());
            }
        })
        .await?;
        Ok(value)
    }

    /// The volumes that are attached to an instance, by the names that they were attached by.
    pub(super) async fn volumes(&self, region: &str, instance: &str) -> Result<Vec<Volume>, InquiryError> {
        let mut volumes = vec![];
        self.pages(DESCRIBE_VOLUMES, region, &[("attachment.instance-id", instance)], &mut |page| {
            for attachment in items(page, "volumeSet").flat_map(|volume| items(volume, "attachmentSet")) {
                // A volume may be attached to more instances than this one.
                if text(attachment, "instanceId") == Some(instance)
                    && let (Some(device), Some(id)) = (text(attachment, "device"), text(attachment, "volumeId"))
                    && id.starts_with("vol-")
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                {
                    volumes.push(Volume { device: device.to_owned(), id: id.to_owned() });
                }
            }
        })
        .await?;
        Ok(volumes)
    }

    /// Ask with these filters, and hand each page of the answer on.
    async fn pages(
        &self,
        action: &'static str,
        region: &str,
        filters: &[(&str, &str)],
        take: &mut (dyn FnMut(Node<'_, '_>) + Send),
    ) -> Result<(), InquiryError> {
        let failed = |source: Cause| InquiryError::Ec2 { action, source: source.into() };
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let answer = self.ask(action, region, query(action, filters, token.as_deref())).await?;
            let page = parse(&answer).map_err(|error| failed(Cause::of(&error)))?;
            take(page.root_element());
            token = text(page.root_element(), "nextToken").map(str::to_owned);
            if token.is_none() {
                return Ok(());
            }
        }
        Err(failed(Cause::new(format!("the answer does not end after {MOST_PAGES} pages"))))
    }

    async fn ask(&self, action: &'static str, region: &str, query: String) -> Result<String, InquiryError> {
        let failed = |source: Cause| InquiryError::Ec2 { action, source: source.into() };
        // It becomes a part of a host name.
        if region.is_empty() || matches!(region::fault(region), Some((Severity::Error, ..))) {
            return Err(failed(Cause::new(format!("{region:?}, which the EC2 instance metadata names, is no region"))));
        }
        let keys = self.login.ready().await.map_err(|error| failed(error.brief()))?;
        let config = self.base.config().await.map_err(|error| failed(Cause::of(&error)))?;
        let url = by_hand::endpoint("EC2", config, |fips, dualstack| rule(region, fips, dualstack));
        let url = url.map_err(|fault| failed(Cause::new(fault)))?;
        let mut outcome = self.send(action, region, &url, config, keys, query.clone()).await;
        if let Err(Outcome::Answer(answer)) = &outcome
            && is_about_keys(answer.code())
            && self.login.renew().await.is_ok()
        {
            let keys = self.login.ready().await.map_err(|error| failed(error.brief()))?;
            outcome = self.send(action, region, &url, config, keys, query).await;
        }
        outcome.map_err(|outcome| match outcome {
            Outcome::Unreachable(cause) => failed(cause),
            Outcome::Answer(answer) if is_denial(answer.code()) => {
                InquiryError::Denied { action, source: answer.cause().into() }
            }
            Outcome::Answer(answer) => InquiryError::Ec2 { action, source: with_clock(&answer) },
        })
    }

    /// One attempt. Signed by the service's time, as far as it is known.
    async fn send(
        &self,
        action: &'static str,
        region: &str,
        url: &str,
        config: &SdkConfig,
        keys: Credentials,
        query: String,
    ) -> Result<String, Outcome> {
        let now = self.skews.service_time().unwrap_or_else(Timestamp::now).as_millis();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap_or_default());
        let request = request(url, region, &query, keys, now);
        let request = request.map_err(|error| Outcome::Unreachable(Cause::of(&*error)))?;
        let name = action.rsplit(':').next().unwrap_or(action);
        let skews = Arc::clone(&self.skews);
        let call = by_hand::call("EC2", name, url, config)
            .serializer(|request: Ready| request.0.try_clone().ok_or_else(|| "a body of bytes".into()))
            .deserializer(move |response| {
                skews.hear(response.headers());
                answer(name, response)
            })
            .build();
        call.invoke(Ready(request)).await.map_err(|error| read(&error, SystemTime::now()))
    }
}

/// A request with everything in it. Its headers are never printed.
struct Ready(HttpRequest);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// The rules of EC2's endpoints: as of most services, but for FIPS in GovCloud.
fn rule(region: &str, fips: bool, dualstack: bool) -> String {
    let (plain, dual) = by_hand::suffixes(region);
    let always_fips = region.starts_with("us-gov-") && !dualstack;
    let variant = if fips && !always_fips { "-fips" } else { "" };
    format!("https://ec2{variant}.{region}.{}", if dualstack { dual } else { plain })
}

/// The body of a question.
fn query(action: &str, filters: &[(&str, &str)], token: Option<&str>) -> String {
    let mut query = format!("Action={}&Version={VERSION}", action.rsplit(':').next().unwrap_or(action));
    let mut add = |name: std::fmt::Arguments<'_>, value: &str| {
        _ = write!(query, "&{name}=");
        for byte in value.bytes() {
            // All others than these are written as their codes: <https://www.rfc-editor.org/rfc/rfc3986.html#section-2.3>
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                query.push(byte.into());
            } else {
                _ = write!(query, "%{byte:02X}");
            }
        }
    };
    for (number, (name, value)) in (1..).zip(filters) {
        add(format_args!("Filter.{number}.Name"), name);
        add(format_args!("Filter.{number}.Value.1"), value);
    }
    if let Some(token) = token {
        add(format_args!("NextToken"), token);
    }
    query
}

/// The same as a request, signed. The path of the endpoint is part of what is signed, and is put in front later.
fn request(url: &str, region: &str, query: &str, keys: Credentials, now: SystemTime) -> Result<HttpRequest, BoxError> {
    let identity = keys.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ec2")
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let whole = format!("{}/", url.trim_end_matches('/'));
    let headers = [("content-type", CONTENT_TYPE)];
    let signable = SignableRequest::new("POST", &whole, headers.into_iter(), SignableBody::Bytes(query.as_bytes()))?;
    let (signature, _) = sign(signable, &signing)?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(query));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let sent = request.headers_mut();
    sent.try_insert("content-type", CONTENT_TYPE)?;
    sent.try_insert("user-agent", concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))?;
    for header in signature.into_parts().0 {
        sent.try_insert(header.name(), header.value().to_owned())?;
    }
    Ok(request)
}

/// What answers a call is called after it; an error is called `Response`.
fn answer(name: &str, response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let stranger = || OrchestratorError::other("the answer is none of EC2");
    let body = str::from_utf8(response.body().bytes().unwrap_or_default()).map_err(|_| stranger())?;
    let document = parse(body).map_err(|_| stranger())?;
    let root = document.root_element();
    if response.status().is_success() {
        let is_ours = root.tag_name().name().strip_suffix("Response") == Some(name);
        return if is_ours { Ok(body.to_owned()) } else { Err(stranger()) };
    }
    let error = child(root, "Errors").and_then(|errors| child(errors, "Error")).ok_or_else(stranger)?;
    let code = text(error, "Code").ok_or_else(stranger)?;
    let mut metadata = ErrorMetadata::builder().code(code);
    if let Some(message) = text(error, "Message") {
        metadata = metadata.message(message);
    }
    Err(OrchestratorError::operation(metadata.build()))
}

fn parse(xml: &str) -> Result<Document<'_>, roxmltree::Error> {
    Document::parse_with_options(xml, ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// What stands in the child of this name, without blanks around it; `None` also where that is nothing.
fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

/// The elements of a list.
fn items<'a, 'input>(node: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    let list = child(node, name).into_iter().flat_map(|list| list.children());
    list.filter(|item| item.tag_name().name() == "item")
}

#[cfg(test)]
mod tests;
