//! What a certificate says of itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// What a certificate says of itself, for people to compare with what they see elsewhere. Nothing
/// of it is verified, and nothing should be believed because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CertificateDetails {
    /// Whose it is, as in RFC 4514: `CN=nas,O=Home`.
    pub subject: String,
    /// Who has signed it, in the same form.
    pub issuer: String,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is good.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

/// Bytes that are no certificate as of RFC 5280.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read a certificate: {reason}")]
#[non_exhaustive]
pub struct ReadCertificateError {
    /// What is wrong with it.
    pub reason: String,
}

impl CertificateDetails {
    /// Reads a certificate in DER form.
    ///
    /// # Errors
    /// When it is none, or says something that this cannot show.
    pub fn of_der(certificate: &[u8]) -> Result<Self, ReadCertificateError> {
        let unreadable = |error: x509_cert::der::Error| ReadCertificateError {
            reason: error.to_string(),
        };
        let certificate = Certificate::from_der(certificate).map_err(unreadable)?;
        let certificate = certificate.tbs_certificate();
        let names = certificate
            .get_extension::<SubjectAltName>()
            .map_err(unreadable)?;
        let names = names.map_or_else(Vec::new, |(_, names)| names.0);
        let validity = certificate.validity();
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names.iter().filter_map(host).collect(),
            not_before: timestamp(validity.not_before)?,
            not_after: timestamp(validity.not_after)?,
        })
    }

    /// Whether it names itself as who has signed it, as the certificates do that appliances make.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// A name that a client could have in its address.
fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let v6 = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            v4.or_else(|_| v6()).ok()
        }
        _ => None,
    }
}

fn timestamp(time: Time) -> Result<Timestamp, ReadCertificateError> {
    Timestamp::try_from(time.to_system_time()).map_err(|error| ReadCertificateError {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn what_it_says_is_read() {
        let names = ["nas.lan", "192.0.2.7", "2001:db8::7"].map(str::to_owned);
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "nas");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Home");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2052, 3, 4);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let details = CertificateDetails::of_der(certificate.der()).unwrap();
        // RFC 4514 begins with the last.
        assert_eq!(details.subject, "O=Home,CN=nas");
        assert_eq!(details.names, names);
        assert_eq!(details.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(details.not_after.to_string(), "2052-03-04T00:00:00Z");
        assert!(details.is_self_issued());
    }

    #[test]
    fn what_is_cut_off_is_no_certificate() {
        let certificate = rcgen::generate_simple_self_signed(["nas".to_owned()]).unwrap();
        let der = certificate.cert.der();
        for length in 0..der.len() {
            assert!(CertificateDetails::of_der(&der[..length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = CertificateDetails::of_der(&bytes);
        }

        #[test]
        fn no_changed_byte_panics(at: prop::sample::Index, byte: u8) {
            let certificate = rcgen::generate_simple_self_signed(["nas".to_owned()]).unwrap();
            let mut der = certificate.cert.der().to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            let _ = CertificateDetails::of_der(&der);
        }
    }
}
