//! Whom we believe on the other end of a TLS connection.
//!
//! A CA bundle **replaces** the system's trust, as it does for the AWS CLI: who inspects traffic with an own CA puts the
//! public ones into the same file. `agent.ca_bundle` beats `AWS_CA_BUNDLE`. Without a bundle the system's roots are read
//! when the first connection needs them, so a host without any can start, and is mended without a restart.
use super::{ConnectError, errors::Cause};
use crate::config::login_files;
use aws_smithy_http_client::tls::TrustStore;
use aws_types::os_shim_internal::Env;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names the CA bundle for every AWS tool: <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html>
pub(super) const BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";
const BEGIN: &str = "-----BEGIN ";
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// The certificates that are believed.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    System,
    Bundle(Arc<[Authority]>),
}

/// One certificate of a bundle, in the two shapes that our two TLS users take.
#[derive(Debug)]
pub(super) struct Authority {
    pem: String,
    der: CertificateDer<'static>,
}

impl Trust {
    /// Read the bundle, if the configuration or the environment names one.
    pub(super) fn find(configured: Option<&Path>, env: &Env) -> Result<Self, ConnectError> {
        let (path, named_by) = match configured {
            Some(path) => (path.to_path_buf(), "agent.ca_bundle"),
            None => match env.get(BUNDLE_VARIABLE) {
                Ok(path) if !path.is_empty() => (PathBuf::from(path), BUNDLE_VARIABLE),
                _ => return Ok(Self::System),
            },
        };
        let bytes = match login_files::pem(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(ConnectError::UnreadableBundle { path, named_by, source }),
        };
        let (certificates, unusable) = authorities(&String::from_utf8_lossy(&bytes));
        if certificates.is_empty() {
            return Err(ConnectError::EmptyBundle { path, named_by });
        }
        if unusable > 0 {
            tracing::warn!(path = %path.display(), unusable, "the CA bundle holds certificates that cannot be used");
        }
        Ok(Self::Bundle(certificates.into()))
    }

    /// For the SDK's connector, which would panic on a certificate that cannot be used: all of these can.
    pub(super) fn store(&self) -> Result<TrustStore, Cause> {
        match self {
            Self::System => self.roots().map(|_| TrustStore::default()),
            Self::Bundle(certificates) => Ok(certificates
                .iter()
                .fold(TrustStore::empty(), |store, authority| store.with_pem_certificate(authority.pem.as_bytes()))),
        }
    }

    /// For our own TLS client.
    pub(super) fn roots(&self) -> Result<RootCertStore, Cause> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
            Self::Bundle(certificates) => {
                roots.add_parsable_certificates(certificates.iter().map(|authority| authority.der.clone()))
            }
        };
        if roots.is_empty() {
            return Err(Cause::new(
                "this system has no root certificates: install them (package ca-certificates) or set agent.ca_bundle",
            ));
        }
        Ok(roots)
    }
}

/// The usable certificates of a PEM file and how many could not be used. Other sections and comments are skipped.
fn authorities(text: &str) -> (Vec<Authority>, usize) {
    let (mut good, mut unusable) = (Vec::new(), 0);
    let starts: Vec<usize> = text.match_indices(BEGIN).map(|(at, _)| at).collect();
    for (i, &start) in starts.iter().enumerate() {
        let section = &text[start..starts.get(i + 1).copied().unwrap_or(text.len())];
        if !section.starts_with(BEGIN_CERTIFICATE) {
            continue;
        }
        match CertificateDer::from_pem_slice(section.as_bytes()) {
            Ok(der) if RootCertStore::empty().add(der.clone()).is_ok() => {
                good.push(Authority { pem: section.to_owned(), der });
            }
            _ => unusable += 1,
        }
    }
    (good, unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::Ca;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("temporary");
        std::fs::write(file.path(), text).expect("writable");
        file
    }

    fn environment(path: &Path) -> Env {
        Env::from_slice(&[(BUNDLE_VARIABLE, path.to_str().expect("UTF-8"))])
    }

    #[test]
    fn the_configured_bundle_beats_the_one_of_the_environment_and_replaces_the_system() {
        let (ours, theirs) = (file(&Ca::new().pem), file(&format!("{}{}", Ca::new().pem, Ca::new().pem)));
        let env = environment(theirs.path());
        assert_eq!(Trust::find(Some(ours.path()), &env).expect("readable").roots().expect("roots").len(), 1);
        assert_eq!(Trust::find(None, &env).expect("readable").roots().expect("roots").len(), 2);
    }

    #[test]
    fn comments_and_unusable_certificates_do_not_spoil_a_bundle() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bundle = file(&format!("# our CA\n{broken}{}\nbye\n", Ca::new().pem));
        let trust = Trust::find(Some(bundle.path()), &Env::from_slice(&[])).expect("one is good");
        assert_eq!(trust.roots().expect("roots").len(), 1);
        assert!(trust.store().is_ok());
    }

    #[test]
    fn a_bundle_that_is_missing_or_empty_says_who_named_it() {
        let gone = Trust::find(Some(Path::new("/nowhere/ca.pem")), &Env::from_slice(&[])).expect_err("missing");
        assert_eq!(gone.to_string(), "cannot read the CA bundle /nowhere/ca.pem that agent.ca_bundle names");
        let empty = file("hello");
        let error = Trust::find(None, &environment(empty.path())).expect_err("empty").to_string();
        assert!(error.contains("AWS_CA_BUNDLE") && error.contains("no certificate"), "{error}");
    }
}
