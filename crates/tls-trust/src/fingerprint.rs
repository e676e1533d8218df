//! The fingerprint by which a certificate is pinned.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 digest of a certificate in DER form: what browsers, and
/// `openssl x509 -fingerprint -sha256`, show as its fingerprint.
///
/// Read from hexadecimal digits of either case, with or without colons between the bytes, and
/// with or without `SHA256:` or `sha256/` before them; written as `AB:CD:…`.
///
/// ```
/// use tls_trust::CertificateFingerprint;
///
/// let with_colons: CertificateFingerprint =
///     "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD".parse()?;
/// let without = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse()?;
/// assert_eq!(with_colons, without);
/// assert_eq!(with_colons, CertificateFingerprint::of_der(b"abc"));
/// # Ok::<_, tls_trust::ParseFingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateFingerprint([u8; 32]);

impl CertificateFingerprint {
    /// The fingerprint of a certificate in DER form.
    #[must_use]
    pub fn of_der(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The fingerprint with these bytes.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateFingerprint({self})")
    }
}

/// A text that is not the SHA-256 fingerprint of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFingerprintError {
    /// It holds something other than hexadecimal digits and colons.
    #[error(
        "read a certificate's fingerprint: {found:?} is not a hexadecimal digit (expected 64 of them, as in AB:CD:…)"
    )]
    NotHexadecimal {
        /// The first character that does not belong there.
        found: char,
    },
    /// It is too short or too long.
    #[error("read a certificate's fingerprint: {found_digits} hexadecimal digits, but a SHA-256 fingerprint has 64{}", hint(*found_digits))]
    Length {
        /// How many digits there are.
        found_digits: usize,
    },
    /// Colons stand elsewhere than between bytes.
    #[error(
        "read a certificate's fingerprint: a colon that is not between two bytes (expected AB:CD:…)"
    )]
    MisplacedColon,
}

fn hint(digits: usize) -> &'static str {
    match digits {
        32 => " (this one is as long as an MD5 fingerprint)",
        40 => " (this one is as long as a SHA-1 fingerprint)",
        _ => "",
    }
}

impl FromStr for CertificateFingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let hex = match text.split_at_checked(7) {
            Some((prefix, rest))
                if ["sha256:", "sha256/"].contains(&prefix.to_ascii_lowercase().as_str()) =>
            {
                rest
            }
            _ => text,
        };
        if let Some(found) = hex.chars().find(|c| !c.is_ascii_hexdigit() && *c != ':') {
            return Err(ParseFingerprintError::NotHexadecimal { found });
        }
        let digits: Vec<u8> = hex.bytes().filter_map(digit).collect();
        if digits.len() != 64 {
            return Err(ParseFingerprintError::Length {
                found_digits: digits.len(),
            });
        }
        if hex.contains(':') && !hex.split(':').all(|byte| byte.len() == 2) {
            return Err(ParseFingerprintError::MisplacedColon);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl Serialize for CertificateFingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateFingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_usual_ways_of_writing_one_are_read() {
        let expected = CertificateFingerprint::of_der(b"abc");
        let shown = expected.to_string();
        for text in [
            ABC.to_owned(),
            ABC.to_uppercase(),
            format!("SHA256:{ABC}"),
            format!("sha256/{ABC}"),
            format!("sha256:{shown}"),
            format!("  {shown}\n"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(
            serde_json::to_string(&expected).unwrap(),
            format!("\"{shown}\"")
        );
        assert_eq!(
            serde_json::from_str::<CertificateFingerprint>(&format!("\"{ABC}\"")).unwrap(),
            expected
        );
    }

    #[test]
    fn what_is_not_a_fingerprint_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", ParseFingerprintError::Length { found_digits: 0 }),
            (
                &ABC[..40],
                ParseFingerprintError::Length { found_digits: 40 },
            ),
            (
                &format!("{ABC}00"),
                ParseFingerprintError::Length { found_digits: 66 },
            ),
            (
                &format!("{}g", &ABC[..63]),
                ParseFingerprintError::NotHexadecimal { found: 'g' },
            ),
            (
                &format!("b:a{}", &ABC[2..]),
                ParseFingerprintError::MisplacedColon,
            ),
            (&format!("{ABC}:"), ParseFingerprintError::MisplacedColon),
            (
                "sha256é",
                ParseFingerprintError::NotHexadecimal { found: 's' },
            ),
        ] {
            assert_eq!(
                text.parse::<CertificateFingerprint>(),
                Err(expected),
                "{text}"
            );
        }
        let short: ParseFingerprintError = ABC[..40].parse::<CertificateFingerprint>().unwrap_err();
        assert!(short.to_string().contains("SHA-1"), "{short}");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes: [u8; 32]) {
            let fingerprint = CertificateFingerprint(bytes);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<CertificateFingerprint>();
        }
    }
}
