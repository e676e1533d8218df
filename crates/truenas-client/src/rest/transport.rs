//! HTTPS requests: the only file that sends anything.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tracing::debug;
use url::Url;

use super::answer::Answer;
use super::route::Route;
use super::{RestOptions, Timeouts, Trust, cause, tls};
use crate::{TrueNasError, wire};

/// More than the snapshots of any one dataset take, and little enough for a small machine.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;

/// How often a question is asked again.
const RETRIES: usize = 4;

/// The address of a NAS: `https`, a host, perhaps a port, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct NasAddress {
    url: Url,
    shown: String,
}

impl NasAddress {
    pub(crate) fn new(url: &Url) -> Result<Self, TrueNasError> {
        // Built anew, because what is left out here may hold a password.
        let origin = url.origin().ascii_serialization();
        if url.scheme() != "https" {
            return Err(TrueNasError::NotHttps {
                url: if url.has_host() {
                    origin
                } else {
                    format!("{}:", url.scheme())
                },
            });
        }
        let invalid = |reason| TrueNasError::InvalidUrl {
            url: origin.clone(),
            reason,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds a user name or a password"));
        }
        let path = url.path().trim_end_matches('/');
        if !["", "/ui", "/api", "/api/v2.0"].contains(&path) && !path.starts_with("/ui/") {
            return Err(invalid("it holds a path"));
        }
        let mut base = url.clone();
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self {
            url: base,
            shown: origin,
        })
    }

    pub(crate) fn as_url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for NasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Applies what is the same for every client.
pub(crate) fn client(
    builder: ClientBuilder,
    timeouts: &Timeouts,
    address: &NasAddress,
) -> Result<Client, TrueNasError> {
    builder
        .https_only(true)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .user_agent(concat!("truenas-client/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| TrueNasError::Setup {
            url: address.to_string(),
            source: error.into(),
        })
}

/// A NAS, the key for it, and how to reach it.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    address: NasAddress,
    api_key: SecretString,
    trust: Trust,
    timeouts: Timeouts,
}

impl Connection {
    pub(crate) fn new(options: RestOptions) -> Result<Self, TrueNasError> {
        let RestOptions {
            url,
            api_key,
            trust,
            timeouts,
        } = options;
        let address = NasAddress::new(&url)?;
        let connection = Self {
            client: client(
                tls::configure(ClientBuilder::new(), &trust, &address)?,
                &timeouts,
                &address,
            )?,
            address,
            api_key,
            trust,
            timeouts,
        };
        // Now rather than in the middle of the night.
        connection.authorization()?;
        Ok(connection)
    }

    pub(crate) fn url(&self) -> &str {
        &self.address.shown
    }

    /// Asks, if need be again.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        route: Route<'_>,
    ) -> Result<T, TrueNasError> {
        let url = route.url(self.address.as_url());
        let request = format!("GET {url}");
        let after = self.timeouts.total;
        let mut met = None;
        let Ok(body) = tokio::time::timeout(after, self.ask(&url, &request, &mut met)).await else {
            let source = met.map(Box::new);
            return Err(TrueNasError::Timeout {
                request,
                after,
                source,
            });
        };
        read(&body?, request)
    }

    /// Asks until there is an answer or an error that will not go away. Leaves in `met` what the
    /// last try met, for when the time is over during the next.
    async fn ask(
        &self,
        url: &Url,
        request: &str,
        met: &mut Option<TrueNasError>,
    ) -> Result<Vec<u8>, TrueNasError> {
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(RETRIES)
            .build();
        loop {
            match self.exchange(Method::GET, url, request).await {
                Err(error) if error.is_retryable() => {
                    let Some(pause) = pauses.next() else {
                        return Err(error);
                    };
                    debug!(%error, ?pause, "asking again");
                    *met = Some(error);
                    tokio::time::sleep(pause).await;
                }
                answered => return answered,
            }
        }
    }

    /// Asks for something to be done, once.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        route: Route<'_>,
    ) -> Result<T, TrueNasError> {
        let url = route.url(self.address.as_url());
        let request = format!("POST {url}");
        let body = self.exchange(Method::POST, &url, &request).await?;
        read(&body, request)
    }

    /// One request and its answer.
    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        request: &str,
    ) -> Result<Vec<u8>, TrueNasError> {
        let broken = |error| self.classify(&error, request);
        let authorization = self.authorization()?;
        let sent = self
            .client
            .request(method, url.clone())
            .header(AUTHORIZATION, authorization);
        let mut response = sent.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let location = response.headers().get(reqwest::header::LOCATION);
        let location = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(TrueNasError::TooLong {
                    request: request.to_owned(),
                    limit_bytes: ANSWER_LIMIT_BYTES,
                });
            }
            body.extend_from_slice(&chunk);
        }
        debug!(%request, status, bytes = body.len(), "answered");
        let answer = Answer {
            status,
            location,
            body,
        };
        answer.document(request)
    }

    fn classify(&self, error: &reqwest::Error, request: &str) -> TrueNasError {
        match (&self.trust, tls::certificate_mismatch(error)) {
            (Trust::Certificate(pin), Some(mismatch)) => TrueNasError::CertificateMismatch {
                url: self.address.to_string(),
                expected: *pin,
                found: mismatch.found,
            },
            _ => classify(error, &self.address, request, &self.timeouts),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, TrueNasError> {
        let invalid = || TrueNasError::InvalidKey {
            url: self.address.to_string(),
        };
        let key = self.api_key.expose_secret().trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(invalid());
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| invalid())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// What an error of the HTTP client means.
pub(crate) fn classify(
    error: &reqwest::Error,
    address: &NasAddress,
    request: &str,
    timeouts: &Timeouts,
) -> TrueNasError {
    let url = address.to_string();
    if let Some(tls) = cause::rustls_error(error) {
        return TrueNasError::Tls {
            url,
            source: tls.clone().into(),
        };
    }
    let request = request.to_owned();
    if error.is_connect() {
        TrueNasError::Connect {
            url,
            source: cause::root(error),
        }
    } else if error.is_timeout() {
        TrueNasError::Timeout {
            request,
            after: timeouts.request,
            source: None,
        }
    } else {
        TrueNasError::Broken {
            request,
            source: cause::root(error),
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8], request: String) -> Result<T, TrueNasError> {
    wire::read(body).map_err(|wire::Misfit { at, what }| TrueNasError::Shape { request, what, at })
}

#[cfg(test)]
mod tests;
