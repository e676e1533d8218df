//! How a NAS is reached, whatever it speaks.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::address::NasAddress;
use crate::{TrueNasError, Trust};

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect once.
    pub connect: Duration,
    /// For one try of a request, connecting included.
    pub request: Duration,
    /// For a request with all its tries and the pauses between them.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 10 seconds to connect, 30 for a try, and a minute in all.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            total: Duration::from_mins(1),
        }
    }
}

/// How a NAS is reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NasOptions {
    /// Its address: `https://HOST` or `https://HOST:PORT`. The addresses of its web page (`…/ui/`)
    /// and of its API will do.
    pub url: Url,
    /// The user that the key belongs to. Keys belong to users from TrueNAS 25.04 on; before, the
    /// name says nothing. Without one, the older way to log in is taken, which TrueNAS has until
    /// version 26.
    pub user: Option<String>,
    /// The key, made under *API Keys* on the NAS. White space around it is not part of it.
    pub api_key: SecretString,
    /// Which certificate is believed: [`Trust::Certificate`] for the self-signed one that every
    /// TrueNAS has at first.
    pub trust: Trust,
    /// How long things may take.
    pub timeouts: Timeouts,
}

impl NasOptions {
    /// Without a user's name, and with the usual timeouts.
    #[must_use]
    pub fn new(url: Url, api_key: SecretString, trust: Trust) -> Self {
        Self {
            url,
            user: None,
            api_key,
            trust,
            timeouts: Timeouts::default(),
        }
    }

    /// With the user that the key belongs to.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Looks at once whether these options can be used, rather than in the middle of the night.
    pub(crate) fn checked(&self) -> Result<NasAddress, TrueNasError> {
        let address = NasAddress::new(&self.url)?;
        let key = self.key();
        // What is not visible ASCII is no key, and would not get into a header either.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TrueNasError::InvalidKey {
                url: address.to_string(),
            });
        }
        Ok(address)
    }

    /// The key without the white space around it.
    pub(crate) fn key(&self) -> &str {
        self.api_key.expose_secret().trim()
    }
}
