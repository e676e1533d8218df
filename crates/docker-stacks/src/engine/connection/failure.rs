//! Why a request did not get through, where the system's own error does not say it.

use std::{error::Error, io, path::PathBuf, time::Duration};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// Why a request did not get through. It travels through bollard inside of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum Failure {
    /// No connection in time.
    #[error("no connection within {} s", .deadline.as_secs_f64())]
    TooSlow {
        /// How long it was given.
        deadline: Duration,
    },
    /// A file for TLS that does not serve.
    #[error("read {}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection was there, and something went wrong on it.
    #[error("exchange HTTP with the engine")]
    Http {
        /// What.
        source: hyper::Error,
    },
    /// What `ssh` said before it gave up.
    #[error("ssh said: {said}")]
    Ssh {
        /// The last of its lines that says something.
        said: String,
    },
}

/// What a caller has to tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Verdict {
    /// Nobody could be spoken to; with a hint, where there is a better one than the system's error.
    Unreachable(Option<String>),
    /// One of the two does not know the other for whom it should be.
    NotTrusted(String),
    /// What answered is no engine.
    NoEngine,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

impl Failure {
    /// The verdict on an error of the system, or one of these in its guise.
    pub(in crate::engine) fn judge(error: &io::Error) -> Verdict {
        if let Some(tls) = find::<TlsError>(error) {
            return judge_tls(tls);
        }
        match find::<Self>(error) {
            Some(Self::TooSlow { deadline }) => Verdict::Unreachable(Some(format!(
                "nobody accepted the connection within {} s; is the machine up, and no firewall in between?",
                deadline.as_secs_f64()
            ))),
            Some(Self::File { file, source }) => Verdict::NotTrusted(format!(
                "{} cannot be used ({source}); expected a file in PEM",
                file.display()
            )),
            Some(Self::Http { source }) if source.is_parse() => Verdict::NoEngine,
            None | Some(Self::Http { .. }) => Verdict::Unreachable(None),
            Some(Self::Ssh { said }) => judge_ssh(said),
        }
    }
}

fn judge_tls(error: &TlsError) -> Verdict {
    let hint = match error {
        // A second authority that was made under the name of the first.
        TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "its certificate was not issued by the authority in ca_file; expected the ca.pem that \
             the engine's certificate was made with"
                .to_owned()
        }
        TlsError::InvalidCertificate(why) => {
            format!("its certificate cannot be accepted ({why}); expected one for this host that is valid today")
        }
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => {
            "it accepts no client without a certificate of its authority; expected certificate_file \
             and key_file to be the cert.pem and key.pem that were made for this client"
                .to_owned()
        }
        TlsError::InvalidMessage(_) => return Verdict::NoEngine,
        other => format!("no agreement on TLS with it ({other})"),
    };
    Verdict::NotTrusted(hint)
}

/// `ssh` has one exit code for all that goes wrong; its words are the same since OpenSSH 3.
fn judge_ssh(said: &str) -> Verdict {
    if said.contains("Host key verification failed") || said.contains("IDENTIFICATION HAS CHANGED")
    {
        Verdict::NotTrusted(format!(
            "its host key is not the one in the known hosts ({said}); compare what `ssh-keygen -lf` \
             prints on that machine, and add it with `ssh-keyscan`"
        ))
    } else if said.contains("Permission denied (") {
        Verdict::NotTrusted(format!(
            "it lets this user in with none of the keys ({said}); expected a key without a passphrase, or an agent"
        ))
    } else if said.contains("not found") || said.contains("dial-stdio") {
        // No ssh here, or no docker there: what was said is the source of the error.
        Verdict::NoEngine
    } else {
        Verdict::Unreachable(Some(format!("ssh said: {said}")))
    }
}

/// The first error of a kind in a chain of causes. `io::Error` leaves itself out of the chain of
/// what it holds.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}
