//! Which certificate of a NAS is believed, and what it means if it shows another.

use std::error::Error as StdError;

use rustls::ClientConfig;
use tls_trust::{RefusedCertificate, TrustError};

use crate::address::NasAddress;
use crate::error::Source;
use crate::{TrueNasError, Trust, cause};

/// What makes TLS believe what `trust` says. The same for both transports.
pub(crate) fn client_config(
    trust: &Trust,
    address: &NasAddress,
) -> Result<ClientConfig, TrueNasError> {
    trust.client_config().map_err(|error| match error {
        TrustError::CaFile { file, source, .. } => TrueNasError::TrustFile { path: file, source },
        error => setup(address, error),
    })
}

pub(crate) fn setup(address: &NasAddress, error: impl Into<Source>) -> TrueNasError {
    TrueNasError::Setup {
        url: address.to_string(),
        source: error.into(),
    }
}

/// The certificate that was shown in place of the one that is believed, if that is what an error is
/// about.
pub(crate) fn refused_certificate<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a RefusedCertificate> {
    RefusedCertificate::of(cause::rustls_error(error)?)
}
