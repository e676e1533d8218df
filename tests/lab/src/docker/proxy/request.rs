//! The head of a request, as far as a proxy looks at it.

use std::fmt;

/// A request to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The how-manieth request to this proxy it is, from 1.
    pub number: usize,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path without the version of the API: `/containers/json`.
    pub path: String,
    /// What follows the question mark, as it was sent; empty without one.
    pub query: String,
}

impl Request {
    /// Reads a request's first line; `None` if it is none.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (method, target, _version) = (words.next()?, words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self {
            number: 0,
            method: method.to_owned(),
            path: without_version(path).to_owned(),
            query: query.to_owned(),
        })
    }

    /// Is it a call of this endpoint? A part of the path in braces stands for any one part:
    /// `/containers/{id}/stop`.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        let mut own = self.path.split('/');
        let mut pattern = path.split('/');
        self.method == method
            && loop {
                match (own.next(), pattern.next()) {
                    (None, None) => break true,
                    (Some(own), Some(part)) if own == part || is_open(part, own) => {}
                    _ => break false,
                }
            }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A placeholder, and something to fill it.
fn is_open(part: &str, own: &str) -> bool {
    part.starts_with('{') && part.ends_with('}') && !own.is_empty()
}

/// `/v1.41/info` and `/info` are the same call.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v") else {
        return path;
    };
    match rest.find('/') {
        Some(end)
            if rest[..end]
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            &rest[end..]
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_and_the_query_are_taken_off() {
        let request = Request::read("POST /v1.41/containers/abc/stop?t=10 HTTP/1.1").unwrap();
        assert_eq!(request.to_string(), "POST /containers/abc/stop");
        assert_eq!(request.query, "t=10");
        let plain = Request::read("GET /version HTTP/1.1").unwrap();
        assert_eq!(plain.to_string(), "GET /version");
        let volumes = Request::read("GET /volumes/x HTTP/1.1").unwrap();
        assert_eq!(volumes.path, "/volumes/x");
        assert_eq!(Request::read("nonsense"), None);
    }

    #[test]
    fn a_placeholder_stands_for_exactly_one_part() {
        let request = Request::read("POST /containers/abc/stop HTTP/1.1").unwrap();
        assert!(request.matches("POST", "/containers/{id}/stop"));
        assert!(!request.matches("GET", "/containers/{id}/stop"));
        assert!(!request.matches("POST", "/containers/{id}"));
        assert!(!request.matches("POST", "/containers/{id}/stop/{more}"));
        let nobody = Request::read("POST /containers//stop HTTP/1.1").unwrap();
        assert!(!nobody.matches("POST", "/containers/{id}/stop"));
    }
}
