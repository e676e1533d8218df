//! A socket proxy: an engine's socket of which only a part can be used.
//!
//! What [Tecnativa's](https://github.com/Tecnativa/docker-socket-proxy) and its like do with
//! `HAProxy`, with rules that a test writes: each request is looked at before the engine sees it, and
//! forwarded, held up, or answered in the engine's place. What was used is written down.
//!
//! ```no_run
//! use lab::docker::{Action, SocketProxy};
//!
//! # async fn example() -> std::io::Result<()> {
//! let listen = "/tmp/lab/proxy.sock".as_ref();
//! let engine = "/tmp/lab/docker.sock".as_ref();
//! let proxy = SocketProxy::start(listen, engine, |request| {
//!     if request.matches("POST", "/containers/{id}/stop") {
//!         return Action::Answer(500, "not tonight".to_owned());
//!     }
//!     Action::Forward
//! })?;
//! // … what is to be observed …
//! println!("{:?}", proxy.used());
//! # Ok(())
//! # }
//! ```

mod connection;
mod request;

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{AbortHandle, JoinSet};

pub use request::Request;

/// Something that is awaited in the course of a request.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What becomes of a request.
pub enum Action {
    /// The engine gets it, and its answer goes back.
    Forward,
    /// This is awaited, and then the engine gets it.
    ForwardAfter(Wait),
    /// The engine gets it, and this is awaited when it has begun to answer: what was asked for has
    /// happened then, and the client does not know it yet.
    ForwardThen(Wait),
    /// The engine never hears of it: the client gets this status, and the text as the message of an
    /// engine's error.
    Answer(u16, String),
    /// The engine never hears of it: the client gets what `HAProxy` says, 403 and a page for people.
    Forbid,
    /// The engine never hears of it, and the connection is closed without an answer.
    HangUp,
}

/// A running proxy. Dropping it closes its sockets and all connections.
#[derive(Debug)]
pub struct SocketProxy {
    shared: Arc<Shared>,
    listeners: Vec<AbortHandle>,
    listen: PathBuf,
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

type Rules = dyn Fn(&Request) -> Action + Send + Sync;

struct Shared {
    upstream: PathBuf,
    rules: Box<Rules>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    count: usize,
    used: Vec<Request>,
    refused: Vec<Request>,
}

impl SocketProxy {
    /// Listens on a Unix socket, in front of an engine's; to be called within tokio's runtime. The
    /// rules are asked once for each request, in the order of their arrival.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made. An engine that is not there is an error for the client only.
    pub fn start(
        listen: &Path,
        upstream: &Path,
        rules: impl Fn(&Request) -> Action + Send + Sync + 'static,
    ) -> io::Result<Self> {
        match fs::remove_file(listen) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            rules: Box::new(rules),
            seen: Mutex::default(),
        });
        let mut proxy = Self {
            shared,
            listeners: Vec::new(),
            listen: listen.to_owned(),
        };
        proxy.accept(Listener::Unix(UnixListener::bind(listen)?));
        Ok(proxy)
    }

    /// Listens on a port of the loopback interface as well, with the same rules.
    ///
    /// # Errors
    ///
    /// If there is no port to be had.
    pub async fn listen_on_loopback(&mut self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        self.accept(Listener::Tcp(listener));
        Ok(address)
    }

    fn accept(&mut self, listener: Listener) {
        let shared = Arc::clone(&self.shared);
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                match listener.accept().await {
                    Ok(client) => {
                        connections.spawn(connection::serve(client, Arc::clone(&shared)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the socket proxy accepts no more connections");
                        break;
                    }
                }
                while connections.try_join_next().is_some() {}
            }
        });
        self.listeners.push(accepting.abort_handle());
    }

    /// The requests so far that the engine got, in the order of their arrival.
    #[must_use]
    pub fn used(&self) -> Vec<Request> {
        self.shared.seen().used.clone()
    }

    /// The requests so far that the engine never heard of.
    #[must_use]
    pub fn refused(&self) -> Vec<Request> {
        self.shared.seen().refused.clone()
    }

    /// Forgets the requests so far; their count goes on.
    pub fn forget(&self) {
        let mut seen = self.shared.seen();
        seen.used.clear();
        seen.refused.clear();
    }
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        // It may be gone already, with the folder that it was in.
        let _ = fs::remove_file(&self.listen);
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A rule that panicked has failed its test already.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a request, asks the rules, and writes it down.
    fn decide(&self, mut request: Request) -> Action {
        let number = {
            let mut seen = self.seen();
            seen.count += 1;
            seen.count
        };
        request.number = number;
        // Not under the lock: a rule may look at what was used so far.
        let action = (self.rules)(&request);
        let mut seen = self.seen();
        match action {
            Action::Forward | Action::ForwardAfter(_) | Action::ForwardThen(_) => {
                seen.used.push(request);
            }
            Action::Answer(..) | Action::Forbid | Action::HangUp => seen.refused.push(request),
        }
        action
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("upstream", &self.upstream)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward => f.write_str("Forward"),
            Self::ForwardAfter(_) => f.write_str("ForwardAfter(…)"),
            Self::ForwardThen(_) => f.write_str("ForwardThen(…)"),
            Self::Answer(status, message) => write!(f, "Answer({status}, {message:?})"),
            Self::Forbid => f.write_str("Forbid"),
            Self::HangUp => f.write_str("HangUp"),
        }
    }
}
