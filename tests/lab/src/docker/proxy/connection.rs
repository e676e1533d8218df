//! One connection: the head of a request is read and judged, the rest is only carried.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy};
use tokio::net::UnixStream;

use super::{Action, Request, Shared, Stream};

/// No engine's client sends more than this before the body.
const LONGEST_HEAD_BYTES: usize = 64 * 1024;

/// What `HAProxy` says to what its rules deny, headers included.
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 93\r\ncache-control: no-cache\r\n\
    content-type: text/html\r\nconnection: close\r\n\r\n<html><body><h1>403 Forbidden</h1>\n\
    Request forbidden by administrative rules.\n</body></html>\n";

/// Serves one request, after which the connection is closed: so each request is judged, and no
/// second one slips through behind the first.
pub(super) async fn serve(client: Box<dyn Stream>, shared: Arc<Shared>) {
    if let Err(error) = serve_one(client, &shared).await {
        tracing::debug!(%error, "a connection through the socket proxy broke");
    }
}

async fn serve_one(client: impl AsyncRead + AsyncWrite + Send, shared: &Shared) -> io::Result<()> {
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let Some((head, rest)) = read_head(&mut client_in).await? else {
        return Ok(());
    };
    let request = head.lines().next().and_then(Request::read);
    let Some(request) = request else {
        return answer(&mut client_out, 400, "this is no request").await;
    };
    let then = match shared.decide(request) {
        Action::Forward => None,
        Action::ForwardAfter(wait) => {
            wait.await;
            None
        }
        Action::ForwardThen(wait) => Some(wait),
        Action::Answer(status, message) => {
            return answer(&mut client_out, status, &message).await;
        }
        Action::Forbid => return client_out.write_all(FORBIDDEN.as_bytes()).await,
        Action::HangUp => return Ok(()),
    };

    let engine = match UnixStream::connect(&shared.upstream).await {
        Ok(engine) => engine,
        // What HAProxy says when its server is away.
        Err(error) => return answer(&mut client_out, 503, &error.to_string()).await,
    };
    let (mut engine_in, mut engine_out) = tokio::io::split(engine);
    engine_out.write_all(closing(&head).as_bytes()).await?;
    engine_out.write_all(&rest).await?;
    let to_engine = async {
        copy(&mut client_in, &mut engine_out).await?;
        engine_out.shutdown().await?;
        // A client that has said all may still listen.
        std::future::pending::<io::Result<()>>().await
    };
    let to_client = async {
        let mut first = vec![0; 8 * 1024];
        let length = engine_in.read(&mut first).await?;
        if let Some(wait) = then {
            wait.await;
        }
        client_out.write_all(&first[..length]).await?;
        copy(&mut engine_in, &mut client_out).await?;
        client_out.shutdown().await
    };
    tokio::select! {
        ended = to_engine => ended,
        ended = to_client => ended,
    }
}

/// Everything up to the empty line, and what came after it; `None` if nothing came at all.
async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            let head = String::from_utf8(read)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            return Ok(Some((head, rest)));
        }
        if read.len() > LONGEST_HEAD_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a head that does not end",
            ));
        }
        if client.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        if !read[0].is_ascii_uppercase() {
            // No method of HTTP; somebody who begins with TLS would wait for an answer for ever.
            return Ok(Some((String::new(), read)));
        }
    }
}

/// The head, with the wish to end the connection after the answer; a connection that is to become
/// another kind of stream (`docker exec`) is left to do so.
fn closing(head: &str) -> String {
    let name = |line: &str| {
        line.split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    if head.lines().any(|line| name(line) == "upgrade") {
        return head.to_owned();
    }
    let mut lines: Vec<&str> = head
        .trim_end()
        .split("\r\n")
        .filter(|line| name(line) != "connection")
        .collect();
    lines.push("connection: close");
    lines.join("\r\n") + "\r\n\r\n"
}

/// An answer as the engine makes them.
async fn answer(
    client: &mut (impl AsyncWrite + Unpin),
    status: u16,
    message: &str,
) -> io::Result<()> {
    let body = serde_json::json!({ "message": message }).to_string();
    let head = format!(
        "HTTP/1.1 {status} From the proxy\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    client.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_connection_is_asked_to_end_and_another_kind_of_stream_is_not() {
        let kept = "GET /info HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(
            closing(kept),
            "GET /info HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n"
        );
        let exec = "POST /exec/1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        assert_eq!(closing(exec), exec);
    }

    #[test]
    fn the_page_has_the_length_that_it_says() {
        let (head, body) = FORBIDDEN.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.contains(&length), "{}", body.len());
    }
}
