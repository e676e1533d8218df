//! The public half of a key, as `ssh-keygen` writes it.

use std::fmt;
use std::str::FromStr;

use super::KitError;
use crate::Fingerprint;
use crate::fingerprint::decode_public_key;
use crate::known_hosts::type_of;

/// A public key: one line, which holds nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key_type: String,
    encoded: String,
    comment: String,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl FromStr for PublicKey {
    type Err = KitError;

    fn from_str(text: &str) -> Result<Self, KitError> {
        let fault = |why| KitError::PublicKey { why };
        if text.contains("PRIVATE KEY") {
            return Err(fault("this is the private half, which stays where it is"));
        }
        let line = text.trim();
        // A second line would be a second key, without any restriction.
        if line.contains(['\n', '\r']) {
            return Err(fault("it has more than one line"));
        }
        let mut words = line.split_whitespace();
        let (Some(key_type), Some(encoded)) = (words.next(), words.next()) else {
            return Err(fault("it is no key"));
        };
        let comment: Vec<&str> = words.collect();
        let key = decode_public_key(encoded).ok_or_else(|| fault("it is no key"))?;
        if type_of(&key) != Some(key_type) {
            return Err(fault("it does not begin with the type of its key"));
        }
        let comment: String = comment
            .join(" ")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        Ok(Self {
            fingerprint: Fingerprint::of_public_key(&key),
            key_type: key_type.to_owned(),
            encoded: encoded.to_owned(),
            comment,
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key_type, self.encoded)?;
        if !self.comment.is_empty() {
            write!(f, " {}", self.comment)?;
        }
        Ok(())
    }
}
