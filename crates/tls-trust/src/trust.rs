//! What is believed.

use std::path::PathBuf;

use crate::CertificateFingerprint;

/// How the certificate of a server is judged. There is no way to believe any certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Trust {
    /// What an authority that this machine trusts has signed, for the name in the address.
    #[default]
    SystemRoots,
    /// What an authority in this PEM file has signed, for the name in the address.
    CaFile(PathBuf),
    /// Exactly one: what a self-signed certificate calls for.
    ///
    /// The fingerprint takes the place of name, issuer and expiry, which are not looked at: they
    /// say who vouches for a certificate and for how long, and here nobody else does. That the
    /// server holds the key of the certificate is verified as always.
    Certificate(CertificateFingerprint),
}
