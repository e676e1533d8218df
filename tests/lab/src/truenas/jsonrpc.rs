//! JSON-RPC 2.0 over WebSocket, with the limits of the original: arguments in lists, messages of
//! text, ten calls at a time.

mod login;
mod methods;
mod session;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::debug;

use super::control::Control;
use super::records::ConnectionSeen;
use session::{Heard, Session};

/// How long a client has to agree to the end of a connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// What goes out.
#[derive(Debug)]
enum Out {
    Text(String),
    /// The end of the connection, with a code and a reason.
    Close(u16, String),
    /// The end of the connection without a word.
    Break,
}

/// Serves one connection until either side has had enough of it.
pub(super) async fn serve<S>(
    control: Control,
    socket: WebSocketStream<S>,
    cuts: watch::Receiver<u64>,
    path: String,
    encrypted: bool,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (number, close) = control.change(|world, _| {
        world.records.connections.push(ConnectionSeen {
            path,
            encrypted,
            logged_in: false,
            open: true,
        });
        let number = world.records.connections.len() - 1;
        (number, world.faults.closes.pop_front())
    });
    let ended = converse(&control, socket, cuts, number, encrypted, close).await;
    if let Err(error) = ended {
        debug!(%error, "a connection for JSON-RPC broke");
    }
    control.change(|world, _| world.records.connections[number].open = false);
}

async fn converse<S>(
    control: &Control,
    socket: WebSocketStream<S>,
    mut cuts: watch::Receiver<u64>,
    number: usize,
    encrypted: bool,
    close: Option<u16>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sink, mut stream) = socket.split();
    let (answers, mut outbox) = mpsc::unbounded_channel();
    let mut news = control.news();
    let session = Arc::new(Session::new(control.clone(), number, encrypted));
    if let Some(code) = close {
        // Nobody is there to receive it only if nobody needs it.
        let _ = answers.send(Out::Close(
            code,
            "You are not allowed to access this resource".to_owned(),
        ));
    }
    // Falls with the connection, whatever is still being done for it.
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            _ = cuts.changed() => return Ok(()),
            Some(out) = outbox.recv() => match out {
                Out::Text(text) => sink.send(Message::text(text)).await?,
                Out::Break => return Ok(()),
                Out::Close(code, reason) => {
                    bid_farewell(&mut sink, code, reason).await?;
                    let heard_out = async { while stream.next().await.is_some_and(|heard| heard.is_ok()) {} };
                    // One that does not agree is left all the same.
                    let _ = tokio::time::timeout(FAREWELL, heard_out).await;
                    return Ok(());
                }
            },
            heard = stream.next() => {
                let Some(heard) = heard else { return Ok(()) };
                match session.hear(heard?) {
                    Heard::Nothing => {}
                    Heard::Reply(out) => {
                        let _ = answers.send(out);
                    }
                    Heard::Call(call) => {
                        let (session, answers) = (Arc::clone(&session), answers.clone());
                        calls.spawn(async move {
                            if let Some(out) = session.answer(call).await {
                                let _ = answers.send(out);
                            }
                        });
                    }
                }
            }
            Some(_) = calls.join_next() => {}
            Ok(()) = news.changed() => {
                for text in session.notices() {
                    sink.send(Message::text(text)).await?;
                }
            }
        }
    }
}

async fn bid_farewell<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    code: u16,
    reason: String,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    sink.send(Message::Close(Some(frame))).await
}
