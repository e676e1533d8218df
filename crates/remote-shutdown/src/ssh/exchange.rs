//! The exchange itself, on its own thread, through libssh2, which blocks.

use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use ssh2::{Channel, ErrorCode, HashType, MethodType, Session};

use super::control::{Cancelled, Progress, Step};
use crate::host_key::{KeyFamily, KeyVerdict, Trust};
use crate::outcome::{CommandEnd, printable};
use crate::{
    Deadlines, Fingerprint, HostKeyPolicy, KeyFile, KeyFileProblem, Outcome, ShutdownError,
    SshTarget, Stage, System,
};

/// Error codes of libssh2 (`libssh2.h`), which the `ssh2` crate does not name.
mod code {
    pub(super) const KEX_FAILURE: i32 = -5;
    pub(super) const KEY_EXCHANGE_FAILURE: i32 = -8;
    pub(super) const TIMEOUT: i32 = -9;
    pub(super) const FILE: i32 = -16;
    pub(super) const AUTHENTICATION_FAILED: i32 = -18;
    pub(super) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(super) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(super) const METHOD_NONE: i32 = -17;
    pub(super) const KEYFILE_AUTH_FAILED: i32 = -48;
}

/// More output than this is read and forgotten, so that a talkative command
/// can neither fill the memory nor block on a full window.
const MOST_OUTPUT_BYTES: u64 = 64 * 1024;

/// libssh2 counts its time-outs in whole seconds. Ours come first; its own are
/// there for the case that nobody is left to keep ours.
const GRACE: Duration = Duration::from_secs(2);

/// All that one exchange needs to know.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: SshTarget,
    pub(super) key: KeyFile,
    pub(super) host_key: HostKeyPolicy,
    pub(super) system: System,
    pub(super) deadlines: Deadlines,
}

/// Why an exchange ended early: it failed, or nobody waits for it any more.
enum Stop {
    Failed(ShutdownError),
    Cancelled,
}

impl From<ShutdownError> for Stop {
    fn from(error: ShutdownError) -> Self {
        Self::Failed(error)
    }
}

impl From<Cancelled> for Stop {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// What must be closed at the end, after the outcome was reported: closing may
/// block on a host that is gone.
#[derive(Default)]
struct Held {
    channel: Option<Channel>,
    session: Option<Session>,
}

/// The thread's body.
pub(super) fn run(job: &Job, progress: &Progress) {
    let mut held = Held::default();
    match job.exchange(progress, &mut held) {
        Ok(outcome) => progress.end(Ok(outcome)),
        Err(Stop::Failed(error)) => progress.end(Err(error)),
        Err(Stop::Cancelled) => {}
    }
    // After a cancellation the connection is shut down and none of this waits.
    let _ = progress.enter(Step::Close);
    if let Some(session) = &held.session {
        session.set_timeout(millis(job.deadlines.close));
        if let Some(channel) = &mut held.channel {
            let _ = channel.close();
        }
        let _ = session.disconnect(None, "done", None);
    }
    drop(held);
}

impl Job {
    pub(super) fn endpoint(&self) -> String {
        self.target.to_string()
    }

    /// The result when a deadline passed at this step.
    pub(super) fn too_late(&self, reached: Step) -> Result<Outcome, ShutdownError> {
        let stage = reached.stage();
        let limit = self.deadlines.of(stage);
        if reached >= Step::Command {
            let why = format!("the command was sent, but did not end within {limit:?}");
            return Ok(Outcome::SentUnknown { why });
        }
        Err(ShutdownError::Deadline {
            endpoint: self.endpoint(),
            stage,
            limit,
        })
    }

    fn exchange(&self, progress: &Progress, held: &mut Held) -> Result<Outcome, Stop> {
        // Our own files come first: no connection is opened for nothing.
        let private_key = self.key.read()?;
        let trust = Trust::new(&self.host_key, &self.target)?;
        let session = self.trusted_session(progress, &trust)?;
        let session = held.session.insert(session);

        progress.enter(Step::Authenticate)?;
        session.set_timeout(millis(self.deadlines.authenticate + GRACE));
        self.authenticate(session, private_key.expose_secret())?;

        progress.enter(Step::Open)?;
        session.set_timeout(millis(self.deadlines.execute + GRACE));
        let channel = session
            .channel_session()
            .map_err(|error| self.failed(Stage::Execute, "open a session at", error))?;
        let channel = held.channel.insert(channel);

        let command = self.system.command();
        progress.enter(Step::Command)?;
        if let Err(error) = channel.exec(&command) {
            if error.code() == ErrorCode::Session(code::CHANNEL_REQUEST_DENIED) {
                return Err(self
                    .failed(Stage::Execute, "have a command run at", error)
                    .into());
            }
            return Ok(lost(&error.into()));
        }
        match command_end(channel) {
            Ok(end) => Ok(end.verdict(&self.endpoint(), &command)?),
            Err(error) => Ok(lost(&error)),
        }
    }

