//! A small AWS in this process: servers that answer as a test says and keep what they were asked, CAs, a CONNECT proxy.
use crate::config::settings::{
    Agent, Authentication, Cognito, Destination, Endpoints, Environment, ImportState, Instance, Local, Logs, OwnLog,
    Password, Serial, SerialRelay, Settings, Spool,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json as value;
use std::{
    convert::Infallible,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// No secret of these may ever be seen in a log, an error or `Debug`.
pub(super) const PASSWORD: &str = "hunter2-hunter2";
pub(super) const SECRET: &str = "seKretAccessKeyOfTheTests";
pub(super) const TOKEN: &str = "seKretSessionTokenOfTheTests";
pub(super) const ID_TOKEN: &str = "seKretIdTokenOfTheTests";
pub(super) const REFRESH: &str = "seKretRefreshTokenOfTheTests";
pub(super) const SECRETS: [&str; 5] = [PASSWORD, SECRET, TOKEN, ID_TOKEN, REFRESH];

/// A certificate authority.
pub(super) struct Ca {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        // Two of one name would be taken for each other.
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test CA {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key in PEM, valid for `localhost` and `127.0.0.1`.
    pub(super) fn leaf(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM")).expect("usable");
        roots
    }

    /// What a server of this CA does with TLS. With `clients`, it wants a certificate of theirs.
    fn acceptor(&self, clients: Option<&Ca>) -> TlsAcceptor {
        let (certificate, key) = self.leaf();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&ring))
            .with_safe_default_protocol_versions()
            .expect("ring knows them");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), ring).build().expect("a root"),
            ),
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("a pair")))
    }
}

/// One request as a server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The last part of the target, or of the path for services that have it there: `PutLogEvents`.
    pub(super) fn action(&self) -> &str {
        let target = self.header("x-amz-target");
        let whole = if target.is_empty() { self.path.as_str() } else { target };
        whole.rsplit(['.', '/']).next().unwrap_or_default()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

pub(super) type Reply = Response<Full<Bytes>>;

/// An answer of the JSON services.
pub(super) fn json(status: u16, body: &str) -> Reply {
    reply(status, "application/x-amz-json-1.1", body.to_owned())
}

/// An error of the JSON services.
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    json(status, &value!({ "__type": code, "message": message }).to_string())
}

pub(super) fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Reply {
    Response::builder().status(status).header(CONTENT_TYPE, kind).body(Full::new(body.into())).expect("a response")
}

/// A server on 127.0.0.1 until it is dropped.
pub(super) struct Fake {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Fake {
    pub(super) async fn plain(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start("http", None, answer).await
    }

    pub(super) async fn tls(
        ca: &Ca,
        clients: Option<&Ca>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start("https", Some(ca.acceptor(clients)), answer).await
    }

    async fn start(
        scheme: &str,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://localhost:{}", listener.local_addr().expect("bound").port());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (answer, kept, tls) = (Arc::clone(&answer), Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, answer, kept).await,
                        Some(tls) => match tls.accept(tcp).into_fallible().await {
                            Ok(stream) => serve(stream, answer, kept).await,
                            // Closed at once, what the other side still sends would take our alert away.
                            Err((_, mut tcp)) => drop(tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await),
                        },
                    }
                });
            }
        });
        Self { url, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    pub(super) fn actions(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.action().to_owned()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Arc<impl Fn(&Seen) -> Reply>,
    kept: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole request").to_bytes();
            let seen = Seen { path: parts.uri.to_string(), headers: parts.headers, body };
            let reply = answer(&seen);
            kept.lock().expect("whole").push(seen);
            Ok::<_, Infallible>(reply)
        }
    });
    // A client that hangs up is none of our business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An address that refuses connections for as long as the socket is held: bound, so that nobody else gets it, but deaf.
pub(super) fn closed() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    (socket.local_addr().expect("bound").to_string(), socket)
}

