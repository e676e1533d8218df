//! The library's failures, as errors of ours.

use std::{error::Error, path::Path};

use rustic_core::RusticError;

use crate::{StoreError, backend::FileError};

/// A piece of blocking work, by what it fails to do when it fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task(pub(crate) &'static str);

impl Task {
    /// Does the work on a blocking thread. A panic of the library comes back as an error.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => {
                    let text = panic
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| panic.downcast_ref::<&str>().copied());
                    StoreError::Library {
                        operation: self.0,
                        message: format!("it panicked: {}", text.unwrap_or("without a message")),
                    }
                }
                // The runtime is shutting down.
                Err(_) => StoreError::Cancelled { operation: self.0 },
            }),
        }
    }

    /// An error of the library that is nobody's fault we know of.
    pub(crate) fn failed(self, error: &RusticError) -> StoreError {
        file_error(error).unwrap_or_else(|| StoreError::Library {
            operation: self.0,
            message: in_short(error),
        })
    }
}

/// An error of the library while it read a part of the repository: that part is damaged, unless
/// its file could not be read at all.
pub(crate) fn damaged(location: &Path, what: impl Into<String>, error: &RusticError) -> StoreError {
    file_error(error).unwrap_or_else(|| StoreError::Damaged {
        path: location.to_owned(),
        what: what.into(),
        detail: in_short(error),
    })
}

/// The failure of a file underneath an error of the library, if there is one.
pub(crate) fn file_error(error: &RusticError) -> Option<StoreError> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<FileError>() {
            return Some(error.to_store_error());
        }
        cause = current.source();
    }
    None
}

/// An error of the library in one line: its own text is a page long.
pub(crate) fn in_short(error: &RusticError) -> String {
    let text = error.display_log();
    let text = text.strip_prefix("Error: ").unwrap_or(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustic_core::ErrorKind;

    use super::*;

    fn io_failure() -> FileError {
        let source = io::Error::from_raw_os_error(28);
        FileError {
            operation: "write",
            path: "/r/data/ab".into(),
            source,
        }
    }

    #[test]
    fn a_full_disk_is_found_under_any_number_of_errors() {
        let inner = RusticError::with_source(ErrorKind::Backend, "inner", io_failure());
        let outer = RusticError::with_source(ErrorKind::Internal, "outer", inner);
        let error = Task("back up").failed(&outer);
        assert_eq!(error.kind(), crate::StoreErrorKind::Full);
        assert!(error.to_string().contains("/r/data/ab"));
    }

    #[test]
    fn other_errors_are_one_line() {
        let error = RusticError::new(ErrorKind::Internal, "first\nsecond {id}");
        let error = error.attach_context("id", "7");
        let StoreError::Damaged { detail, .. } = damaged(Path::new("/r"), "the index", &error)
        else {
            panic!("it is damaged");
        };
        assert!(detail.starts_with("first second 7"), "{detail}");
        assert!(!detail.contains('\n'));
    }

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let result = Task("do it")
            .run(|| -> Result<(), _> { panic!("no {}", "way") })
            .await;
        let message = result.unwrap_err().to_string();
        assert_eq!(message, "do it: it panicked: no way");
    }
}
