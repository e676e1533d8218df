//! bollard's errors in the words of this crate.

use bollard::errors::Error as BollardError;

use super::{
    EngineError,
    connection::{Failure, Verdict},
};

/// Puts an error that bollard had with `operation` at `endpoint` into the words of this crate.
pub(super) fn explain(endpoint: String, operation: &str, error: BollardError) -> EngineError {
    let operation = operation.to_owned();
    match error {
        BollardError::DockerResponseServerError {
            status_code: 404, ..
        } => EngineError::NotFound {
            endpoint,
            operation,
        },
        BollardError::DockerResponseServerError {
            status_code,
            message,
        } => EngineError::Refused {
            endpoint,
            operation,
            status: status_code,
            message: message.trim().to_owned(),
        },
        BollardError::IOError { err } => match Failure::judge(&err) {
            Verdict::Unreachable(hint) => {
                EngineError::unreachable(&endpoint, &operation, hint, err.into())
            }
            Verdict::NotTrusted(hint) => EngineError::NotTrusted {
                endpoint,
                operation,
                hint,
                source: err.into(),
            },
            Verdict::NoEngine => EngineError::BadAnswer {
                endpoint,
                operation,
                source: err.into(),
            },
        },
        BollardError::HyperResponseError { err } => {
            EngineError::unreachable(&endpoint, &operation, None, err.into())
        }
        other => EngineError::BadAnswer {
            endpoint,
            operation,
            source: other.into(),
        },
    }
}
