//! Signature Version 4, computed again: a body that was changed after it was signed is found out here, as it would be
//! by the real service. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
use super::wire::header;
use hyper::{HeaderMap, http::request::Parts};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The `Authorization` header in its parts.
pub struct Authorization<'a> {
    pub access_key: &'a str,
    /// `DATE/REGION/SERVICE/aws4_request`.
    pub scope: &'a str,
    signed_headers: &'a str,
    pub signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// `None` when the request carries none or it is of another make.
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let fields = header(headers, "authorization").strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            let mut named = fields.split(',').filter_map(|field| field.trim().split_once('='));
            named.find_map(|(key, value)| (key == name).then_some(value))
        };
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        Some(Self { access_key, scope, signed_headers: field("SignedHeaders")?, signature: field("Signature")? })
    }

    /// The signature that this request ought to carry.
    pub fn expected(&self, head: &Parts, body: &[u8], secret: &str) -> String {
        let mut canonical = format!("{}\n{}\n{}\n", head.method, head.uri.path(), head.uri.query().unwrap_or_default());
        for name in self.signed_headers.split(';') {
            let _ = writeln!(canonical, "{name}:{}", header(&head.headers, name).trim());
        }
        let _ = write!(canonical, "\n{}\n{}", self.signed_headers, hex(&Sha256::digest(body)));
        let time = header(&head.headers, "x-amz-date");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{}", self.scope, hex(&Sha256::digest(canonical)));
        let first = format!("AWS4{secret}").into_bytes();
        let key = self.scope.split('/').fold(first, |key, part| keyed_hash(&key, part.as_bytes()));
        hex(&keyed_hash(&key, to_sign.as_bytes()))
    }
}

/// HMAC-SHA256 (RFC 2104) for keys up to one block of 64 bytes.
fn keyed_hash(key: &[u8], text: &[u8]) -> Vec<u8> {
    let padded = |mask: u8| {
        let mut block = [mask; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn the_published_example_gets_its_published_signature() {
    let head = hyper::Request::get("/")
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", "20150830T123600Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
    let (head, ()) = head.body(()).expect("valid").into_parts();
    let authorization = Authorization::of(&head.headers).expect("there is one");
    let expected = authorization.expected(&head, b"", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    assert_eq!(expected, authorization.signature);
}
