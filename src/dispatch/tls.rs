//! TLS, where the server is reached from other hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::domain::refusal::{Code, Refusal};

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, with those that it needs, in order.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What takes connections with this certificate. Refuses files that are none, and a key of another certificate.
pub(super) fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor, Refusal> {
    let bad = |path: &Path, error: &dyn std::fmt::Display| {
        Refusal::new(Code::InvalidValue, format!("{}: {error}", path.display()))
            .hint("--tls-cert and --tls-key name PEM files, the certificate first")
    };
    let Certificate { chain, key } = certificate;
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| bad(chain, &error))?;
    if certificates.is_empty() {
        return Err(bad(chain, &"there is no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, secret));
    Ok(TlsAcceptor::from(Arc::new(config.map_err(|error| bad(key, &error))?)))
}
