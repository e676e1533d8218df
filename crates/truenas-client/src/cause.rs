//! What lies at the bottom of an error of the HTTP client, which wraps it four or five times.

use std::error::Error as StdError;
use std::io;

use crate::error::Source;

type Link<'a> = &'a (dyn StdError + 'static);

/// The error and everything beneath it.
fn chain<'a>(error: Link<'a>) -> impl Iterator<Item = Link<'a>> {
    std::iter::successors(Some(error), |&error: &Link<'a>| {
        // An `io::Error` gives the source of what it wraps, but not what it wraps.
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as Link<'a>),
            None => error.source(),
        }
    })
}

/// What rustls said, if it said anything.
pub(crate) fn rustls_error(error: Link<'_>) -> Option<&rustls::Error> {
    chain(error).find_map(<dyn StdError>::downcast_ref)
}

/// The innermost error, in its own words: `connection refused` rather than the four layers that
/// pass it on.
pub(crate) fn root(error: Link<'_>) -> Source {
    chain(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
        .into()
}