/// A proxy that only tunnels; it keeps the request line and the headers of each CONNECT.
pub(super) struct Proxy {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, Arc::clone(&kept)));
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("whole").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel(client: TcpStream, kept: Arc<Mutex<Vec<String>>>) {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let to = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    assert_eq!(head.split_whitespace().next(), Some(Method::CONNECT.as_str()), "{head}");
    kept.lock().expect("whole").push(head);
    let Ok(mut server) = TcpStream::connect(to.replace("localhost", "127.0.0.1")).await else { return };
    if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// Settings that reach nothing but `url`.
pub(super) fn settings(url: &str, authentication: Authentication) -> Settings {
    let own_log = OwnLog { file: None, named: false, debug: false, quiet: false };
    let agent = Agent {
        destination: Destination::Aws,
        instance: Instance { prefix: "sys".to_owned(), serial: Serial::Zeros },
        authentication,
        role_arn: None,
        region: Some("eu-west-1".to_owned()),
        own_log,
        state_folder: None,
        import_state: ImportState::Off,
        shutdown: Duration::from_secs(10),
        endpoints: Endpoints { all: Some(url.to_owned()), ..Endpoints::default() },
        spool: Spool { max_bytes: 1, max_age: Duration::from_secs(1), min_free_bytes: 1, max_log_bytes: 0 },
        serial_relay: SerialRelay::never(),
    };
    Settings {
        file: "test.json".into(),
        agent,
        environment: Environment::default(),
        metrics: None,
        logs: Logs::default(),
        local: Local { folder: None, retention: Duration::from_secs(1) },
    }
}

/// Pools whose ids say that they are in eu-west-1.
pub(super) fn pools(password: Password) -> Cognito {
    Cognito {
        account_id: "123456789012".to_owned(),
        user_pool_id: "eu-west-1_Pool".to_owned(),
        identity_pool_id: "eu-west-1:pool".to_owned(),
        app_client_id: "client".to_owned(),
        password,
    }
}

/// Signing in with [`PASSWORD`].
pub(super) fn by_password() -> Authentication {
    Authentication::Cognito(pools(Password::Inline(PASSWORD.into())))
}

/// Cognito as it should be: keys `AKIDCOGNITO`.
pub(super) fn cognito_answer(seen: &Seen) -> Reply {
    let tokens = value!({ "IdToken": ID_TOKEN, "RefreshToken": REFRESH, "AccessToken": "a" });
    let keys = value!({ "AccessKeyId": "AKIDCOGNITO", "SecretKey": SECRET, "SessionToken": TOKEN, "Expiration": 4_000_000_000_i64 });
    let answer = match seen.action() {
        "InitiateAuth" => value!({ "AuthenticationResult": tokens }),
        "GetId" => value!({ "IdentityId": "eu-west-1:me" }),
        "GetCredentialsForIdentity" => value!({ "IdentityId": "eu-west-1:me", "Credentials": keys }),
        other => return error(400, "UnknownOperationException", other),
    };
    json(200, &answer.to_string())
}

/// Fails when `text` holds any of the secrets.
#[track_caller]
pub(super) fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in: {text}");
    }
}

/// Everything that could be printed of an error.
pub(super) fn printed(error: &(dyn std::error::Error + 'static)) -> String {
    format!("{} | {error:?}", super::errors::Cause::of(error))
}

/// Set in a child process that [`in_child`] started.
pub(super) const CHILD: &str = "PUBLISHER_TEST_CHILD";
/// What the child prints in front of its one line of result.
pub(super) const MARK: &str = "RESULT=";

/// Runs the test `name` again in a process with this AWS environment and no other, and gives its line after [`MARK`].
/// The SDK reads the process's own environment, which tests that run side by side must not change.
pub(super) fn in_child(name: &str, env: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "--nocapture", name]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            command.env_remove(variable);
        }
    }
    let nowhere = std::env::temp_dir().join("no-such-aws-file");
    command.env("AWS_CONFIG_FILE", &nowhere).env("AWS_SHARED_CREDENTIALS_FILE", &nowhere).env(CHILD, "1");
    let output = command.envs(env.iter().copied()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (_, result) = text.split_once(MARK).expect("the child's line");
    result.lines().next().unwrap_or_default().to_owned()
}
