//! Addresses of services, as they stand in the configuration: what is a URL, and what a host name. Nothing is looked up.
use super::section::Section;
use hyper::{Uri, header::HeaderValue};

/// `endpoint_override` of a section, as a URL. The agent takes a bare host name and means HTTPS.
pub fn endpoint(section: &Section<'_>) -> Option<String> {
    let text = section.text()?;
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let is_url = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !is_url {
        section.error(
            "is no URL: write http:// or https://, a host and perhaps a port, as in https://logs.eu-west-1.amazonaws.com",
        );
    }
    Some(url)
}

/// `iotUrl`: the host name of the credentials endpoint, with or without `https://`.
pub fn iot(section: &Section<'_>) {
    let Some(text) = section.text() else { return };
    let host = match text.split_once("://") {
        None => text,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        Some(_) => return section.error("must be a host name or an https: URL"),
    };
    let uri = format!("https://{}/", host.trim_end_matches('/')).parse::<Uri>();
    if !uri.is_ok_and(|uri| uri.path() == "/" && uri.query().is_none() && uri.host().is_some_and(|h| !h.is_empty())) {
        section.error("must be a host name, without a path");
    }
}

/// `roleAlias`: a part of the path of a URL.
pub fn path_part(section: &Section<'_>) {
    let fits = |text: &str| {
        let uri = format!("https://host/{text}/").parse::<Uri>();
        uri.is_ok_and(|uri| uri.path() == format!("/{text}/")) && !text.contains('/')
    };
    if section.text().is_some_and(|text| !fits(text)) {
        section.error("holds characters that no part of a URL can have");
    }
}

/// `thingName`: the value of an HTTP header.
pub fn header(section: &Section<'_>) {
    if section.text().is_some_and(|text| HeaderValue::from_str(text).is_err()) {
        section.error("holds characters that no HTTP header can have");
    }
}
