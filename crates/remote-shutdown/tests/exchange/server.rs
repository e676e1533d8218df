//! An SSH server in process, which misbehaves on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use russh::keys::PublicKey;
use russh::keys::ssh_key::{self, HashAlg, PrivateKey, private::Ed25519Keypair};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Sig};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const USER: &str = "shutdown";

/// What the server does once the client is logged in.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Runs the "command": prints and ends with this status.
    End {
        exit_status: u32,
        stdout: &'static str,
        stderr: &'static str,
    },
    /// Tells that a signal ended the command.
    Signal,
    /// Cuts the connection when it is asked for a channel.
    CutBeforeCommand,
    /// Cuts the connection when the command arrives.
    CutAfterCommand,
    /// Never answers the request for a channel.
    SilentBeforeCommand,
    /// Starts the command, which never ends.
    SilentAfterCommand,
    /// Runs no commands at all.
    Deny,
}

impl Behaviour {
    pub(crate) fn accept() -> Self {
        Self::End {
            exit_status: 0,
            stdout: "Shutdown NOW!\n",
            stderr: "",
        }
    }
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) commands: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// Starts a server that lets `client` in.
    pub(crate) async fn start(
        behaviour: Behaviour,
        host_keys: Vec<PrivateKey>,
        client: &PublicKey,
    ) -> Self {
        let config = Arc::new(Config {
            keys: host_keys,
            methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive][..]),
            auth_rejection_time: std::time::Duration::ZERO,
            ..Config::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let commands = Arc::default();
        let client = Client {
            behaviour,
            key: client.clone(),
            commands: Arc::clone(&commands),
            kept: Vec::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (config, client) = (Arc::clone(&config), client.fresh());
                sessions.spawn(async move {
                    // A client that only looks at the host key leaves early.
                    if let Ok(session) = russh::server::run_stream(config, stream, client).await {
                        let _ = session.await;
                    }
                });
            }
        });
        Self {
            address,
            commands,
            _task: task,
        }
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

struct Client {
    behaviour: Behaviour,
    key: PublicKey,
    commands: Arc<Mutex<Vec<String>>>,
    /// Dropping the handle would answer the request.
    kept: Vec<ChannelOpenHandle>,
}

impl Client {
    fn fresh(&self) -> Self {
        Self {
            behaviour: self.behaviour.clone(),
            key: self.key.clone(),
            commands: Arc::clone(&self.commands),
            kept: Vec::new(),
        }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if user == USER && key.public_key.key_data() == self.key.key_data() {
            Ok(Auth::Accept)
        } else {
            Ok(Auth::reject())
        }
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.behaviour {
            Behaviour::CutBeforeCommand => return Err(russh::Error::Disconnect),
            Behaviour::SilentBeforeCommand => self.kept.push(reply),
            _ => reply.accept().await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        self.commands.lock().unwrap().push(command);
        match self.behaviour {
            Behaviour::CutAfterCommand => return Err(russh::Error::Disconnect),
            Behaviour::Deny => return session.channel_failure(channel),
            Behaviour::End {
                exit_status,
                stdout,
                stderr,
            } => {
                session.channel_success(channel)?;
                session.data(channel, stdout)?;
                session.extended_data(channel, 1, stderr)?;
                session.exit_status_request(channel, exit_status)?;
            }
            Behaviour::Signal => {
                session.channel_success(channel)?;
                session.exit_signal_request(channel, Sig::TERM, false, "", "")?;
            }
            _ => return session.channel_success(channel),
        }
        session.eof(channel)?;
        session.close(channel)
    }
}

/// The key that this number stands for: always the same one.
pub(crate) fn ed25519(number: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[number; 32]))
}

pub(crate) fn ecdsa() -> PrivateKey {
    let algorithm = ssh_key::Algorithm::Ecdsa {
        curve: ssh_key::EcdsaCurve::NistP256,
    };
    PrivateKey::random(&mut russh::keys::key::safe_rng(), algorithm).unwrap()
}

pub(crate) fn fingerprint(key: &PrivateKey) -> remote_shutdown::Fingerprint {
    key.fingerprint(HashAlg::Sha256)
        .to_string()
        .parse()
        .unwrap()
}
