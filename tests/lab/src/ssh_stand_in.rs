//! A stand-in for `sshd`, in process: it lets one key in and answers whatever
//! that asks for with the forced command. For machines without OpenSSH.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use russh::keys::ssh_key::{self, HashAlg, LineEnding};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::ssh_server::{Account, PowerButton, SshServerError};

/// What the forced command prints; `sshd`'s prints the same.
const SAID: &str = "Shutdown NOW!\n";

/// A running stand-in, on a thread of its own.
pub(crate) struct StandIn {
    address: SocketAddr,
    host_key_sha256: String,
    client_key_file: PathBuf,
    user: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl StandIn {
    /// Starts it; its socket belongs to the calling thread's network
    /// namespace.
    pub(crate) fn start(
        address: SocketAddr,
        dir: &Path,
        button: Arc<PowerButton>,
    ) -> Result<Self, SshServerError> {
        let client_key_file = dir.join("client_ed25519");
        let host_key = key(&dir.join("host_ed25519"))?;
        let client_key = key(&client_key_file)?;
        let user = Account::current()?.name;
        let listener = TcpListener::bind(address).map_err(SshServerError::io("listen"))?;
        let address = listener
            .local_addr()
            .map_err(SshServerError::io("listen"))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SshServerError::io("start a runtime"))?;

        let host_key_sha256 = host_key.fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(Config {
            keys: vec![host_key],
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            auth_rejection_time: Duration::ZERO,
            ..Config::default()
        });
        let client = Client {
            user: user.clone(),
            key: client_key.public_key().clone(),
            button,
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("ssh-stand-in".into())
            .spawn(move || serve(&runtime, listener, &config, &client, stopped))
            .map_err(SshServerError::io("start a thread"))?;
        Ok(Self {
            address,
            host_key_sha256,
            client_key_file,
            user,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn host_key_sha256(&self) -> &str {
        &self.host_key_sha256
    }

    pub(crate) fn client_key_file(&self) -> &Path {
        &self.client_key_file
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a private key, or makes it on the first start.
fn key(path: &Path) -> Result<PrivateKey, SshServerError> {
    let doing = SshServerError::io("make the keys of the SSH server");
    let key = if path.exists() {
        PrivateKey::read_openssh_file(path)
    } else {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).and_then(|key| {
            key.write_openssh_file(path, LineEnding::LF)?;
            Ok(key)
        })
    };
    key.map_err(|error: ssh_key::Error| doing(io::Error::other(error)))
}

/// Serves until it is told to stop. Leaving drops all connections.
fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    config: &Arc<Config>,
    client: &Client,
    stopped: oneshot::Receiver<()>,
) {
    let accept = async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut sessions = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            let (config, client) = (Arc::clone(config), client.clone());
            sessions.spawn(async move {
                // Who only looks at the host key leaves early.
                if let Ok(session) = russh::server::run_stream(config, stream, client).await {
                    let _ = session.await;
                }
            });
        }
    };
    runtime.block_on(async {
        let served: io::Result<()> = tokio::select! {
            served = accept => served,
            _ = stopped => Ok(()),
        };
        if let Err(error) = served {
            tracing::warn!(%error, "the stand-in of sshd ended");
        }
    });
}

/// One connection.
#[derive(Clone)]
struct Client {
    user: String,
    key: PublicKey,
    button: Arc<PowerButton>,
}

impl Client {
    /// Runs the forced command, whatever was asked for.
    async fn power_off(
        &self,
        asked: String,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // On a thread of its own, which may drop the server: that waits for
        // this one to end.
        let button = Arc::clone(&self.button);
        let (done, noted) = oneshot::channel();
        thread::spawn(move || {
            button.press(&asked);
            let _ = done.send(());
        });
        let _ = noted.await;
        session.channel_success(channel)?;
        session.data(channel, SAID)?;
        session.exit_status_request(channel, 0)?;
        session.eof(channel)?;
        session.close(channel)
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if user == self.user && key.public_key.key_data() == self.key.key_data() {
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
        reply.accept().await;
        Ok(())
    }

    /// `restrict` forbids terminals.
    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _col_width: u32,
        _row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.power_off(String::new(), channel, session).await
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.power_off(String::from_utf8_lossy(data).into_owned(), channel, session)
            .await
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.power_off(name.to_owned(), channel, session).await
    }
}
