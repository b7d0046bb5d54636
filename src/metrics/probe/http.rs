//! One GET, as far as the head of its answer.
//!
//! The request is written by hand: it has four headers and no body, and of the answer only its status is wanted, and where it leads. The
//! connection is new each time and closed at once, so that each probe pays for what a new client pays for. No proxy is used.
use super::reach::{Host, ReachError};
use httparse::{EMPTY_HEADER, Status};
use hyper::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The longest head of an answer that is read, in bytes, and its headers. Servers send a few thousand at most.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error("the TLS connection was not made")]
    Tls { source: io::Error },
    #[error("the connection broke before the answer was there")]
    Broken { source: io::Error },
    #[error("the connection was closed without an answer")]
    Closed,
    #[error("what came back is no HTTP answer")]
    NotHttp,
    #[error("it redirects to what is no URL")]
    Nowhere,
    #[error("it redirects more than {most} times")]
    Astray { most: u8 },
}

/// Ask this URL, and follow up to `redirects` redirects. The status of the last answer.
pub async fn get(url: &Uri, redirects: u8, host: Host<'_>, tls: Option<&Arc<ClientConfig>>) -> Result<u16, HttpError> {
    let (mut url, mut host) = (url.clone(), Some(host));
    for hop in 0..=redirects {
        let name = host_of(&url);
        let port = url.port_u16().unwrap_or(if is_secure(&url) { 443 } else { 80 });
        let place = match host.take() {
            Some(host) => host,
            // Where a redirect leads is looked up on the way.
            None => Host::of(name).await,
        };
        let stream = place.connect(port).await?;
        let (status, to) = if is_secure(&url) {
            let config = tls.ok_or(HttpError::Nowhere)?;
            ask(&url, secured(stream, name, config).await?).await?
        } else {
            ask(&url, stream).await?
        };
        match to.filter(|_| redirects > 0) {
            None => return Ok(status),
            Some(_) if hop == redirects => break,
            Some(to) => url = resolved(&url, &to).ok_or(HttpError::Nowhere)?,
        }
    }
    Err(HttpError::Astray { most: redirects })
}

/// Whether it is asked over TLS.
pub fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// The name of a URL's host, an address of IPv6 without its brackets.
pub fn host_of(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

async fn secured(
    stream: TcpStream,
    name: &str,
    config: &Arc<ClientConfig>,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, HttpError> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| HttpError::Nowhere)?;
    TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|source| HttpError::Tls { source })
}

/// The status, and where a redirect leads.
async fn ask(url: &Uri, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(u16, Option<String>), HttpError> {
    let broken = |source| HttpError::Broken { source };
    stream.write_all(request(url).as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let (mut head, mut answer) = (Vec::with_capacity(4096), None);
    while answer.is_none() {
        if head.len() >= LONGEST_HEAD {
            return Err(HttpError::NotHttp);
        }
        if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
            return Err(if head.is_empty() { HttpError::Closed } else { HttpError::NotHttp });
        }
        answer = read(&mut head)?;
    }
    answer.ok_or(HttpError::NotHttp)
}

fn request(url: &Uri) -> String {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: amazon-cloudwatch-publisher/{version}\r\naccept: */*\r\nconnection: close\r\n\r\n"
    )
}

/// The status and the redirect in a head, once it is whole. What only announces the answer (RFC 9110, 15.2) is taken off.
fn read(head: &mut Vec<u8>) -> Result<Option<(u16, Option<String>)>, HttpError> {
    loop {
        let mut headers = [EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let Status::Complete(length) = answer.parse(head).map_err(|_| HttpError::NotHttp)? else { return Ok(None) };
        let status = answer.code.ok_or(HttpError::NotHttp)?;
        if (100..200).contains(&status) && status != 101 {
            head.drain(..length);
            continue;
        }
        let location = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
        let leads = matches!(status, 301 | 302 | 303 | 307 | 308);
        let to = location.filter(|_| leads).map(|header| String::from_utf8_lossy(header.value).into_owned());
        return Ok(Some((status, to)));
    }
}

/// Where a redirect of `from` leads (RFC 9110, 10.2.2), without what is behind a `#`.
fn resolved(from: &Uri, to: &str) -> Option<Uri> {
    let to = to.split('#').next().unwrap_or_default().trim();
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let whole = if to.contains("://") {
        to.to_owned()
    } else if let Some(host) = to.strip_prefix("//") {
        format!("{scheme}://{host}")
    } else if to.starts_with('/') {
        format!("{scheme}://{authority}{to}")
    } else if to.is_empty() || to.starts_with('?') {
        format!("{scheme}://{authority}{}{to}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{to}")
    };
    let url: Uri = whole.parse().ok()?;
    let usable = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty());
    (usable && !url.authority()?.as_str().contains('@')).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answered(text: &str) -> Option<(u16, Option<String>)> {
        read(&mut text.as_bytes().to_vec()).expect("HTTP")
    }

    #[test]
    fn a_head_has_a_status_and_perhaps_a_redirect() {
        assert_eq!(answered("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, None)));
        assert_eq!(answered("HTTP/1.0 503 \r\nLocation: /a\r\n\r\nbody"), Some((503, None)));
        assert_eq!(answered("HTTP/1.1 302 Found\r\nlocation: /a\r\n\r\n"), Some((302, Some("/a".into()))));
        assert_eq!(answered("HTTP/1.1 200 OK\r\nServer: x\r\n"), None, "it goes on");
        let announced = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(answered(announced), Some((200, None)));
        assert!(matches!(read(&mut b"220 mail ESMTP\r\n".to_vec()), Err(HttpError::NotHttp)));
    }

    #[test]
    fn a_redirect_leads_from_where_it_stands() {
        let from = Uri::from_static("https://example.org:8443/a/b?c");
        let to = |to: &str| resolved(&from, to).map(|url| url.to_string());
        for (written, meant) in [
            ("http://other/x#y", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y", "https://example.org:8443/x?y"),
            ("x", "https://example.org:8443/a/x"),
            ("?y", "https://example.org:8443/a/b?y"),
        ] {
            assert_eq!(to(written).as_deref(), Some(meant));
        }
        for nowhere in ["ftp://x/", "http://", "http://u:p@x/", "http://a b/"] {
            assert_eq!(to(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_request_names_its_host_as_the_url_does() {
        let text = request(&Uri::from_static("http://[::1]:81/a?b=c"));
        assert!(text.starts_with("GET /a?b=c HTTP/1.1\r\nhost: [::1]:81\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(request(&Uri::from_static("http://x")).starts_with("GET / HTTP/1.1\r\nhost: x\r\n"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), to in ".{0,60}") {
            let _ = read(&mut bytes.clone());
            let _ = read(&mut [b"HTTP/1.1 ".as_slice(), &bytes].concat());
            let _ = resolved(&Uri::from_static("http://x/y"), &to);
        }
    }
}
