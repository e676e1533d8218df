//! Errors as sentences for people.

use std::error::Error;

/// An error and what lies behind it, in one line.
#[must_use]
pub fn of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The same for an error of one of the library crates. Their messages name what was tried, so that
/// they continue "failed to".
#[must_use]
pub fn failed_to(error: &dyn Error) -> String {
    format!("failed to {}", of(error))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the password file")]
    struct Outer(#[source] io::Error);

    #[test]
    fn what_lies_behind_an_error_is_said_in_the_same_line() {
        let error = Outer(io::Error::other("the disk is on fire"));
        assert_eq!(
            failed_to(&error),
            "failed to read the password file: the disk is on fire"
        );
    }
}
