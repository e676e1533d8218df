//! What can go wrong between this program and an engine.

use std::{error::Error, io, time::Duration};

type Source = Box<dyn Error + Send + Sync>;

/// A call to an engine that failed.
///
/// ```no_run
/// # async fn example(engine: &dyn docker_stacks::Engine, id: &docker_stacks::ContainerId) {
/// match engine.start(id).await {
///     Ok(()) => println!("it runs"),
///     Err(error) if error.is_away() => println!("later, perhaps: failed to {error}"),
///     Err(error) => println!("failed to {error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Nobody could be spoken to.
    #[error("reach the Docker engine at {endpoint} to {operation}: {hint}")]
    Unreachable {
        /// Where the engine should be.
        endpoint: String,
        /// What was to be done.
        operation: String,
        /// What to look at.
        hint: String,
        /// What the system said.
        source: Source,
    },
    /// One of the two does not know the other for whom it should be: a host key or a certificate is
    /// unknown, a login is refused. Nothing was asked.
    #[error("reach the Docker engine at {endpoint} to {operation}: {hint}")]
    NotTrusted {
        /// Where the engine should be.
        endpoint: String,
        /// What was to be done.
        operation: String,
        /// What to look at.
        hint: String,
        /// What TLS or SSH said.
        source: Source,
    },
    /// The engine did not answer in time. What was asked of it may still happen.
    #[error(
        "{operation}: the Docker engine at {endpoint} did not answer within {} s",
        .deadline.as_secs_f64()
    )]
    DeadlinePassed {
        /// Where the engine is.
        endpoint: String,
        /// What was to be done.
        operation: String,
        /// How long it was given.
        deadline: Duration,
    },
    /// There is no such container or service.
    #[error("{operation}: the Docker engine at {endpoint} knows nothing of that name")]
    NotFound {
        /// Where the engine is.
        endpoint: String,
        /// What was to be done.
        operation: String,
    },
    /// The engine answered that it will not, or cannot.
    #[error("{operation}: the Docker engine at {endpoint} answered {status}: {message}")]
    Refused {
        /// Where the engine is.
        endpoint: String,
        /// What was to be done.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// Something answered, but not as an engine does.
    #[error("{operation}: what answered at {endpoint} does not speak the Docker Engine API")]
    BadAnswer {
        /// Where the engine should be.
        endpoint: String,
        /// What was to be done.
        operation: String,
        /// What was wrong with the answer.
        source: Source,
    },
}

/// What a caller has to tell apart.
///
/// ```
/// use docker_stacks::{EngineError, EngineErrorKind};
///
/// fn is_gone(error: &EngineError) -> bool {
///     error.kind() == EngineErrorKind::NotFound
/// }
/// # let endpoint = "unix:///var/run/docker.sock".to_owned();
/// # assert!(is_gone(&EngineError::NotFound { endpoint, operation: String::new() }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// Nobody could be spoken to.
    Unreachable,
    /// One of the two does not know the other for whom it should be.
    NotTrusted,
    /// No answer in time.
    DeadlinePassed,
    /// No such container or service.
    NotFound,
    /// The engine will not, or cannot.
    Refused,
    /// Not an engine's answer.
    BadAnswer,
}

/// HTTP's word for "come back later": what an engine answers while it goes down.
const SERVICE_UNAVAILABLE: u16 = 503;

impl EngineError {
    /// Which kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        match self {
            Self::Unreachable { .. } => EngineErrorKind::Unreachable,
            Self::NotTrusted { .. } => EngineErrorKind::NotTrusted,
            Self::DeadlinePassed { .. } => EngineErrorKind::DeadlinePassed,
            Self::NotFound { .. } => EngineErrorKind::NotFound,
            Self::Refused { .. } => EngineErrorKind::Refused,
            Self::BadAnswer { .. } => EngineErrorKind::BadAnswer,
        }
    }

    /// The engine is away and may come back (it restarts, it is overloaded): asking again later
    /// makes sense. Asking again makes none when the engine said no.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::DeadlinePassed { .. } => true,
            Self::Refused { status, .. } => *status == SERVICE_UNAVAILABLE,
            Self::NotTrusted { .. } | Self::NotFound { .. } | Self::BadAnswer { .. } => false,
        }
    }

    /// Says what is wrong with a connection in words that lead somewhere: in those of `hint`, or
    /// else in those that fit what the system said.
    pub(super) fn unreachable(
        endpoint: &str,
        operation: &str,
        hint: Option<String>,
        source: Source,
    ) -> Self {
        let is_socket = endpoint.starts_with("unix://");
        let usual = match io_kind(&*source) {
            Some(io::ErrorKind::ConnectionRefused) if !is_socket => {
                "nobody listens on that port; is the Docker service running there, and told to listen on it (dockerd --host)?"
            }
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                "no way leads to that machine; is it up, and the address right?"
            }
            _ if !is_socket => {
                "no connection, or one that broke; is the name of that machine right, and its Docker service running?"
            }
            Some(io::ErrorKind::NotFound) => {
                "there is no such socket; is Docker installed, and its service started (systemctl status docker)?"
            }
            Some(io::ErrorKind::PermissionDenied) => {
                "permission denied; run as root or as a member of the group that owns the socket (usually docker)"
            }
            Some(io::ErrorKind::ConnectionRefused) => {
                "the socket is there but nobody listens; is the Docker service running (systemctl status docker)?"
            }
            _ => {
                "the connection broke; did the Docker service stop or restart (journalctl -u docker)?"
            }
        };
        Self::Unreachable {
            endpoint: endpoint.to_owned(),
            operation: operation.to_owned(),
            hint: hint.unwrap_or_else(|| usual.to_owned()),
            source,
        }
    }
}

/// The kind of the first I/O error in a chain of causes.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library's error around the system's.
    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Around(#[source] io::Error);

    #[test]
    fn what_the_system_said_is_found_and_explained() {
        for (kind, hint) in [
            (io::ErrorKind::NotFound, "there is no such socket"),
            (
                io::ErrorKind::PermissionDenied,
                "run as root or as a member",
            ),
            (io::ErrorKind::ConnectionRefused, "nobody listens"),
            (io::ErrorKind::BrokenPipe, "the connection broke"),
        ] {
            let source = Around(io::Error::from(kind));
            let error = EngineError::unreachable("unix:///d.sock", "list", None, Box::new(source));
            assert!(error.to_string().contains(hint), "{error}");
            assert!(error.to_string().contains("unix:///d.sock"), "{error}");
            assert!(!error.to_string().contains("Connect)"), "{error}");
            assert!(error.source().is_some() && error.is_away());
        }
    }
}
