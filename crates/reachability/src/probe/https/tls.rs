//! Which certificates are believed.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{BuildError, CertificateSha256, ServerTrust};

/// The way to speak TLS to a server that is trusted so.
pub(super) fn configuration(trust: &ServerTrust, url: &Url) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let failed = |why: &dyn Error| BuildError::Tls {
        url: url.to_string(),
        why: why.to_string(),
    };
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        ServerTrust::SystemRoots => {
            Arc::new(Verifier::new(Arc::clone(&provider)).map_err(|error| failed(&error))?)
        }
        ServerTrust::CaFile(file) => {
            let bad = |source| BuildError::CaFile {
                file: file.clone(),
                source,
            };
            let roots = read_authorities(file).map_err(bad)?;
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .build()
                .map_err(|error| bad(io::Error::other(error)))?
        }
        ServerTrust::Certificate(pin) => Arc::new(PinnedCertificate {
            pin: *pin,
            provider: Arc::clone(&provider),
        }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    // Rustls calls every verifier of one's own dangerous. Two of these are its own or its authors',
    // and the third is stricter than they are about which certificate it takes.
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn read_authorities(file: &Path) -> io::Result<RootCertStore> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let pem = std::fs::read(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
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

/// Believes one certificate.
#[derive(Debug)]
struct PinnedCertificate {
    pin: CertificateSha256,
    provider: Arc<CryptoProvider>,
}

/// How it says no, through the layers of rustls.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is {found}")]
struct Mismatch {
    found: CertificateSha256,
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
        let found = CertificateSha256::new(Sha256::digest(end_entity).into());
        if found == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = OtherError(Arc::new(Mismatch { found }));
        Err(CertificateError::Other(mismatch).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The certificate that was shown in place of the one that is believed, if that is what an error is
/// about.
pub(super) fn seen(error: &io::Error) -> Option<CertificateSha256> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner
            .downcast_ref::<Mismatch>()
            .map(|mismatch| mismatch.found),
        _ => None,
    }
}
