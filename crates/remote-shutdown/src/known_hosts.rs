//! `known_hosts` as OpenSSH reads it (`sshd(8)`): pure, text in, keys out.
//!
//! libssh2 reads such files too, but knows neither markers nor patterns, and
//! says of a whole file only whether a key matches. What is known of a host
//! must be asked before connecting, because a server shows one key only, of the
//! type that the client prefers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::Fingerprint;
use crate::fingerprint::decode_public_key;

/// The port whose names are written without brackets.
const SSH_PORT: u16 = 22;

/// OpenSSH gives up on longer patterns.
const LONGEST_PATTERN: usize = 1023;

/// The lines of a `known_hosts` file that can be understood. Others are left
/// out, as OpenSSH does it: a damaged line does not hide the good ones.
///
/// ```
/// use remote_shutdown::{KnownHosts, lookup_name};
///
/// let file = "nas.lan,!old.lan ssh-ed25519 \
///     AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
/// let known_hosts = KnownHosts::parse(file);
/// let name = lookup_name("NAS.lan", 22);
/// let found: Vec<_> = known_hosts.matching(&name).collect();
/// assert_eq!(found[0].key_type, "ssh-ed25519");
/// assert_eq!(known_hosts.matching(&lookup_name("nas.lan", 2222)).count(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownHosts {
    lines: Vec<KnownHost>,
}

/// A line of a `known_hosts` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHost {
    /// Its number in the file, from 1.
    pub line: usize,
    /// What it says of its key.
    pub marker: Marker,
    /// SSH's name of the key's type: `ssh-ed25519`, `ssh-rsa`, ….
    pub key_type: String,
    /// The key's fingerprint.
    pub fingerprint: Fingerprint,
    names: Names,
}

/// What a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Marker {
    /// It is the host's.
    None,
    /// `@revoked`: it must not be trusted.
    Revoked,
    /// `@cert-authority`: it signs the host's certificates.
    CertAuthority,
}

/// The names that a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// Patterns, separated by commas.
    Patterns(String),
    /// The HMAC-SHA1 of one name.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// The name under which a host is looked up: `nas.lan`, or `[nas.lan]:2222` on
/// another port than SSH's own. Names of hosts have no case.
#[must_use]
pub fn lookup_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == SSH_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

impl KnownHosts {
    /// Reads the text of a file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().enumerate();
        Self {
            lines: lines
                .filter_map(|(index, line)| KnownHost::parse(index + 1, line))
                .collect(),
        }
    }

    /// The lines that are for this name, as [`lookup_name`] makes it.
    pub fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a KnownHost> {
        self.lines
            .iter()
            .filter(move |known| known.names.include(name))
    }
}

impl KnownHost {
    fn parse(line: usize, text: &str) -> Option<Self> {
        let text = text.trim_start_matches(BLANKS);
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let (marker, text) = match text.strip_prefix('@') {
            None => (Marker::None, text),
            Some(rest) => {
                let (name, rest) = word(rest)?;
                let marker = match name {
                    "revoked" => Marker::Revoked,
                    "cert-authority" => Marker::CertAuthority,
                    _ => return None,
                };
                (marker, rest)
            }
        };
        let (names, rest) = word(text)?;
        let (key_type, rest) = word(rest)?;
        let (key, _comment) = word(rest)?;
        let key = decode_public_key(key)?;
        // A key says of which type it is, and the line must not say otherwise.
        if type_of(&key)? != key_type {
            return None;
        }
        Some(Self {
            line,
            marker,
            key_type: key_type.to_owned(),
            fingerprint: Fingerprint::of_public_key(&key),
            names: Names::parse(names)?,
        })
    }
}

impl Names {
    fn parse(text: &str) -> Option<Self> {
        let Some(hashed) = text.strip_prefix('|') else {
            return Some(Self::Patterns(text.to_owned()));
        };
        // `|1|SALT|HASH`: 1 is HMAC-SHA1, and there is no other.
        let (salt, hash) = hashed.strip_prefix("1|")?.split_once('|')?;
        let decode = |part| BASE64_STANDARD.decode(part).ok();
        Some(Self::Hashed {
            salt: decode(salt)?,
            hash: decode(hash)?,
        })
    }

    fn include(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => matches_list(name, patterns),
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok()),
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The first word, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(BLANKS);
    let end = text.find(BLANKS).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    (!first.is_empty()).then_some((first, rest))
}

/// The type that stands at the beginning of a key, in SSH's wire format.
pub(crate) fn type_of(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// Whether a list of patterns has the name: at least one of them, and none of
/// those with a `!`.
fn matches_list(name: &str, patterns: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if pattern.len() > LONGEST_PATTERN {
            return false;
        }
        let pattern = pattern.to_ascii_lowercase();
        if matches(name.as_bytes(), pattern.as_bytes()) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// Whether a pattern with `*` and `?` is for the name. Without recursion: a
/// pattern of many asterisks costs the product of the lengths, and no more.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where the last asterisk stands, and what it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((next, at));
                next += 1;
            }
            Some(&expected) if expected == b'?' || expected == name[at] => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((position, swallowed)) = star else {
                    return false;
                };
                star = Some((position, swallowed + 1));
                at = swallowed + 1;
                next = position + 1;
            }
        }
    }
    pattern[next..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests;
