//! The verifier that knows one certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use crate::CertificateFingerprint;

/// A certificate that a server has shown in place of the one that is believed. It lies at the
/// bottom of the error of a handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is {}", self.fingerprint())]
pub struct RefusedCertificate {
    der: Vec<u8>,
}

impl RefusedCertificate {
    /// What was refused, if that is what an error of rustls is about.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref()
            }
            _ => None,
        }
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> CertificateFingerprint {
        CertificateFingerprint::of_der(&self.der)
    }

    /// The certificate itself, in DER form. Nobody has verified anything of it.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Believes one certificate, or (to see it) none.
#[derive(Debug)]
pub(crate) struct PinnedCertificate {
    pin: Option<CertificateFingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedCertificate {
    pub(crate) fn new(pin: Option<CertificateFingerprint>) -> Self {
        Self {
            pin,
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
        }
    }
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
        let refused = OtherError(Arc::new(RefusedCertificate {
            der: end_entity.to_vec(),
        }));
        Err(CertificateError::Other(refused).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
