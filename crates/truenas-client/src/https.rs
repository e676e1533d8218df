//! HTTPS requests and their answers.

pub(crate) mod answer;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;
use url::Url;

use crate::address::NasAddress;
use crate::retry::{self, Failed};
use crate::{NasOptions, Timeouts, TrueNasError, Trust, cause, tls, wire};
use answer::Answer;

/// More than a page of any list takes, and little enough for a small machine.
pub(crate) const ANSWER_LIMIT_BYTES: usize = 64 << 20;

/// A client that believes what `trust` says, and goes nowhere but where it is sent.
pub(crate) fn client(
    trust: &Trust,
    timeouts: &Timeouts,
    address: &NasAddress,
) -> Result<Client, TrueNasError> {
    builder(tls::client_config(trust, address)?, timeouts)
        .build()
        .map_err(|error| TrueNasError::Setup {
            url: address.to_string(),
            source: error.into(),
        })
}

/// What is the same for every client.
pub(crate) fn builder(config: rustls::ClientConfig, timeouts: &Timeouts) -> ClientBuilder {
    ClientBuilder::new()
        .tls_backend_preconfigured(config)
        .https_only(true)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .user_agent(concat!("truenas-client/", env!("CARGO_PKG_VERSION")))
}

/// A NAS, the key for it, and how to reach it.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    address: NasAddress,
    options: NasOptions,
}

impl Connection {
    pub(crate) fn new(options: NasOptions) -> Result<Self, TrueNasError> {
        let address = options.checked()?;
        Ok(Self {
            client: client(&options.trust, &options.timeouts, &address)?,
            address,
            options,
        })
    }

    pub(crate) fn address(&self) -> &NasAddress {
        &self.address
    }

    /// Asks, if need be again.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, TrueNasError> {
        let request = Request::get(url);
        read(&self.ask(&request).await?, request.shown())
    }

    /// Asks for something to be done, once.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: Url,
        body: Option<&Value>,
    ) -> Result<T, TrueNasError> {
        let request = Request::post(url, body);
        read(&self.exchange(&request).await?, request.shown())
    }

    /// The versions of the JSON-RPC API, the oldest first; none where there is no such API. NAS
    /// tell this to everybody, so the key stays here.
    pub(crate) async fn api_versions(&self) -> Result<Vec<String>, TrueNasError> {
        let request = Request {
            with_key: false,
            ..Request::get(self.address.at("/api/versions"))
        };
        match self.ask(&request).await {
            Ok(body) => read(&body, request.shown()),
            // SCALE has no such page, and CORE leads from every page that it has not to its own.
            Err(TrueNasError::NotFound { .. }) => Ok(Vec::new()),
            Err(TrueNasError::Redirect { to, .. }) if self.is_web_page(&to) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether this leads to the web page of this very NAS.
    pub(crate) fn is_web_page(&self, location: &str) -> bool {
        let to = self.address.as_url().join(location);
        to.is_ok_and(|to| {
            to.origin() == self.address.as_url().origin() && to.path().starts_with("/ui")
        })
    }

    /// Asks until there is an answer, an error that will not go away, or no time left.
    async fn ask(&self, request: &Request<'_>) -> Result<Vec<u8>, TrueNasError> {
        let total = self.options.timeouts.total;
        retry::until_answered(&request.shown(), total, || async {
            self.exchange(request).await.map_err(Failed::harmlessly)
        })
        .await
    }

    /// One request and its answer.
    async fn exchange(&self, request: &Request<'_>) -> Result<Vec<u8>, TrueNasError> {
        let shown = request.shown();
        let broken = |error| self.classify(&error, &shown);
        let mut sent = self
            .client
            .request(request.method.clone(), request.url.clone());
        if request.with_key {
            sent = sent.header(AUTHORIZATION, self.authorization()?);
        }
        if let Some(json) = request.body {
            sent = sent.json(json);
        }
        let mut response = sent.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let location = response.headers().get(reqwest::header::LOCATION);
        let location = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(TrueNasError::TooLong {
                    request: shown,
                    limit_bytes: ANSWER_LIMIT_BYTES,
                });
            }
            body.extend_from_slice(&chunk);
        }
        debug!(request = %shown, status, bytes = body.len(), "answered");
        let answer = Answer {
            status,
            location,
            body,
        };
        answer.document(&shown)
    }

    fn classify(&self, error: &reqwest::Error, request: &str) -> TrueNasError {
        match (&self.options.trust, tls::refused_certificate(error)) {
            (Trust::Certificate(pin), Some(refused)) => TrueNasError::CertificateMismatch {
                url: self.address.to_string(),
                expected: *pin,
                found: refused.fingerprint(),
            },
            _ => classify(error, &self.address, request, &self.options.timeouts),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, TrueNasError> {
        let header = HeaderValue::from_str(&format!("Bearer {}", self.options.key()));
        let mut header = header.map_err(|_| TrueNasError::InvalidKey {
            url: self.address.to_string(),
        })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// A request that can be sent again.
#[derive(Debug)]
struct Request<'a> {
    method: Method,
    url: Url,
    body: Option<&'a Value>,
    with_key: bool,
}

impl<'a> Request<'a> {
    fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            with_key: true,
        }
    }

    fn post(url: Url, body: Option<&'a Value>) -> Self {
        Self {
            method: Method::POST,
            body,
            ..Self::get(url)
        }
    }

    /// For errors and logs.
    fn shown(&self) -> String {
        format!("{} {}", self.method, self.url)
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
