//! Requests to a server, repeated where that helps.

use std::{error::Error, io, path::PathBuf, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Certificate, Client, Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, DATE, HeaderMap, HeaderValue, RANGE},
    redirect,
};
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Runtime};

use super::RestServer;
use crate::backend::FileError;

/// What makes a server answer with sizes in its lists.
const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

/// An answer that is longer is none: no file of a repository comes near.
const ANSWER_LIMIT_BYTES: usize = 1 << 30;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may move.
const SILENCE: Duration = Duration::from_mins(1);

/// How long one try may take altogether: 64 MiB over a line of 100 kB/s.
const TRY_TIMEOUT: Duration = Duration::from_mins(11);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server, and what is needed to ask it something.
#[derive(Debug)]
pub(crate) struct Connection {
    server: RestServer,
    client: Client,
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
}

/// Something to ask.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) place: &'a str,
    /// The offset and the length of what is wanted, in bytes.
    pub(super) range: Option<(u64, u64)>,
    pub(super) body: Option<Bytes>,
}

impl<'a> Request<'a> {
    pub(super) fn new(operation: &'static str, method: Method, place: &'a str) -> Self {
        Self {
            operation,
            method,
            place,
            range: None,
            body: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Whether the server has no such file.
pub(super) fn missing(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
}

impl Connection {
    /// Nothing is asked of the server yet. Must be called where blocking is allowed.
    pub(crate) fn new(server: RestServer) -> Result<Self, FileError> {
        let failed = |source| FileError {
            operation: "prepare to talk to",
            path: PathBuf::from(server.url.as_str()),
            source,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rest-server")
            .enable_all()
            .build()
            .map_err(failed)?;
        let mut builder = Client::builder()
            // The password must not follow to another host.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .tcp_user_timeout(SILENCE)
            .timeout(TRY_TIMEOUT)
            .user_agent(concat!("backup-store/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &server.authorities {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|error| failed(io::Error::other(root_cause(&error))))?;
            if certificates.is_empty() {
                let why = "there is no certificate of an authority in what was given (PEM)";
                return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let (Some(host), false) = (server.url.host_str(), server.addresses.is_empty()) {
            builder = builder.resolve_to_addrs(host, &server.addresses);
        }
        let client = builder
            .build()
            .map_err(|error| failed(io::Error::other(root_cause(&error))))?;
        Ok(Self {
            server,
            client,
            runtime: Some(runtime),
        })
    }

    /// The repository's address, which holds no secrets.
    pub(crate) fn shown(&self) -> PathBuf {
        PathBuf::from(self.server.url.as_str())
    }

    pub(super) fn address(&self, place: &str) -> String {
        format!("{}{place}", self.server.url)
    }

    pub(super) fn failed(
        &self,
        operation: &'static str,
        place: &str,
        source: io::Error,
    ) -> FileError {
        FileError {
            operation,
            path: PathBuf::from(self.address(place)),
            source,
        }
    }

    /// The runtime of the requests, for what has to go on beside them.
    pub(super) fn runtime(&self) -> Option<&Runtime> {
        self.runtime.as_ref()
    }

    /// How long a file is, or `None` if it is not there.
    pub(super) fn size(&self, place: &str) -> Result<Option<u64>, FileError> {
        let request = Request::new("look for", Method::HEAD, place);
        let (answer, _) = self.tries(&request)?;
        if missing(&answer) {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refused(&request, &answer));
        }
        let length = answer.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        length.map(Some).ok_or_else(|| {
            let why = "the server does not say how long the file is";
            self.failed(request.operation, place, io::Error::other(why))
        })
    }

    /// Asks for something that is there or can be done.
    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Answer, FileError> {
        let (answer, _) = self.tries(request)?;
        if !answer.status.is_success() {
            return Err(self.refused(request, &answer));
        }
        if let Some((_, length)) = request.range
            && (answer.status != StatusCode::PARTIAL_CONTENT || answer.body.len() as u64 != length)
        {
            let why = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server did not answer with the part that was asked for",
            );
            return Err(self.failed(request.operation, request.place, why));
        }
        Ok(answer)
    }

    /// Asks until there is an answer that will not change, and says how often.
    pub(super) fn tries(&self, request: &Request<'_>) -> Result<(Answer, u32), FileError> {
        let failed = |source| self.failed(request.operation, request.place, source);
        let Some(runtime) = &self.runtime else {
            return Err(failed(io::ErrorKind::NotConnected.into()));
        };
        runtime.block_on(self.patiently(request)).map_err(failed)
    }

    async fn patiently(&self, request: &Request<'_>) -> io::Result<(Answer, u32)> {
        let mut waited = Duration::ZERO;
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let met = self.once(request).await;
            let passes = match &met {
                Ok(answer) => passes(answer.status),
                Err(failure) => failure.passes,
            };
            if !passes || waited + pause > self.server.patience {
                return met.map(|answer| (answer, tries)).map_err(|it| it.error);
            }
            let why = match &met {
                Ok(answer) => answer.status.to_string(),
                Err(failure) => failure.error.to_string(),
            };
            tracing::debug!(
                request = %request.method,
                place = request.place,
                why,
                ?pause,
                "asking again"
            );
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let mut asked = self
            .client
            .request(request.method.clone(), self.address(request.place))
            .header(ACCEPT, HeaderValue::from_static(VERSION_2));
        if let Some((user, password)) = &self.server.login {
            asked = asked.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some((offset, length)) = request.range {
            let last = (offset + length).saturating_sub(1);
            asked = asked.header(RANGE, format!("bytes={offset}-{last}"));
        }
        if request.method == Method::POST {
            asked = asked.body(request.body.clone().unwrap_or_default());
        }
        let response = asked.send().await.map_err(|error| Failure::of(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body(response).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// What an answer means that is no success.
    pub(super) fn refused(&self, request: &Request<'_>, answer: &Answer) -> FileError {
        let status = answer.status.as_u16();
        let (kind, why) = match answer.status {
            StatusCode::UNAUTHORIZED => (
                io::ErrorKind::PermissionDenied,
                "the server refuses the user or the password (401); check both".to_owned(),
            ),
            StatusCode::FORBIDDEN => (
                io::ErrorKind::PermissionDenied,
                "the server forbids it (403); is the repository another user's, \
                 or does the server only take new files?"
                    .to_owned(),
            ),
            StatusCode::NOT_FOUND => (
                io::ErrorKind::NotFound,
                "the server has no such file (404)".to_owned(),
            ),
            StatusCode::INSUFFICIENT_STORAGE => (
                io::ErrorKind::StorageFull,
                "the server's disk or quota is full (507)".to_owned(),
            ),
            other if other.is_redirection() => (
                io::ErrorKind::Other,
                format!(
                    "the server leads elsewhere ({status}), which is not followed; correct the URL"
                ),
            ),
            _ => (
                io::ErrorKind::Other,
                format!("the server answers {}", answer.status),
            ),
        };
        self.failed(request.operation, request.place, io::Error::new(kind, why))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The last one may be dropped where waiting for threads is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The server's time, which all that use the repository can agree on.
pub(super) fn server_time(answer: &Answer) -> Option<jiff::Timestamp> {
    let text = answer.headers.get(DATE)?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    parsed.ok()
}

/// A try without an answer.
struct Failure {
    error: io::Error,
    passes: bool,
}

impl Failure {
    fn of(error: &reqwest::Error) -> Self {
        let text = root_cause(error);
        let kind = if error.is_timeout() {
            io::ErrorKind::TimedOut
        } else if error.is_connect() {
            io::ErrorKind::NotConnected
        } else {
            io::ErrorKind::ConnectionAborted
        };
        // A certificate does not become a better one.
        let is_certificate = text.contains("certificate");
        Self {
            error: io::Error::new(kind, text),
            passes: !error.is_builder() && !is_certificate,
        }
    }
}

fn passes(status: StatusCode) -> bool {
    match status {
        StatusCode::NOT_IMPLEMENTED
        | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        | StatusCode::INSUFFICIENT_STORAGE => false,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
        other => other.is_server_error(),
    }
}

async fn body(mut response: Response) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::of(&error))?
    {
        if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(Failure {
                error: io::ErrorKind::FileTooLarge.into(),
                passes: false,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What is at the bottom of an error: the layers above only say that a request failed, and where.
fn root_cause(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(passes(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 501, 507] {
            assert!(!passes(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }

    #[test]
    fn the_server_tells_the_time() {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Sun, 01 Mar 2026 03:00:05 GMT"),
        );
        let answer = Answer {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
        };
        let time = server_time(&answer).unwrap();
        assert_eq!(time.to_string(), "2026-03-01T03:00:05Z");
    }
}
