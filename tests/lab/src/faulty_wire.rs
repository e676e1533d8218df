//! A cable that fails: a TCP proxy which cuts a connection, or goes silent, at a chosen moment.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a thread of the proxy waits for data before it looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What goes wrong with each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// Nothing.
    None,
    /// It is cut in place of the piece with this number that the client sends; from 1.
    CutAt(usize),
    /// From that piece on, nothing passes any more, in either direction.
    SilentAt(usize),
    /// It is cut as soon as there is this file: nothing that the server says afterwards passes.
    CutOnceThereIs(PathBuf),
    /// Nothing passes any more as soon as there is this file.
    SilentOnceThereIs(PathBuf),
}

/// A running proxy; it listens until it is dropped.
#[derive(Debug)]
pub struct FaultyWire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    fault: WireFault,
    /// The pieces that the clients sent and that were passed on.
    pieces: AtomicUsize,
    stopping: AtomicBool,
}

impl FaultyWire {
    /// A cable to this server, with this fault.
    ///
    /// # Errors
    ///
    /// When there is no port for it.
    pub fn to(server: SocketAddr, fault: WireFault) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            fault,
            pieces: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if serving.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), serving) = (client, Arc::clone(&serving)) else {
                    continue;
                };
                thread::spawn(move || serving.carry(&client));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many pieces of clients were passed on to the server so far.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.shared.pieces.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyWire {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // So that the listener looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// What becomes of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    Passes,
    Cut,
    Silent,
}

impl Shared {
    /// One connection. Both directions end with it.
    fn carry(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else {
            return;
        };
        let silent = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.direction(client, &server, true, &silent));
            self.direction(&server, client, false, &silent);
        });
    }

    fn direction(&self, from: &TcpStream, to: &TcpStream, from_client: bool, silent: &AtomicBool) {
        let cut = || {
            // One of them may be gone already.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        };
        if from.set_read_timeout(Some(LOOK_EVERY)).is_err() {
            return cut();
        }
        let mut buffer = vec![0; 64 * 1024];
        let (mut from_reader, mut to_writer) = (from, to);
        let mut number = 0;
        loop {
            if self.stopping.load(Ordering::SeqCst) {
                return cut();
            }
            let read = match from_reader.read(&mut buffer) {
                Ok(0) => return cut(),
                Ok(length) => Some(length),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    None
                }
                Err(_) => return cut(),
            };
            number += usize::from(read.is_some());
            match self.passage(from_client, number, read.is_some()) {
                Passage::Cut => return cut(),
                Passage::Silent => silent.store(true, Ordering::SeqCst),
                Passage::Passes => {}
            }
            let Some(length) = read else { continue };
            // The connection stays, and what is said is heard by nobody.
            if silent.load(Ordering::SeqCst) {
                continue;
            }
            if from_client {
                // Before it is passed on, so that whoever has the answer to a piece finds it counted.
                self.pieces.fetch_add(1, Ordering::SeqCst);
            }
            if to_writer.write_all(&buffer[..length]).is_err() {
                return cut();
            }
        }
    }

    fn passage(&self, from_client: bool, number: usize, is_piece: bool) -> Passage {
        match &self.fault {
            WireFault::CutAt(at) if from_client && is_piece && number >= *at => Passage::Cut,
            WireFault::SilentAt(at) if from_client && is_piece && number >= *at => Passage::Silent,
            WireFault::CutOnceThereIs(file) if file.exists() => Passage::Cut,
            WireFault::SilentOnceThereIs(file) if file.exists() => Passage::Silent,
            _ => Passage::Passes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says everything back.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = stream.try_clone().unwrap();
            let _ = io::copy(&mut reader, &mut stream);
        });
        address
    }

    /// Sends single bytes, each after the echo of the one before, and counts the echoes.
    fn echoes(wire: &FaultyWire) -> (usize, io::Result<usize>) {
        let mut client = TcpStream::connect(wire.address()).unwrap();
        // A busy machine is slow, and not silent.
        client
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        for count in 0..5 {
            client.write_all(b"x").unwrap();
            let read = client.read(&mut [0; 1]);
            if !matches!(read, Ok(1)) {
                return (count, read);
            }
        }
        (5, Ok(1))
    }

    #[test]
    fn faults_happen_at_their_piece() {
        let wire = FaultyWire::to(echo(), WireFault::None).unwrap();
        assert_eq!(echoes(&wire).0, 5);
        assert_eq!(wire.pieces(), 5);

        let wire = FaultyWire::to(echo(), WireFault::CutAt(3)).unwrap();
        let (count, end) = echoes(&wire);
        assert_eq!(count, 2);
        assert!(
            !matches!(&end, Err(error) if error.kind() == io::ErrorKind::WouldBlock),
            "{end:?}"
        );

        let wire = FaultyWire::to(echo(), WireFault::SilentAt(2)).unwrap();
        let (count, end) = echoes(&wire);
        assert_eq!(count, 1);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_file_can_be_the_signal() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("now");
        let wire = FaultyWire::to(echo(), WireFault::CutOnceThereIs(file.clone())).unwrap();
        let mut client = TcpStream::connect(wire.address()).unwrap();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        std::fs::write(&file, "").unwrap();
        // Cut, without anybody sending anything.
        assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
}
