//! What can go wrong between this machine and a TrueNAS.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::CertificateFingerprint;

pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a question to a TrueNAS, or a request to it, failed.
///
/// The texts are fragments to follow "failed to"; none of them holds an API key. `request` names
/// the method and the address, such as `GET https://192.168.0.10/api/v2.0/replication`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrueNasError {
    /// The address is not `https://`. Found before anything was sent.
    #[error(
        "use {url}: it is not an https:// address, and TrueNAS revokes an API key that arrives unencrypted (nothing was sent)"
    )]
    NotHttps {
        /// The address, without what may be a password.
        url: String,
    },
    /// The address is not that of a NAS.
    #[error(
        "use {url} as the address of a NAS: {reason} (expected https://HOST or https://HOST:PORT)"
    )]
    InvalidUrl {
        /// The address, without what may be a password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The API key holds something that no key holds.
    #[error(
        "use the API key for {url}: it is empty or holds a character that no key has (is it the right file?)"
    )]
    InvalidKey {
        /// The NAS that the key is for.
        url: String,
    },
    /// The file with the certificates to trust cannot be used.
    #[error("read the certificates to trust from {}", path.display())]
    TrustFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The HTTPS client cannot be set up on this machine.
    #[error("set up HTTPS for {url}")]
    Setup {
        /// The NAS.
        url: String,
        /// Why not.
        source: Source,
    },
    /// The NAS shows another certificate than the pinned one. No request was sent.
    #[error(
        "trust {url}: its certificate is {found}, but {expected} is expected; nothing was sent. If the NAS has a new certificate, compare the fingerprint on the NAS itself and change the configuration"
    )]
    CertificateMismatch {
        /// The NAS.
        url: String,
        /// The pinned fingerprint.
        expected: CertificateFingerprint,
        /// The fingerprint of the certificate that was shown.
        found: CertificateFingerprint,
    },
    /// The NAS and this machine do not agree on TLS, or its certificate is not trusted. No request
    /// was sent.
    #[error("agree on TLS with {url} (for a self-signed certificate, pin its fingerprint)")]
    Tls {
        /// The NAS.
        url: String,
        /// What TLS said.
        source: Source,
    },
    /// No connection came about.
    #[error("connect to {url}")]
    Connect {
        /// The NAS.
        url: String,
        /// What the system said.
        source: Source,
    },
    /// The connection broke while the request was sent or the answer read.
    #[error("finish {request}: the connection broke")]
    Broken {
        /// The request.
        request: String,
        /// What was seen.
        source: Source,
    },
    /// The time for the request was over, tries included.
    #[error("finish {request} within {}", seconds(*after))]
    Timeout {
        /// The request.
        request: String,
        /// The time it had.
        after: Duration,
        /// What the last finished try met.
        source: Option<Box<TrueNasError>>,
    },
    /// The NAS points elsewhere. Redirects are not followed, because the key would go along.
    #[error(
        "finish {request}: it is redirected to {to}, where the API key is not taken; use the address that the NAS itself answers at"
    )]
    Redirect {
        /// The request.
        request: String,
        /// Where it pointed.
        to: String,
    },
    /// The NAS does not accept the key (401).
    #[error(
        "log in for {request}: the NAS does not accept the API key (is it revoked, expired, or another NAS's?)"
    )]
    Unauthorized {
        /// The request.
        request: String,
    },
    /// The key is good, but not for this (403).
    #[error(
        "finish {request}: the API key's user may not do this (over REST, TrueNAS 25.04 and later let only full administrators in)"
    )]
    Forbidden {
        /// The request.
        request: String,
    },
    /// There is no such thing on the NAS (404).
    #[error("finish {request}: the NAS has no such thing{}", said(message))]
    NotFound {
        /// The request.
        request: String,
        /// What the NAS said, perhaps nothing.
        message: String,
    },
    /// The NAS refuses the request as it is (422).
    #[error(
        "finish {request}: the NAS refuses it{}{}",
        said(message),
        listed(fields)
    )]
    Validation {
        /// The request.
        request: String,
        /// What the NAS said, perhaps nothing.
        message: String,
        /// What it said about each field.
        fields: Vec<FieldError>,
    },
    /// The NAS itself failed (5xx), or a proxy before it did.
    #[error(
        "finish {request}: the NAS failed with HTTP status {status}{}",
        said(message)
    )]
    Server {
        /// The request.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What the NAS said, perhaps nothing.
        message: String,
        /// Where in TrueNAS it failed. Only `{:?}` shows it.
        traceback: Option<Traceback>,
    },
    /// An HTTP status that means nothing here.
    #[error("finish {request}: unexpected HTTP status {status}{}", said(message))]
    Status {
        /// The request.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What the NAS said, perhaps nothing.
        message: String,
    },
    /// The answer is not what this version of the API is known to answer.
    #[error("understand the answer to {request}: at {at}, {what}")]
    Shape {
        /// The request.
        request: String,
        /// What was expected or found.
        what: String,
        /// Where in the JSON document, such as `[0].source_datasets` or `line 1 column 17`.
        at: String,
    },
    /// A list changes faster than it can be read.
    #[error("read the whole answer to {request}: the list changes faster than it can be read")]
    Moving {
        /// The request.
        request: String,
    },
    /// The API key of this NAS has a user, whose name is not known here.
    #[error(
        "log in at {url}: this version of TrueNAS wants the name of the user that the API key belongs to"
    )]
    UserMissing {
        /// The NAS.
        url: String,
    },
    /// The NAS does not let this key in.
    #[error("log in at {url}: {reason}")]
    Login {
        /// The NAS.
        url: String,
        /// Why not, as far as it says.
        reason: &'static str,
    },
    /// The NAS speaks another API than it is asked in, and the key would only be sent in vain.
    #[error("ask {url}: {reason}")]
    WrongApi {
        /// The NAS.
        url: String,
        /// What it speaks and what it was asked in.
        reason: &'static str,
    },
    /// The NAS closed the connection on its own account.
    #[error("finish {request}: the NAS closed the connection ({code}{}){}", said(reason), closed_hint(*code))]
    Closed {
        /// The request.
        request: String,
        /// The code of the WebSocket protocol.
        code: u16,
        /// What it said about it, perhaps nothing.
        reason: String,
    },
    /// The NAS refuses or fails the call for a reason of its own (an error of its method).
    #[error("finish {request}: the NAS refuses it: {message}")]
    Call {
        /// The request.
        request: String,
        /// The name of its error number, such as `EBUSY`.
        errname: String,
        /// What the NAS said.
        message: String,
        /// Where in TrueNAS it failed. Only `{:?}` shows it.
        traceback: Option<Traceback>,
    },
    /// The answer is longer than any that makes sense.
    #[error("read the answer to {request}: it is longer than {limit_bytes} bytes")]
    TooLong {
        /// The request.
        request: String,
        /// How much is read at most.
        limit_bytes: usize,
    },
}

