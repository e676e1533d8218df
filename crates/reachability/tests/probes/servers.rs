//! What the probes ask: listeners of every kind, on the loopback interface only.

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Serves every connection with `serve` on a port of its own.
pub(crate) async fn listen<F, Serving>(serve: F) -> u16
where
    F: Fn(TcpStream) -> Serving + Send + 'static,
    Serving: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Says these words to every connection, then does what `then` says.
pub(crate) async fn say(words: &'static [u8], then: Then) -> u16 {
    listen(move |mut stream| async move {
        stream.write_all(words).await.unwrap();
        match then {
            Then::Close => {}
            Then::KeepOpen => std::future::pending().await,
        }
    })
    .await
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    Close,
    KeepOpen,
}

/// A port where nobody listens.
pub(crate) async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A port at which the kernel drops every attempt to connect, as if nobody were there: the queue of
/// its listener is full of connections that nobody accepts.
#[cfg(all(
    target_os = "linux",
    feature = "https",
    feature = "mock",
    feature = "testing"
))]
pub(crate) struct SilentPort {
    pub(crate) port: u16,
    _listener: socket2::Socket,
    _queue: Vec<std::net::TcpStream>,
}

#[cfg(all(
    target_os = "linux",
    feature = "https",
    feature = "mock",
    feature = "testing"
))]
pub(crate) fn silent_port() -> SilentPort {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    let mut unanswered = 0;
    // One that is not answered may be late; three in a row are not.
    while unanswered < 3 {
        match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(250)) {
            Ok(stream) => {
                queue.push(stream);
                unanswered = 0;
                assert!(queue.len() < 8, "this system's queues never fill up");
            }
            Err(_) => unanswered += 1,
        }
    }
    SilentPort {
        port: address.port(),
        _listener: listener,
        _queue: queue,
    }
}
