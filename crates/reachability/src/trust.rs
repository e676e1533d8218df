//! Which certificate of a server is believed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How the certificate of an HTTPS server is judged. There is no way to believe any certificate.
///
/// | in the address | believed |
/// |---|---|
/// | nothing | what an authority that this machine trusts has signed, for the name in the address |
/// | `#ca=FILE` | what an authority in this PEM file has signed, for the name in the address |
/// | `#sha256=AB:CD:…` | the certificate with this fingerprint, whatever it says |
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ServerTrust {
    /// The authorities that this machine trusts.
    #[default]
    SystemRoots,
    /// The authorities in this file, in PEM form, and no others.
    CaFile(PathBuf),
    /// One certificate.
    Certificate(CertificateSha256),
}

impl ServerTrust {
    /// Reads what stands after the `#` of an address.
    pub(crate) fn from_fragment(fragment: &str) -> Option<Self> {
        match fragment.split_once('=')? {
            ("sha256", digits) => digits.parse().ok().map(Self::Certificate),
            ("ca", file) if !file.is_empty() => Some(Self::CaFile(file.into())),
            _ => None,
        }
    }

    /// The opposite; nothing for the default.
    pub(crate) fn fragment(&self) -> String {
        match self {
            Self::SystemRoots => String::new(),
            Self::CaFile(file) => format!("#ca={}", file.display()),
            Self::Certificate(pin) => format!("#sha256={pin}"),
        }
    }
}

/// The SHA-256 digest of a certificate in DER form: what browsers show as its fingerprint.
///
/// Read from 64 hexadecimal digits of either case, with or without colons between the bytes;
/// written as `AB:CD:…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateSha256([u8; 32]);

impl CertificateSha256 {
    /// The fingerprint with these bytes.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CertificateSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSha256({self})")
    }
}

/// A text that is no [`CertificateSha256`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a certificate's fingerprint: expected 64 hexadecimal digits, as in AB:CD:…")]
#[non_exhaustive]
pub struct CertificateSha256Error;

impl FromStr for CertificateSha256 {
    type Err = CertificateSha256Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_colons = text.contains(':');
        let step = if has_colons { 3 } else { 2 };
        let length = if has_colons { 32 * 3 - 1 } else { 32 * 2 };
        let text = text.as_bytes();
        if text.len() != length {
            return Err(CertificateSha256Error);
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.chunks(step)) {
            let (&[high, low], colon) = digits.split_first_chunk().ok_or(CertificateSha256Error)?;
            if !matches!(colon, [] | [b':']) {
                return Err(CertificateSha256Error);
            }
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Ok(Self(digest))
    }
}

fn digit(character: u8) -> Result<u8, CertificateSha256Error> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        _ => Err(CertificateSha256Error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CertificateSha256, ServerTrust};

    #[test]
    fn colons_and_case_do_not_matter_but_everything_else_does() {
        let digits = "ab".repeat(32);
        let pin: CertificateSha256 = digits.parse().unwrap();
        assert_eq!(pin.as_bytes(), &[0xab; 32]);
        let written = pin.to_string();
        assert_eq!(written, vec!["AB"; 32].join(":"));
        assert_eq!(written.parse(), Ok(pin));
        for wrong in [
            "",
            "AB",
            &written[1..],
            &written.replacen(':', "-", 1),
            &digits.replacen('a', "g", 1),
            &format!("{digits}00"),
            &format!("{}é", &digits[..62]),
        ] {
            assert!(wrong.parse::<CertificateSha256>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_believes_everything() {
        for fragment in ["", "insecure", "ca=", "sha256=", "sha256=*", "verify=no"] {
            assert_eq!(ServerTrust::from_fragment(fragment), None, "{fragment}");
        }
    }

    proptest! {
        #[test]
        fn a_fingerprint_is_read_back(digest: [u8; 32]) {
            let pin = CertificateSha256::new(digest);
            prop_assert_eq!(pin.to_string().parse(), Ok(pin));
            let trust = ServerTrust::Certificate(pin);
            prop_assert_eq!(ServerTrust::from_fragment(&trust.fragment()[1..]), Some(trust));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,99}") {
            let _ = text.parse::<CertificateSha256>();
        }
    }
}
