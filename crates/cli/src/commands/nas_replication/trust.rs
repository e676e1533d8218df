//! `nas-replication trust`: which certificate a NAS has.

use std::fmt::Write as _;

use backup_window::exit::Exit;
use backup_window::nas_error;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use truenas_client::{CertificateDetails, fetch_certificate};
use url::Url;

use crate::failure::{Failure, failed_to};
use crate::session::Session;

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    url: Url,
    certificate_sha256: String,
    /// Absent when the certificate is not one as of RFC 5280.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<CertificateDetails>,
}

pub(super) async fn run(session: &Session, url: Url) -> Result<Exit, Failure> {
    let certificate = fetch_certificate(&url)
        .await
        .map_err(|error| failed_to(nas_error::exit(&error), &error))?;
    let found = Found {
        url,
        certificate_sha256: certificate.fingerprint.to_string(),
        details: certificate.details,
    };
    session.output().write(&found, || found.text())?;
    Ok(Exit::Done)
}

impl Found {
    fn text(&self) -> String {
        let mut text = format!("certificate_sha256 = \"{}\"\n\n", self.certificate_sha256);
        if let Some(details) = &self.details {
            describe(&mut text, details);
        }
        text.push_str(
            "Compare it with what the NAS shows under System, Certificates, before you trust it.",
        );
        text
    }
}

/// By what people recognise a certificate.
fn describe(text: &mut String, details: &CertificateDetails) {
    let issuer = if details.is_self_issued() {
        "itself"
    } else {
        &details.issuer
    };
    let (from, to) = (day(details.not_before), day(details.not_after));
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "Subject:   {}", details.subject);
    let _ = writeln!(text, "Names:     {}", details.names.join(", "));
    let _ = writeln!(text, "Issued by: {issuer}");
    let _ = writeln!(text, "Valid:     {from} to {to}\n");
}

fn day(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).date().to_string()
}
