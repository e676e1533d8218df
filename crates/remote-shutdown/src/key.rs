//! What to log in with: a private key in a file, or one that an SSH agent
//! holds. Touches the disk.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::fingerprint::decode_public_key;
use crate::known_hosts::type_of;
use crate::{Fingerprint, KeyFileProblem, ShutdownError};

/// No private key is larger; a wrong path may well name something that is.
const MOST_BYTES: u64 = 64 * 1024;

/// What to log in with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Key {
    /// A private key in a file.
    File(KeyFile),
    /// A private key that an SSH agent holds.
    Agent(AgentKey),
}

impl From<KeyFile> for Key {
    fn from(key: KeyFile) -> Self {
        Self::File(key)
    }
}

impl From<AgentKey> for Key {
    fn from(key: AgentKey) -> Self {
        Self::Agent(key)
    }
}

/// One key of an SSH agent. No other key of the agent is offered to the host,
/// and the agent is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    /// The agent's socket, which `ssh-agent` prints as `SSH_AUTH_SOCK`.
    pub socket: PathBuf,
    /// Which of its keys, by the fingerprint that `ssh-add -l` prints.
    pub fingerprint: Fingerprint,
}

/// A file with a private key, in OpenSSH's or PEM format.
///
/// It is read anew for each login, and refused when its mode lets the group or
/// others read or write it (on Unix, where files have one).
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is encrypted with, if it is.
    pub passphrase: Option<SecretString>,
}

impl KeyFile {
    /// A key without a passphrase.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            passphrase: None,
        }
    }

    /// The same key, encrypted with this passphrase.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: SecretString) -> Self {
        self.passphrase = Some(passphrase);
        self
    }

    /// Reads the file, after checking the mode of the very file that is read.
    pub(crate) fn read(&self) -> Result<SecretString, ShutdownError> {
        let text = read_secret(&self.path).map_err(|problem| self.fault(problem))?;
        if !text.expose_secret().contains("PRIVATE KEY-----") {
            let detail = "there is no private key in it".to_owned();
            return Err(self.fault(KeyFileProblem::Invalid { detail }));
        }
        if self.passphrase.is_none() && is_encrypted(text.expose_secret()) {
            return Err(self.fault(KeyFileProblem::PassphraseMissing));
        }
        Ok(text)
    }

    /// What is wrong with a text that libssh2 cannot use, in its words.
    pub(crate) fn unusable(&self, text: &SecretString, detail: &str) -> ShutdownError {
        let detail = detail.to_owned();
        self.fault(if is_encrypted(text.expose_secret()) {
            KeyFileProblem::PassphraseWrong
        } else {
            KeyFileProblem::Invalid { detail }
        })
    }

    fn fault(&self, problem: KeyFileProblem) -> ShutdownError {
        ShutdownError::KeyFile {
            path: self.path.clone(),
            problem,
        }
    }
}

#[cfg(unix)]
fn check_mode(metadata: &Metadata) -> Result<(), KeyFileProblem> {
    use std::os::unix::fs::MetadataExt as _;

    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileProblem::Exposed { mode });
    }
    Ok(())
}

/// Elsewhere files have no such mode; who may read them is not looked at.
#[cfg(not(unix))]
fn check_mode(_: &Metadata) -> Result<(), KeyFileProblem> {
    Ok(())
}

/// Whether the key can be read with a passphrase only. PEM says so in words;
/// OpenSSH's format has the name of the cipher behind its own, as a string of
/// SSH (its `PROTOCOL.key`).
fn is_encrypted(text: &str) -> bool {
    if text.contains("ENCRYPTED") {
        return true;
    }
    let body: String = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('-'))
        .collect();
    decode_public_key(&body)
        .as_deref()
        .and_then(|bytes| bytes.strip_prefix(b"openssh-key-v1\0"))
        .and_then(type_of)
        .is_some_and(|cipher| cipher != "none")
}

fn read_secret(path: &Path) -> Result<SecretString, KeyFileProblem> {
    let file = File::open(path).map_err(KeyFileProblem::Unreadable)?;
    let metadata = file.metadata().map_err(KeyFileProblem::Unreadable)?;
    if !metadata.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(KeyFileProblem::Unreadable(source));
    }
    check_mode(&metadata)?;
    let mut text = String::new();
    match file.take(MOST_BYTES).read_to_string(&mut text) {
        Ok(_) => Ok(SecretString::from(text)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(KeyFileProblem::Invalid {
            detail: "it is not a text".into(),
        }),
        Err(error) => Err(KeyFileProblem::Unreadable(error)),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;

    use super::*;

    fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, KeyFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, KeyFile::new(path))
    }

    fn problem(key: &KeyFile) -> KeyFileProblem {
        match key.read().unwrap_err() {
            ShutdownError::KeyFile { path, problem } => {
                assert_eq!(path, key.path);
                problem
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_of_ones_own_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for mode in [0o600, 0o400] {
            let (_dir, key) = file(mode, pem.as_bytes());
            assert_eq!(key.read().unwrap().expose_secret(), pem);
        }
    }

    #[test]
    fn a_file_that_others_can_get_at_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] {
            let (_dir, key) = file(mode, b"secret");
            match problem(&key) {
                KeyFileProblem::Exposed { mode: found } => assert_eq!(found, mode),
                other => panic!("{mode:o}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_readable_text_is_named() {
        let (dir, key) = file(0o600, &[0xff, 0xfe]);
        assert!(matches!(problem(&key), KeyFileProblem::Invalid { .. }));
        let missing = KeyFile::new(dir.path().join("missing"));
        assert!(matches!(problem(&missing), KeyFileProblem::Unreadable(_)));
        let folder = KeyFile::new(dir.path());
        assert!(matches!(problem(&folder), KeyFileProblem::Unreadable(_)));
    }

    #[test]
    fn an_encrypted_key_is_known_without_its_passphrase() {
        let pem = |header: &str| format!("-----BEGIN RSA PRIVATE KEY-----\n{header}\nAAAA\n");
        assert!(is_encrypted(&pem("Proc-Type: 4,ENCRYPTED")));
        assert!(!is_encrypted(&pem("")));
        let openssh = |cipher: &str| {
            let length = u32::try_from(cipher.len()).unwrap().to_be_bytes();
            let bytes = [b"openssh-key-v1\0", &length[..], cipher.as_bytes(), b"rest"].concat();
            let body = base64::prelude::BASE64_STANDARD.encode(bytes);
            let (first, second) = body.split_at(10);
            format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{first}\n{second}\n-----END OPENSSH PRIVATE KEY-----\n"
            )
        };
        assert!(is_encrypted(&openssh("aes256-ctr")));
        assert!(!is_encrypted(&openssh("none")));
        let (_dir, key) = file(0o600, openssh("aes256-ctr").as_bytes());
        assert!(matches!(problem(&key), KeyFileProblem::PassphraseMissing));
        let (_dir, key) = file(0o600, b"ssh-ed25519 AAAA, the public half");
        assert!(matches!(problem(&key), KeyFileProblem::Invalid { .. }));
    }

    #[test]
    fn debug_shows_no_passphrase() {
        let key = KeyFile::new("/k").with_passphrase(SecretString::from("hunter2"));
        assert!(!format!("{key:?}").contains("hunter2"));
    }
}
