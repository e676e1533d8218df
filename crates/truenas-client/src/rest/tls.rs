//! TLS with a certificate that is known by its fingerprint.

use std::error::Error as StdError;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::tls::Certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use url::Url;

use super::transport::{self, NasAddress};
use super::{Timeouts, Trust, cause};
use crate::{CertificateFingerprint, TrueNasError};

/// Asks a NAS for its certificate, and returns the fingerprint.
///
/// The handshake is broken off as soon as the certificate is there: no request is sent, and no
/// key is needed. What comes back is whatever answers at that address; someone has to compare it
/// with what the NAS itself shows before it is believed.
///
/// # Errors
/// [`TrueNasError::NotHttps`] and [`TrueNasError::InvalidUrl`] for the address;
/// [`TrueNasError::Connect`], [`TrueNasError::Timeout`] and [`TrueNasError::Tls`] if it does not
/// come to a certificate.
pub async fn fetch_certificate(url: &Url) -> Result<CertificateFingerprint, TrueNasError> {
    let address = NasAddress::new(url)?;
    let verifier = PinnedCertificate::new(None);
    let builder = preconfigured(verifier, &address)?;
    let client = transport::client(builder, &Timeouts::default(), &address)?;
    let request = format!("GET {address}/");
    match client.get(address.as_url().clone()).send().await {
        // The verifier refuses every certificate, so that there is no answer to speak of.
        Ok(_) => Err(TrueNasError::Tls {
            url: address.to_string(),
            source: "the connection came about without a certificate".into(),
        }),
        Err(error) => match certificate_mismatch(&error) {
            Some(refused) => Ok(refused.found),
            None => Err(transport::classify(
                &error,
                &address,
                &request,
                &Timeouts::default(),
            )),
        },
    }
}

/// Makes `builder` believe what `trust` says.
pub(crate) fn configure(
    builder: ClientBuilder,
    trust: &Trust,
    address: &NasAddress,
) -> Result<ClientBuilder, TrueNasError> {
    match trust {
        Trust::Certificate(pin) => preconfigured(PinnedCertificate::new(Some(*pin)), address),
        Trust::CaFile(path) => {
            let certificates =
                read_certificates(path).map_err(|source| TrueNasError::TrustFile {
                    path: path.clone(),
                    source,
                })?;
            Ok(builder.tls_certs_only(certificates))
        }
        Trust::PublicRoots => Ok(builder),
    }
}

fn read_certificates(path: &Path) -> io::Result<Vec<Certificate>> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let pem = fs::read(path)?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}

fn preconfigured(
    verifier: PinnedCertificate,
    address: &NasAddress,
) -> Result<ClientBuilder, TrueNasError> {
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrueNasError::Setup {
            url: address.to_string(),
            source: error.into(),
        })?
        // Rustls calls every verifier of one's own dangerous. This one is stricter than the usual
        // one about which certificate it takes, and leaves the signatures to rustls.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(ClientBuilder::new().tls_backend_preconfigured(config))
}

/// Believes one certificate, or (to fetch it) none.
#[derive(Debug)]
struct PinnedCertificate {
    pin: Option<CertificateFingerprint>,
    provider: Arc<CryptoProvider>,
}

impl PinnedCertificate {
    fn new(pin: Option<CertificateFingerprint>) -> Self {
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
