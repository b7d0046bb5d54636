//! Whose certificates are believed by probes: the system's authorities, or those of a file.
//!
//! They are read when the first probe needs them, and again when a connection fails and they are not fresh any more: a certificate
//! may be new, and so may be who has signed it.
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

use crate::config::login_files;

/// How long what was read is good, should a connection fail.
const FRESH: Duration = Duration::from_secs(600);

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("this system has no root certificates: install them (package ca-certificates) or set `ca_bundle`")]
    NoRoots,
    #[error("there is no usable certificate in {}", path.display())]
    Empty { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// What TLS connections are made with.
pub struct Trust {
    /// `None`: the system's authorities.
    bundle: Option<PathBuf>,
    read: Mutex<Option<(Arc<ClientConfig>, Instant)>>,
}

impl Trust {
    pub fn new(bundle: Option<PathBuf>) -> Self {
        Self { bundle, read: Mutex::default() }
    }

    /// Reads, where that is due.
    pub async fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let mut kept = self.read.lock().await;
        if let Some((config, _)) = &*kept {
            return Ok(config.clone());
        }
        let bundle = self.bundle.clone();
        let reads = tokio::task::spawn_blocking(move || roots(bundle.as_deref()));
        let config = Arc::new(client(reads.await.unwrap_or(Err(TrustError::NoRoots))?));
        *kept = Some((config.clone(), Instant::now()));
        Ok(config)
    }

    /// A connection failed.
    pub async fn doubt(&self) {
        let mut kept = self.read.lock().await;
        if kept.as_ref().is_some_and(|(_, at)| at.elapsed() > FRESH) {
            *kept = None;
        }
    }
}

fn roots(bundle: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    match bundle {
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        Some(path) => {
            let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
            let pem = login_files::pem(path).map_err(unreadable)?;
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten())
        }
    };
    match (roots.is_empty(), bundle) {
        (false, _) => Ok(roots),
        (true, None) => Err(TrustError::NoRoots),
        (true, Some(path)) => Err(TrustError::Empty { path: path.to_owned() }),
    }
}

fn client(roots: RootCertStore) -> ClientConfig {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let mut config = builder.expect("ring knows all versions").with_root_certificates(roots).with_no_client_auth();
    // Each probe makes the whole connection anew, as a new client does.
    config.resumption = Resumption::disabled();
    config
}
