//! What stands after the `#` of an address: which certificate is believed.

use tls_trust::Trust;

/// Reads it.
pub(super) fn read(fragment: &str) -> Option<Trust> {
    match fragment.split_once('=')? {
        ("sha256", digits) => digits.parse().ok().map(Trust::Certificate),
        ("ca", file) if !file.is_empty() => Some(Trust::CaFile(file.into())),
        _ => None,
    }
}

/// The opposite, with the `#`; nothing for the default.
pub(super) fn write(trust: &Trust) -> String {
    match trust {
        Trust::CaFile(file) => format!("#ca={}", file.display()),
        Trust::Certificate(pin) => format!("#sha256={pin}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tls_trust::CertificateFingerprint;

    use super::*;

    #[test]
    fn nothing_believes_everything() {
        for fragment in ["", "insecure", "ca=", "sha256=", "sha256=*", "verify=no"] {
            assert_eq!(read(fragment), None, "{fragment}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(digest: [u8; 32], file in "[a-z/][a-z/.=]{0,20}") {
            let pin = Trust::Certificate(CertificateFingerprint::from_bytes(digest));
            for trust in [pin, Trust::CaFile(file.into())] {
                prop_assert_eq!(read(&write(&trust)[1..]), Some(trust));
            }
        }
    }
}
