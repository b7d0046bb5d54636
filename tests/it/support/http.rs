//! One raw HTTP request, for what no SDK would send.
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Send `body` by POST and wait for the whole answer. `Err` when the server hangs up instead.
pub async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>, hyper::Error> {
    let url: hyper::Uri = url.parse().expect("tests write valid addresses");
    let authority = url.authority().expect("tests write whole addresses").clone();
    let mut request = Request::post(url.path()).header("host", authority.as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("tests write valid headers");
    let socket = TcpStream::connect(authority.as_str()).await.expect("the test's own server listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    // The connection ends by itself when the sender is dropped.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}
