//! Logging in: by a key from a file, or by one that an agent holds.

use secrecy::{ExposeSecret as _, SecretString};
use ssh2::{Agent, ErrorCode, PublicKey, Session};

use super::job::{Job, code};
use crate::outcome::printable;
use crate::{AgentKey, Fingerprint, Key, KeyFile, ShutdownError, Stage};

/// What to log in with, ready to be used. It is made before a connection is
/// opened, so that none is opened for nothing.
pub(super) enum Credential<'a> {
    File(&'a KeyFile, SecretString),
    Agent(&'a AgentKey),
}

impl<'a> Credential<'a> {
    pub(super) fn prepare(key: &'a Key) -> Result<Self, ShutdownError> {
        match key {
            Key::File(file) => Ok(Self::File(file, file.read()?)),
            Key::Agent(agent) => {
                // Asked on a session that leads nowhere.
                let session =
                    Session::new().map_err(|error| agent_error(agent, error.message()))?;
                find(agent, &session)?;
                Ok(Self::Agent(agent))
            }
        }
    }
}

impl Job {
    pub(super) fn authenticate(
        &self,
        session: &Session,
        credential: &Credential<'_>,
    ) -> Result<(), ShutdownError> {
        let user = &self.target.user;
        let methods = match session.auth_methods(user) {
            Ok(methods) => methods.to_owned(),
            // The host lets this user in without any proof.
            Err(_) if session.authenticated() => return Ok(()),
            Err(error) => return Err(self.failed(Stage::Authenticate, "log in at", error)),
        };
        let result = match credential {
            Credential::File(file, private_key) => {
                // An empty passphrase where there is none: without any, OpenSSL
                // would ask for one on the terminal.
                let passphrase = file.passphrase.as_ref();
                let passphrase = passphrase.map_or("", |text| text.expose_secret());
                offer(session, user, file, private_key, passphrase)
            }
            Credential::Agent(agent) => {
                let (connection, key) = find(agent, session)?;
                connection.userauth(user, &key)
            }
        };
        result.map_err(|error| match (error.code(), credential) {
            (
                ErrorCode::Session(code::FILE | code::KEYFILE_AUTH_FAILED),
                Credential::File(file, private_key),
            ) => file.unusable(private_key, error.message()),
            _ if is_refusal(&error) => ShutdownError::KeyRefused {
                endpoint: self.endpoint(),
                user: user.clone(),
                methods: printable(methods.as_bytes()),
            },
            _ => self.failed(Stage::Authenticate, "log in at", error),
        })
    }
}

/// Offers the key that was read.
#[cfg(unix)]
fn offer(
    session: &Session,
    user: &str,
    _: &KeyFile,
    private_key: &SecretString,
    passphrase: &str,
) -> Result<(), ssh2::Error> {
    session.userauth_pubkey_memory(user, None, private_key.expose_secret(), Some(passphrase))
}

/// Elsewhere libssh2 takes no key from memory, so it reads the file once more.
#[cfg(not(unix))]
fn offer(
    session: &Session,
    user: &str,
    file: &KeyFile,
    _: &SecretString,
    passphrase: &str,
) -> Result<(), ssh2::Error> {
    session.userauth_pubkey_file(user, None, &file.path, Some(passphrase))
}

/// Finds the one key in the agent.
fn find(agent: &AgentKey, session: &Session) -> Result<(Agent, PublicKey), ShutdownError> {
    let failed = |error: ssh2::Error| agent_error(agent, error.message());
    let mut connection = session.agent().map_err(failed)?;
    connection
        .set_identity_path(&agent.socket)
        .map_err(failed)?;
    connection.connect().map_err(failed)?;
    connection.list_identities().map_err(failed)?;
    let keys = connection.identities().map_err(failed)?;
    let others = keys.len();
    let is_it = |key: &PublicKey| Fingerprint::of_public_key(key.blob()) == agent.fingerprint;
    match keys.into_iter().find(is_it) {
        Some(key) => Ok((connection, key)),
        None => Err(agent_error(
            agent,
            &format!(
                "it does not hold the key {}, but {others} others; add it with ssh-add",
                agent.fingerprint
            ),
        )),
    }
}

fn agent_error(agent: &AgentKey, problem: &str) -> ShutdownError {
    ShutdownError::Agent {
        socket: agent.socket.clone(),
        problem: problem.to_owned(),
    }
}

/// Whether the host said no to the key: when it was offered, as OpenSSH does,
/// or when it was proved. The latter's code also stands for lost connections,
/// so that only libssh2's words tell them apart.
fn is_refusal(error: &ssh2::Error) -> bool {
    match error.code() {
        ErrorCode::Session(code::AUTHENTICATION_FAILED) => true,
        ErrorCode::Session(code::PUBLICKEY_UNVERIFIED) => {
            error.message().starts_with("Invalid signature")
        }
        _ => false,
    }
}
