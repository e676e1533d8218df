//! The password that some network cards want behind the magic packet.

use std::fmt;
use std::str::FromStr;

/// A `SecureOn` password of four or six bytes, which follows the addresses in the packet.
///
/// **It travels as plain text**, in a packet that goes to everybody on the network: it keeps
/// machines from being woken by accident, and nobody from waking them on purpose. It is still
/// never shown here: neither [`Debug`](fmt::Debug) nor any error has it.
///
/// Parses the two notations of `etherwake`: four bytes as dotted decimals (`192.168.1.1`), six as
/// hexadecimals with colons (`00:22:44:66:88:aa`).
///
/// ```
/// use wol::SecureOn;
///
/// let password: SecureOn = "00:22:44:66:88:aa".parse()?;
/// assert_eq!(password.as_bytes().len(), 6);
/// assert_eq!(format!("{password:?}"), "SecureOn(6 bytes)");
/// # Ok::<(), wol::SecureOnError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SecureOn(Password);

#[derive(Clone, PartialEq, Eq)]
enum Password {
    Four([u8; 4]),
    Six([u8; 6]),
}

impl SecureOn {
    /// The bytes, in the order in which they are written and sent.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Password::Four(bytes) => bytes,
            Password::Six(bytes) => bytes,
        }
    }
}

impl From<[u8; 4]> for SecureOn {
    fn from(bytes: [u8; 4]) -> Self {
        Self(Password::Four(bytes))
    }
}

impl From<[u8; 6]> for SecureOn {
    fn from(bytes: [u8; 6]) -> Self {
        Self(Password::Six(bytes))
    }
}

impl fmt::Debug for SecureOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureOn({} bytes)", self.as_bytes().len())
    }
}

impl FromStr for SecureOn {
    type Err = SecureOnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            octets::<6>(text, ':', 16)
                .map(Self::from)
                .ok_or(SecureOnError)
        } else {
            octets::<4>(text, '.', 10)
                .map(Self::from)
                .ok_or(SecureOnError)
        }
    }
}

/// Exactly `N` numbers with `separator` between them.
fn octets<const N: usize>(text: &str, separator: char, radix: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut groups = text.split(separator);
    for byte in &mut bytes {
        let group = groups.next()?;
        // `from_str_radix` alone would take a sign, and any number of zeroes.
        if group.len() > 3 || !group.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        *byte = u8::from_str_radix(group, radix).ok()?;
    }
    groups.next().is_none().then_some(bytes)
}

/// A text is not a [`SecureOn`] password. Which text, is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "read a SecureOn password: expected four bytes as dotted decimals, such as 192.168.1.1, or six \
     as hexadecimals with colons, such as 00:22:44:66:88:aa"
)]
pub struct SecureOnError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SecureOn;

    fn bytes(text: &str) -> Option<Vec<u8>> {
        let parsed = text.parse::<SecureOn>().ok()?;
        Some(parsed.as_bytes().to_vec())
    }

    #[test]
    fn both_notations_of_etherwake_are_read() {
        assert_eq!(bytes("192.168.1.1"), Some(vec![192, 168, 1, 1]));
        assert_eq!(
            bytes("00:22:44:66:88:aA"),
            Some(vec![0, 0x22, 0x44, 0x66, 0x88, 0xaa])
        );
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_repeated() {
        for text in [
            "",
            "sesame",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.+4",
            "1.2.3.",
            "00:22:44:66:88",
            "00:22:44:66:88:aa:bb",
            "00:22:44:66:88:100",
            "00:22:44:66",
            "002244668800",
        ] {
            let error = text.parse::<SecureOn>().expect_err(text).to_string();
            assert!(text.is_empty() || !error.contains(&format!("{text:?}")));
            assert!(error.contains("00:22:44:66:88:aa"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(password: [u8; 6]) {
            let text = password.map(|byte| format!("{byte:02x}")).join(":");
            let parsed: SecureOn = text.parse().unwrap();
            prop_assert_eq!(parsed.as_bytes(), password);
            prop_assert_eq!(format!("{parsed:?}"), "SecureOn(6 bytes)");
        }

        #[test]
        fn dotted_decimals_are_four_bytes(password: [u8; 4]) {
            let text = password.map(|byte| byte.to_string()).join(".");
            prop_assert_eq!(bytes(&text), Some(password.to_vec()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            if let Some(read) = bytes(&text) {
                prop_assert!(matches!(read.len(), 4 | 6));
            }
        }
    }
}
