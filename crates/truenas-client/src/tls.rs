//! TLS with a certificate that is known by its fingerprint.

use std::error::Error as StdError;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::address::NasAddress;
use crate::error::Source;
use crate::{CertificateFingerprint, TrueNasError, Trust, cause};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme, WantsVerifier,
};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// What makes TLS believe what `trust` says. The same for both transports.
pub(crate) fn client_config(
    trust: &Trust,
    address: &NasAddress,
) -> Result<ClientConfig, TrueNasError> {
    match trust {
        Trust::Certificate(pin) => pinned(PinnedCertificate::new(Some(*pin)), address),
        Trust::CaFile(path) => {
            let roots = read_roots(path).map_err(|source| TrueNasError::TrustFile {
                path: path.clone(),
                source,
            })?;
            Ok(with_provider(address)?
                .with_root_certificates(roots)
                .with_no_client_auth())
        }
        Trust::PublicRoots => Ok(with_provider(address)?
            .with_platform_verifier()
            .map_err(|error| setup(address, error))?
            .with_no_client_auth()),
    }
}

fn read_roots(path: &Path) -> io::Result<RootCertStore> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(path)?) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| invalid(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(invalid("it holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

pub(crate) fn setup(address: &NasAddress, error: impl Into<Source>) -> TrueNasError {
    TrueNasError::Setup {
        url: address.to_string(),
        source: error.into(),
    }
}

fn with_provider(
    address: &NasAddress,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TrueNasError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(address, error))
}

/// What makes TLS believe one certificate, or none.
pub(crate) fn pinned(
    verifier: PinnedCertificate,
    address: &NasAddress,
) -> Result<ClientConfig, TrueNasError> {
    Ok(with_provider(address)?
        // Rustls calls every verifier of one's own dangerous. This one is stricter than the usual
        // one about which certificate it takes, and leaves the signatures to rustls.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Believes one certificate, or (to fetch it) none.
#[derive(Debug)]
pub(crate) struct PinnedCertificate {
    pin: Option<CertificateFingerprint>,
    provider: Arc<CryptoProvider>,
}

impl PinnedCertificate {
    pub(crate) fn new(pin: Option<CertificateFingerprint>) -> Self {
        Self {
            pin,
            provider: Arc::new(aws_lc_rs::default_provider()),
        }
    }
}

/// How [`PinnedCertificate`] says no, through the layers of rustls and reqwest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is {found}")]
pub(crate) struct CertificateMismatch {
    pub(crate) found: CertificateFingerprint,
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = CertificateFingerprint::of_der(end_entity);
        if self.pin == Some(found) {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = OtherError(Arc::new(CertificateMismatch { found }));
        Err(CertificateError::Other(mismatch).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The mismatch at the bottom of an error, if that is what it is about.
pub(crate) fn certificate_mismatch(
    error: &(dyn StdError + 'static),
) -> Option<CertificateMismatch> {
    match cause::rustls_error(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref::<CertificateMismatch>().copied()
        }
        _ => None,
    }
}
