//! Certificates of our own, and AWS IoT's credentials endpoint, which gives keys to whoever shows the right one.
//! <https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html>
use super::fake::Key;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, both PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub certificate: String,
}

impl Authority {
    /// A new one that nobody trusts yet.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// For a server called `localhost`.
    pub fn server(&self) -> Pair {
        self.sign(vec!["localhost".into(), "127.0.0.1".into()], ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a device.
    pub fn client(&self) -> Pair {
        self.sign(vec!["story-thing".into()], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, names: Vec<String>, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new(names).expect("valid names");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// The credentials endpoint. It stops when it is dropped, and lives as long as the test's runtime.
pub struct IotEndpoint {
    port: u16,
    given: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl IotEndpoint {
    /// Serve keys from `issue` to devices whose certificate `authority` signed, for this role alias and thing.
    pub async fn start(
        authority: &Authority,
        role_alias: &str,
        thing: &str,
        issue: impl Fn() -> Key + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(demanding_a_certificate(authority)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the port just bound").port();
        let desk = Arc::new(Desk {
            path: format!("/role-aliases/{role_alias}/credentials"),
            thing: thing.to_owned(),
            issue: Box::new(issue),
            given: Arc::default(),
            refused: Arc::default(),
        });
        let (given, refused) = (Arc::clone(&desk.given), Arc::clone(&desk.refused));
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.expect("accepting works");
                let (acceptor, desk) = (acceptor.clone(), Arc::clone(&desk));
                tokio::spawn(async move {
                    let connection = match acceptor.accept(connection).await {
                        Ok(connection) => TokioIo::new(connection),
                        Err(why) => return desk.refuse(format!("no handshake: {why}")),
                    };
                    let answering = service_fn(|request| {
                        let answer = desk.answer(&request);
                        async { Ok::<_, std::convert::Infallible>(answer) }
                    });
                    // A client that leaves early is no news.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(connection, answering).await;
                });
            }
        });
        Self { port, given, refused, serving }
    }

    /// `localhost:PORT`, for `iotUrl`.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// How often keys were given.
    pub fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }

    /// Why others got none.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().expect("nobody panics holding it").clone()
    }
}

impl Drop for IotEndpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Desk {
    path: String,
    thing: String,
    issue: Box<dyn Fn() -> Key + Send + Sync>,
    given: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    fn refuse(&self, why: String) {
        self.refused.lock().expect("nobody panics holding it").push(why);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let thing = request.headers().get("x-amzn-iot-thingname").and_then(|name| name.to_str().ok());
        if request.uri().path() != self.path || thing != Some(&self.thing) {
            self.refuse(format!("{} {} as thing {thing:?}", request.method(), request.uri()));
            let body = r#"{"message":"Access Denied"}"#;
            return Response::builder().status(403).body(Full::from(body)).expect("a valid answer");
        }
        let Key { access_key, secret, token } = (self.issue)();
        let expiration = chrono::Utc::now() + chrono::TimeDelta::hours(1);
        self.given.fetch_add(1, Ordering::SeqCst);
        let body = serde_json::json!({ "credentials": {
            "accessKeyId": access_key,
            "secretAccessKey": secret,
            "sessionToken": token,
            "expiration": expiration.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        } });
        Response::new(Full::from(body.to_string()))
    }
}

fn demanding_a_certificate(authority: &Authority) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let mut trusted = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("our own PEM");
    trusted.add(root).expect("our own certificate");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider));
    let own = authority.server();
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("our own PEM")];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("our own PEM");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_client_cert_verifier(verifier.build().expect("there is a root"))
        .with_single_cert(chain, key)
        .expect("certificate and key belong together")
}

#[tokio::test]
async fn keys_are_given_for_a_certificate_of_this_authority_only() {
    use rustls::{ClientConfig, pki_types::ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let authority = Authority::new();
    let iot = IotEndpoint::start(&authority, "alias", "thing", Key::lasting).await;
    let ask = async |own: Option<Pair>, thing: &str| -> std::io::Result<String> {
        let mut trusted = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("our own PEM");
        trusted.add(root).expect("our own certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(trusted);
        let config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("our own PEM")];
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("our own PEM");
                config.with_client_auth_cert(chain, key).expect("they belong together")
            }
        };
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", iot.port)).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        let request = format!(
            "GET /role-aliases/alias/credentials HTTP/1.1\r\nhost: {}\r\nx-amzn-iot-thingname: {thing}\r\n\
             connection: close\r\n\r\n",
            iot.address(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer = ask(Some(authority.client()), "thing").await.expect("an answer");
    assert!(answer.contains(&Key::lasting().access_key), "{answer}");
    let answer = ask(Some(authority.client()), "another-thing").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    ask(None, "thing").await.expect_err("no certificate");
    ask(Some(Authority::new().client()), "thing").await.expect_err("a stranger's certificate");
    assert_eq!((iot.given(), iot.refused().len()), (1, 3));
}
