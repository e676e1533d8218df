//! Seeing which certificate a NAS has.

use url::Url;

use crate::address::NasAddress;
use crate::{CertificateFingerprint, Timeouts, TrueNasError, https, tls};

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
    let config = tls::pinned(tls::PinnedCertificate::new(None), &address)?;
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
        Err(error) => match tls::certificate_mismatch(&error) {
            Some(refused) => Ok(refused.found),
            None => Err(https::classify(
                &error,
                &address,
                &request,
                &Timeouts::default(),
            )),
        },
    }
}
