//! A TCP port on the loopback interface that does not answer.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Holds a port so that attempts to connect to it go unanswered until it is dropped.
///
/// The kernel refuses connections to a port where nobody listens, and accepts them where somebody
/// does, for as long as the listener's queue has room. Once it is full, Linux drops what
/// comes, as `listen(2)` says under *backlog*; so the queue is filled with connections of our own,
/// which nobody ever accepts.
#[derive(Debug)]
pub(super) struct SilentPort {
    address: SocketAddr,
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

impl SilentPort {
    /// Holds the port, or a free one if it is 0.
    pub(super) fn hold(address: SocketAddr) -> io::Result<Self> {
        /// Enough for the handshake on the loopback interface, nearly always.
        const ANSWERED_WITHIN: Duration = Duration::from_millis(250);
        /// On a busy machine, a handshake may take longer once; not so often in a row.
        const UNANSWERED: u32 = 3;
        /// Linux queues one connection more than it is asked to.
        const MOST: usize = 4;

        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // The port may have connections that have not quite ended yet.
        listener.set_reuse_address(true)?;
        listener.bind(&address.into())?;
        listener.listen(0)?;
        let address = listener
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::InvalidInput)?;

        let (mut queue, mut unanswered) = (Vec::new(), 0);
        while unanswered < UNANSWERED {
            match TcpStream::connect_timeout(&address, ANSWERED_WITHIN) {
                Ok(_) if queue.len() == MOST => {
                    return Err(io::Error::other("this system's queues never fill up"));
                }
                Ok(stream) => {
                    queue.push(stream);
                    unanswered = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => unanswered += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            address,
            _listener: listener,
            _queue: queue,
        })
    }

    /// Where it is silent.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::SilentPort;

    #[test]
    fn a_held_port_is_silent_and_a_released_one_can_be_used_at_once() {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let held = SilentPort::hold(loopback).unwrap();
        let address = held.address();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::TimedOut);

        drop(held);
        assert_eq!(
            connect().unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let listener = TcpListener::bind(address).unwrap();
        let stream = connect().unwrap();
        let accepted = listener.accept().unwrap();
        drop((listener, accepted, stream));

        let held = SilentPort::hold(address).unwrap();
        assert_eq!(held.address(), address);
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
