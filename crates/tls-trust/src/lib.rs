//! Which certificate of a TLS server is believed.
//!
//! Appliances in a home network show certificates that no authority has signed. Programs that talk
//! to them tend to have a switch that believes any certificate, and with it whoever answers. This
//! crate has no such switch: [`Trust`] is one certificate, known by its fingerprint; or the
//! authorities in a file; or those of the machine.
//!
//! ```
//! use tls_trust::{CertificateFingerprint, Trust};
//!
//! let pin: CertificateFingerprint =
//!     "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD".parse()?;
//! let trust = Trust::Certificate(pin);
#![cfg_attr(feature = "rustls", doc = "")]
#![cfg_attr(
    feature = "rustls",
    doc = "// For tokio-rustls, reqwest, or whatever takes a configuration of rustls."
)]
#![cfg_attr(feature = "rustls", doc = "let config = trust.client_config()?;")]
//! # let _ = trust;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! To find out which certificate a server has, connect with a configuration that [believes
//! nobody](believe_nobody), and take the [`RefusedCertificate`] out of the error: nothing has been
//! said to the server then but the beginning of a handshake.
//!
//! # Features
//! - `rustls`: what rustls needs to believe so (`Trust::client_config`, `believe_nobody`,
//!   `RefusedCertificate`). The provider is aws-lc-rs.
//! - `x509`: what a certificate says of itself (`CertificateDetails`), to show it to people.
//!
//! Without features it is two types and their forms in text, for those who read configurations.
#![cfg_attr(
    not(feature = "rustls"),
    doc = "",
    doc = "[believe_nobody]: crate#features",
    doc = "[`RefusedCertificate`]: crate#features"
)]

#[cfg(feature = "rustls")]
mod config;
#[cfg(feature = "x509")]
mod details;
mod fingerprint;
mod trust;
#[cfg(feature = "rustls")]
mod verifier;

#[cfg(feature = "rustls")]
pub use config::{TrustError, believe_nobody};
#[cfg(feature = "x509")]
pub use details::{CertificateDetails, ReadCertificateError};
pub use fingerprint::{CertificateFingerprint, ParseFingerprintError};
pub use trust::Trust;
#[cfg(feature = "rustls")]
pub use verifier::RefusedCertificate;
