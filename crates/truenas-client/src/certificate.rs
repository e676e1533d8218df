//! Seeing which certificate a NAS has.

use tls_trust::{CertificateDetails, CertificateFingerprint};
use url::Url;

use crate::address::NasAddress;
use crate::{Timeouts, TrueNasError, https, tls};

/// The certificate that answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCertificate {
    /// What it is pinned by.
    pub fingerprint: CertificateFingerprint,
    /// What it says of itself, where that can be read.
    pub details: Option<CertificateDetails>,
}

/// Asks a NAS for its certificate.
///
/// The handshake is broken off as soon as the certificate is there: no request is sent, and no
/// key is needed. What comes back is whatever answers at that address; someone has to compare it
/// with what the NAS itself shows before it is believed.
///
/// # Errors
/// [`TrueNasError::NotHttps`] and [`TrueNasError::InvalidUrl`] for the address;
/// [`TrueNasError::Connect`], [`TrueNasError::Timeout`] and [`TrueNasError::Tls`] if it does not
/// come to a certificate.
pub async fn fetch_certificate(url: &Url) -> Result<ServerCertificate, TrueNasError> {
    let address = NasAddress::new(url)?;
    let config = tls_trust::believe_nobody().map_err(|error| tls::setup(&address, error))?;
    let client = https::builder(config, &Timeouts::default())
        .build()
        .map_err(|error| tls::setup(&address, error))?;
    let request = format!("GET {address}/");
    match client.get(address.as_url().clone()).send().await {
        // The verifier refuses every certificate, so that there is no answer to speak of.
        Ok(_) => Err(TrueNasError::Tls {
            url: address.to_string(),
            source: "the connection came about without a certificate".into(),
        }),
        Err(error) => match tls::refused_certificate(&error) {
            Some(refused) => Ok(ServerCertificate {
                fingerprint: refused.fingerprint(),
                details: CertificateDetails::of_der(refused.der()).ok(),
            }),
            None => Err(https::classify(
                &error,
                &address,
                &request,
                &Timeouts::default(),
            )),
        },
    }
}
