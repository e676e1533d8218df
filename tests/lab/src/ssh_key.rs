//! Key pairs of OpenSSH, for clients and for hosts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::ssh_server::SshServerError;
use crate::sshd;

/// An Ed25519 key pair, in a file that only its owner may read and one beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey {
    file: PathBuf,
    private: String,
    public: String,
    sha256: String,
}

impl SshKey {
    /// Makes a key pair in this directory, or reads the one of that name.
    ///
    /// # Errors
    /// When `ssh-keygen` is not there or fails.
    pub fn generate(dir: &Path, name: &str) -> Result<Self, SshServerError> {
        let file = dir.join(name);
        sshd::generate_key(&file)?;
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(SshServerError::io("read a key for the SSH server"))
        };
        Ok(Self {
            private: read(&file)?,
            public: read(&file.with_extension("pub"))?.trim().to_owned(),
            sha256: sshd::fingerprint(&file)?,
            file,
        })
    }

    /// The file of the private key.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What is in it.
    #[must_use]
    pub fn private(&self) -> &str {
        &self.private
    }

    /// The line of the public key.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Its fingerprint, `SHA256:…`.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}
