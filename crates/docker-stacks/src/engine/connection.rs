//! The way to an engine: one connection for each request.
//!
//! bollard's own ways are not used. Its TLS trusts the system's authorities besides the one that was
//! given, asks for a client's certificate always, and for a provider of cryptography that the whole
//! process has in common; its SSH asks for host keys that are unknown. Neither has a deadline.

mod failure;
mod ssh;
mod tls;

use std::{io, sync::Arc};

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, errors::Error as BollardError};
use hyper::{
    Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{EngineAddress, EngineOptions, address::Place};

pub(super) use failure::{Failure, Verdict};

/// bollard's own time limit ends with an answer's first line; ours covers the whole call, so its
/// own is only kept out of the way.
const CLIENT_LIMIT_SECONDS: u64 = 24 * 60 * 60;

/// Docker's ports, by its own documentation and the registry of IANA.
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// An engine needs no name of a host, and HTTP wants one.
const ANY_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// What requests and answers go over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client that opens a connection of its own for each request, within the deadline of a call.
pub(super) fn client(
    address: &EngineAddress,
    options: &EngineOptions,
) -> Result<Docker, BollardError> {
    let way = Arc::new(Way {
        address: address.clone(),
        options: options.clone(),
    });
    Docker::connect_with_custom_transport(
        move |request: BollardRequest| {
            let way = Arc::clone(&way);
            async move { way.send(request).await.map_err(BollardError::from) }
        },
        Some("http://localhost"),
        CLIENT_LIMIT_SECONDS,
        API_DEFAULT_VERSION,
    )
}

struct Way {
    address: EngineAddress,
    options: EngineOptions,
}

impl Way {
    async fn send(&self, mut request: BollardRequest) -> io::Result<Response<Incoming>> {
        let deadline = self.options.call_deadline;
        let (stream, ssh) = timeout(deadline, self.connect())
            .await
            .unwrap_or_else(|_| Err(Failure::TooSlow { deadline }.into()))?;
        // To a server, a request names the path alone.
        if let Some(target) = request.uri().path_and_query() {
            *request.uri_mut() = Uri::from(target.clone());
        }
        request.headers_mut().insert(HOST, ANY_HOST);
        let answered = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // It ends when the answer has been read, or nobody wants it any more.
            let serving = tokio::spawn(connection.with_upgrades());
            let answer = sender.send_request(request).await;
            match answer {
                // The connection broke before the request was on it, and knows why: a server that
                // speaks TLS refuses a client after its part of the handshake.
                Err(error) if error.is_canceled() => {
                    drop(sender);
                    Err(match serving.await {
                        Ok(Err(why)) => why,
                        _ => error,
                    })
                }
                answer => answer,
            }
        };
        match (answered.await, ssh) {
            (Ok(answer), _) => Ok(answer),
            (Err(error), None) => Err(Failure::Http { source: error }.into()),
            // The reason is what ssh says, if it says anything.
            (Err(error), Some(ssh)) => Err(ssh.failure(error).await.into()),
        }
    }

    async fn connect(&self) -> io::Result<(Box<dyn Stream>, Option<ssh::Said>)> {
        Ok(match self.address.place() {
            Place::Unix { socket } => (Box::new(UnixStream::connect(socket).await?), None),
            Place::Tcp { host, port } => {
                let tls = self.options.tls.as_ref();
                let usual = tls.map_or(PLAIN_PORT, |_| TLS_PORT);
                let stream = TcpStream::connect((host.as_str(), port.unwrap_or(usual))).await?;
                match tls {
                    None => (Box::new(stream), None),
                    Some(tls) => (Box::new(tls::over(stream, host, tls).await?), None),
                }
            }
            Place::Ssh {
                user,
                host,
                port,
                socket,
            } => {
                let target = ssh::Target {
                    user: user.as_deref(),
                    host,
                    port: *port,
                    socket: socket.as_deref(),
                };
                let (stream, said) =
                    ssh::open(&target, &self.options.ssh, self.options.call_deadline)?;
                (Box::new(stream), Some(said))
            }
        })
    }
}