    /// Connects, once for each type of host key, until the host has shown one
    /// that is trusted.
    fn trusted_session(&self, progress: &Progress, trust: &Trust) -> Result<Session, Stop> {
        let mut found: Vec<Fingerprint> = Vec::new();
        let mut no_such_key = None;
        for family in KeyFamily::ALL {
            let connection = self.connect()?;
            let second_handle =
                connection
                    .try_clone()
                    .map_err(|source| ShutdownError::Connect {
                        endpoint: self.endpoint(),
                        source,
                    })?;
            progress.attach(second_handle)?;
            let session = match self.handshake(connection, family) {
                Ok(session) => session,
                Err(error) if is_about_algorithms(&error) => {
                    no_such_key = Some(error);
                    continue;
                }
                Err(error) => {
                    return Err(self.failed(Stage::Connect, "speak SSH with", error).into());
                }
            };
            let Some(shown) = fingerprint(&session) else {
                continue;
            };
            match trust.verdict(&shown) {
                KeyVerdict::Trusted => return Ok(session),
                KeyVerdict::Revoked => {
                    return Err(trust.refusal(&self.endpoint(), vec![shown]).into());
                }
                KeyVerdict::Other => found.push(shown),
            }
        }
        if found.is_empty() {
            let error = no_such_key.unwrap_or_else(ssh2::Error::unknown);
            return Err(self
                .failed(Stage::Connect, "agree on a host key with", error)
                .into());
        }
        Err(trust.refusal(&self.endpoint(), found).into())
    }

    fn connect(&self) -> Result<TcpStream, ShutdownError> {
        let failed = |source| ShutdownError::Connect {
            endpoint: self.endpoint(),
            source,
        };
        let addresses: Vec<_> = (self.target.host.as_str(), self.target.port)
            .to_socket_addrs()
            .map_err(failed)?
            .collect();
        // A name may have an address that swallows packets before one that
        // answers: each gets its share of the time.
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let share = (self.deadlines.connect / shares).max(Duration::from_millis(1));
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, share) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        if last.kind() == io::ErrorKind::TimedOut {
            return Err(self.deadline(Stage::Connect));
        }
        Err(failed(last))
    }

    fn handshake(&self, connection: TcpStream, family: KeyFamily) -> Result<Session, ssh2::Error> {
        let mut session = Session::new()?;
        session.set_timeout(millis(self.deadlines.connect + GRACE));
        session.method_pref(MethodType::HostKey, family.algorithms())?;
        session.set_tcp_stream(connection);
        session.handshake()?;
        Ok(session)
    }

    fn authenticate(&self, session: &Session, private_key: &str) -> Result<(), ShutdownError> {
        let failed = |error| self.failed(Stage::Authenticate, "log in at", error);
        let user = &self.target.user;
        let methods = match session.auth_methods(user) {
            Ok(methods) => methods.to_owned(),
            // The host lets this user in without any proof.
            Err(_) if session.authenticated() => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        // An empty passphrase where there is none: without any, OpenSSL would
        // ask for one on the terminal.
        let passphrase = self
            .key
            .passphrase
            .as_ref()
            .map_or("", |text| text.expose_secret());
        let Err(error) = session.userauth_pubkey_memory(user, None, private_key, Some(passphrase))
        else {
            return Ok(());
        };
        Err(match error.code() {
            ErrorCode::Session(code::FILE | code::KEYFILE_AUTH_FAILED) => ShutdownError::KeyFile {
                path: self.key.path.clone(),
                problem: KeyFileProblem::Invalid {
                    detail: error.message().to_owned(),
                },
            },
            _ if is_refusal(&error) => ShutdownError::KeyRefused {
                endpoint: self.endpoint(),
                user: user.clone(),
                methods: printable(methods.as_bytes()),
            },
            _ => failed(error),
        })
    }

    fn failed(&self, stage: Stage, step: &'static str, error: ssh2::Error) -> ShutdownError {
        if error.code() == ErrorCode::Session(code::TIMEOUT) {
            return self.deadline(stage);
        }
        let source = error.into();
        ShutdownError::Protocol {
            endpoint: self.endpoint(),
            step,
            source,
        }
    }

    fn deadline(&self, stage: Stage) -> ShutdownError {
        let limit = self.deadlines.of(stage);
        ShutdownError::Deadline {
            endpoint: self.endpoint(),
            stage,
            limit,
        }
    }
}

/// Reads the command's output to its end, and then how it ended.
///
/// libssh2 reports status 0 for a server that closes the channel without any
/// status, and offers the `ssh2` crate no way to tell. OpenSSH always sends a
/// status or a signal.
fn command_end(channel: &mut Channel) -> io::Result<CommandEnd> {
    let stdout = read_some(channel)?;
    let stderr = read_some(&mut channel.stderr())?;
    channel.wait_close()?;
    let signal = channel.exit_signal()?.exit_signal;
    Ok(CommandEnd {
        exit_status: channel.exit_status()?,
        signal,
        stdout,
        stderr,
    })
}

fn read_some(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    stream
        .by_ref()
        .take(MOST_OUTPUT_BYTES)
        .read_to_end(&mut kept)?;
    io::copy(stream, &mut io::sink())?;
    Ok(kept)
}

fn lost(error: &io::Error) -> Outcome {
    let why = format!("the connection was lost after the command was sent: {error}");
    Outcome::SentUnknown { why }
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

/// Whether there may be no host key of the type that was asked for.
fn is_about_algorithms(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(code::KEX_FAILURE | code::KEY_EXCHANGE_FAILURE | code::METHOD_NONE)
    )
}

fn fingerprint(session: &Session) -> Option<Fingerprint> {
    let digest = session.host_key_hash(HashType::Sha256)?;
    digest.try_into().ok().map(Fingerprint::from_digest)
}

/// For libssh2, to which 0 would mean "no time-out".
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}
