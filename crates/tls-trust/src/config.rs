//! What makes rustls believe so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::verifier::PinnedCertificate;
use crate::{CertificateFingerprint, Trust};

/// Why nothing can be believed as wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file with the authorities cannot be used.
    #[error("read the certificates in {} (expected PEM): {source}", file.display())]
    #[non_exhaustive]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// TLS cannot be set up on this machine: it has no certificates of authorities, for example.
    #[error("set up TLS: {source}")]
    #[non_exhaustive]
    Setup {
        /// What is wrong.
        source: rustls::Error,
    },
}

impl Trust {
    /// A configuration that believes this and nothing else, and shows no certificate of its own.
    /// The files that it takes are read now.
    ///
    /// # Errors
    /// When they cannot be read, or this machine's authorities cannot be found.
    pub fn client_config(&self) -> Result<ClientConfig, TrustError> {
        match self {
            Self::SystemRoots => Ok(builder()?
                .with_platform_verifier()
                .map_err(|source| TrustError::Setup { source })?
                .with_no_client_auth()),
            Self::CaFile(file) => {
                let roots = read_roots(file).map_err(|source| TrustError::CaFile {
                    file: file.clone(),
                    source,
                })?;
                Ok(builder()?
                    .with_root_certificates(roots)
                    .with_no_client_auth())
            }
            Self::Certificate(pin) => pinned(Some(*pin)),
        }
    }
}

/// A configuration with which every handshake fails, as soon as the server has shown its
/// certificate: the error holds it, as a [`RefusedCertificate`](crate::RefusedCertificate).
///
/// # Errors
/// When TLS cannot be set up on this machine.
pub fn believe_nobody() -> Result<ClientConfig, TrustError> {
    pinned(None)
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TrustError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TrustError::Setup { source })
}

fn pinned(pin: Option<CertificateFingerprint>) -> Result<ClientConfig, TrustError> {
    Ok(builder()?
        // Rustls calls every verifier of one's own dangerous. This one is stricter than the usual
        // one about which certificate it takes, and leaves the signatures to rustls.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedCertificate::new(pin)))
        .with_no_client_auth())
}

fn read_roots(file: &Path) -> io::Result<RootCertStore> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(file)?) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| invalid(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(invalid("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
