//! The SHA-256 fingerprint of a host key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "SHA256:";

/// OpenSSH writes no padding; other tools do. Both are read, none is written.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The SHA-256 digest of a host's public key, written as OpenSSH does:
/// `SHA256:` and 43 characters of base64.
///
/// `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, run on the host, prints
/// it. Padding at the end and the missing `SHA256:` are forgiven when reading.
///
/// ```
/// use remote_shutdown::Fingerprint;
///
/// let text = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
/// let fingerprint: Fingerprint = text.parse()?;
/// assert_eq!(fingerprint.to_string(), text);
/// # Ok::<(), remote_shutdown::ParseFingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with these 32 bytes.
    #[must_use]
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The fingerprint of a public key in SSH's wire format (RFC 4253,
    /// section 6.6), which is what stands in base64 in `known_hosts`.
    #[must_use]
    pub fn of_public_key(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a SHA-256 fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "read the host key fingerprint {found:?}: expected SHA256: and 43 characters of base64, as \
     `ssh-keygen -l` prints it"
)]
pub struct ParseFingerprintError {
    found: String,
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        BASE64
            .decode(encoded)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| ParseFingerprintError { found: text.into() })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Decodes the base64 of a public key as it stands in `known_hosts`.
pub(crate) fn decode_public_key(encoded: &str) -> Option<Vec<u8>> {
    BASE64.decode(encoded).ok()
}

#[cfg(test)]
mod tests;