/// What a [`TrueNasError`] means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The options are wrong: address, key or certificate file.
    Usage,
    /// The NAS is off, booting, or the network is down; or it did not answer in time.
    Unreachable,
    /// Something answers that cannot be trusted.
    Untrusted,
    /// The key is not accepted, or not for this.
    Denied,
    /// There is no such task, job or dataset.
    NotFound,
    /// The NAS refuses the request.
    Refused,
    /// The NAS failed inside.
    Server,
    /// The answer cannot be understood.
    Unintelligible,
}

impl TrueNasError {
    /// What the error means.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotHttps { .. }
            | Self::InvalidUrl { .. }
            | Self::InvalidKey { .. }
            | Self::TrustFile { .. }
            | Self::Setup { .. }
            | Self::UserMissing { .. }
            | Self::WrongApi { .. } => ErrorKind::Usage,
            Self::CertificateMismatch { .. } | Self::Tls { .. } | Self::Redirect { .. } => {
                ErrorKind::Untrusted
            }
            Self::Closed { code, .. } if *code == POLICY_VIOLATION => ErrorKind::Denied,
            Self::Connect { .. }
            | Self::Broken { .. }
            | Self::Closed { .. }
            | Self::Timeout { .. } => ErrorKind::Unreachable,
            Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::Login { .. } => {
                ErrorKind::Denied
            }
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Validation { .. } | Self::Call { .. } => ErrorKind::Refused,
            Self::Server { .. } => ErrorKind::Server,
            Self::Status { .. }
            | Self::Shape { .. }
            | Self::Moving { .. }
            | Self::TooLong { .. } => ErrorKind::Unintelligible,
        }
    }

    /// Whether the same question may get an answer a moment later, with nothing changed: no
    /// connection, or a NAS (or the proxy before it) that is busy or starting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } => true,
            Self::Closed { code, .. } => *code != POLICY_VIOLATION,
            Self::Server { status, .. } => matches!(status, 502 | 503),
            Self::Status { status, .. } => *status == 429,
            // Too many calls or logins at once: TrueNAS says EBUSY, and means for a moment.
            Self::Call { errname, .. } => errname == "EBUSY",
            _ => false,
        }
    }
}

/// What the NAS said about one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The field, such as `query-options.sort`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The Python traceback that TrueNAS sends with an internal error: for a bug report, not for a
/// message, so that only `{:?}` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Traceback(pub(crate) String);

impl fmt::Debug for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The code with which a NAS closes the connection to a machine that is not on its list of allowed
/// addresses.
const POLICY_VIOLATION: u16 = 1008;

fn closed_hint(code: u16) -> &'static str {
    if code == POLICY_VIOLATION {
        "; are only some addresses allowed to use its web page (System, General Settings)?"
    } else {
        ""
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

fn listed(fields: &[FieldError]) -> String {
    fields
        .iter()
        .fold(String::new(), |list, FieldError { field, message }| {
            let separator = if list.is_empty() { ": " } else { ", " };
            format!("{list}{separator}{field}: {message}")
        })
}

#[cfg(test)]
mod tests;
