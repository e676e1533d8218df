//! One WebSocket: calls go out and answers come in, in whatever order; events go to who listens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tracing::debug;

use super::connect::WebSocket;
use super::message::{self, Message, RpcError};
use crate::ReplicationChange;

/// How often a connection is looked after. The NAS's own proxy drops it after an hour of silence,
/// and a router in between perhaps after minutes.
const PING: Duration = Duration::from_secs(30);

/// After how long without any sign of the NAS the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(75);

/// How a connection ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// The NAS closed it, with this code and reason.
    Closed { code: u16, reason: String },
    /// It broke.
    Broken(Arc<tungstenite::Error>),
    /// Nothing was heard of the NAS any more.
    Silent,
    /// Nobody needs it any more.
    Unneeded,
}

type Reply = oneshot::Sender<Result<Value, RpcError>>;

struct Outgoing {
    method: &'static str,
    arguments: Vec<Value>,
    reply: Reply,
}

#[derive(Debug, Default)]
struct Shared {
    listeners: Vec<mpsc::UnboundedSender<ReplicationChange>>,
    ending: Option<Ending>,
}

/// The near end of a connection. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    calls: mpsc::UnboundedSender<Outgoing>,
    shared: Arc<Mutex<Shared>>,
}

impl std::fmt::Debug for Outgoing {
    /// Without the arguments, among which may be the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Takes care of a connection, on the current runtime.
    pub(super) fn over(socket: WebSocket) -> Self {
        let (calls, outgoing) = mpsc::unbounded_channel();
        let shared = Arc::<Mutex<Shared>>::default();
        let conversation = Conversation {
            socket,
            outgoing,
            shared: Arc::clone(&shared),
            waiting: HashMap::new(),
            last_id: 0,
            heard: Instant::now(),
        };
        tokio::spawn(conversation.go_on());
        Self { calls, shared }
    }

    /// How it has ended, if it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        lock(&self.shared).ending.clone()
    }

    /// Calls a method, and waits for the answer. Cancelling it forgets the answer, not the call.
    pub(super) async fn call(
        &self,
        method: &'static str,
        arguments: Vec<Value>,
    ) -> Result<Result<Value, RpcError>, Ending> {
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            method,
            arguments,
            reply,
        };
        let ended = || self.ending().unwrap_or(Ending::Unneeded);
        self.calls.send(outgoing).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }

    /// Sends the changes of replication tasks to `listener` from now on, as far as the NAS tells
    /// any: it has to be subscribed to.
    pub(super) fn listen(&self, listener: mpsc::UnboundedSender<ReplicationChange>) {
        let mut shared = lock(&self.shared);
        // A listener that comes too late is dropped, and learns so that it is.
        if shared.ending.is_none() {
            shared.listeners.push(listener);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The far end: the only one that has the socket.
struct Conversation {
    socket: WebSocket,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    shared: Arc<Mutex<Shared>>,
    waiting: HashMap<u64, Reply>,
    last_id: u64,
    heard: Instant,
}

impl Conversation {
    async fn go_on(mut self) {
        let ending = self.until_the_end().await;
        debug!(?ending, "the connection has ended");
        {
            let mut shared = lock(&self.shared);
            shared.ending = Some(ending);
            shared.listeners.clear();
        }
        // Only now those who wait for an answer learn that none will come.
        self.waiting.clear();
        self.outgoing.close();
        // A courtesy. It may be too late for it.
        let _ = self.socket.close(None).await;
    }

    async fn until_the_end(&mut self) -> Ending {
        let mut pings = tokio::time::interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(outgoing) => self.send(outgoing).await,
                    None => Err(Ending::Unneeded),
                },
                frame = self.socket.next() => self.take(frame),
                _ = pings.tick() => self.look_after().await,
            };
            if let Err(ending) = ended {
                return ending;
            }
        }
    }

    async fn send(&mut self, outgoing: Outgoing) -> Result<(), Ending> {
        self.last_id += 1;
        let text = message::call(self.last_id, outgoing.method, &outgoing.arguments);
        debug!(method = outgoing.method, id = self.last_id, "calling");
        self.waiting.insert(self.last_id, outgoing.reply);
        self.frame(Frame::text(text)).await
    }

    /// Sends a frame. While the NAS takes nothing, nothing of it is heard either.
    async fn frame(&mut self, frame: Frame) -> Result<(), Ending> {
        tokio::time::timeout(SILENCE, self.socket.send(frame))
            .await
            .map_err(|_| Ending::Silent)?
            .map_err(broken)
    }

    async fn look_after(&mut self) -> Result<(), Ending> {
        // Those who have given up waiting have no use for an answer.
        self.waiting.retain(|_, reply| !reply.is_closed());
        if self.heard.elapsed() > SILENCE {
            return Err(Ending::Silent);
        }
        self.frame(Frame::Ping(tungstenite::Bytes::new())).await
    }

    fn take(&mut self, frame: Option<Result<Frame, tungstenite::Error>>) -> Result<(), Ending> {
        self.heard = Instant::now();
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(broken(error)),
            None => {
                return Err(Ending::Broken(Arc::new(
                    tungstenite::Error::ConnectionClosed,
                )));
            }
        };
        match frame {
            Frame::Text(text) => self.read(&text),
            Frame::Close(close) => {
                let (code, reason) = close.map_or((1005, String::new()), |close| {
                    (close.code.into(), close.reason.to_string())
                });
                return Err(Ending::Closed { code, reason });
            }
            // Pings are answered by the library; nothing else is sent.
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self, text: &str) {
        match Message::read(text) {
            Message::Answer { id, result } => {
                if let Some(reply) = self.waiting.remove(&id) {
                    // Whoever asked may have given up.
                    let _ = reply.send(result);
                }
            }
            Message::Change(change) => {
                lock(&self.shared)
                    .listeners
                    .retain(|listener| listener.send(change.clone()).is_ok());
            }
            Message::Other => {}
            Message::Unreadable(what) => self.unreadable(&what),
        }
    }

    /// An answer that cannot be read could be anybody's.
    fn unreadable(&mut self, what: &str) {
        debug!(what, "the NAS sent something unreadable");
        for (_, reply) in self.waiting.drain() {
            let _ = reply.send(Err(RpcError::unreadable(what)));
        }
    }
}

fn broken(error: tungstenite::Error) -> Ending {
    Ending::Broken(Arc::new(error))
}
