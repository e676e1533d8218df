//! The address of a NAS.

use std::fmt;

use url::Url;

use crate::TrueNasError;

/// The address of a NAS: `https`, a host, perhaps a port, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct NasAddress {
    url: Url,
    shown: String,
}

/// Paths that people copy along with the address, and which say nothing about it.
const KNOWN_PATHS: [&str; 6] = ["", "/ui", "/api", "/api/v2.0", "/api/current", "/websocket"];

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
        if !KNOWN_PATHS.contains(&path) && !path.starts_with("/ui/") {
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

    /// The host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The address of its WebSocket of this name.
    pub(crate) fn web_socket(&self, path: &str) -> String {
        format!("{}{path}", self.shown.replacen("https", "wss", 1))
    }

    /// Another address of the same NAS, as `path` of it.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }
}

impl fmt::Display for NasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
