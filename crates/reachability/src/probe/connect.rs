//! From a host's name to an open connection, or to the reason why there is none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Answer;

/// Opens a TCP connection to the host before `deadline`.
///
/// A name with several addresses gets an equal share of the time for each, and the answer that
/// says most about the host counts: one address that refuses proves more than one that is silent.
pub(super) async fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Answer> {
    let addresses = resolve(host, port, deadline).await?;
    let mut best: Option<Answer> = None;
    for (position, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
        match connect_to(*address, share).await {
            Ok(stream) => return Ok(stream),
            Err(answer) if best.as_ref().is_none_or(|best| rank(&answer) > rank(best)) => {
                best = Some(answer);
            }
            Err(_) => {}
        }
    }
    Err(best.unwrap_or_else(|| Answer::Failed {
        reason: format!("the name {host:?} has no address"),
    }))
}

/// The addresses of a name.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Answer> {
    let failed = |why: String| Answer::Failed {
        reason: format!("the name {host:?} could not be looked up: {why}"),
    };
    match timeout_at(deadline, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the name service did not answer in time".to_owned())),
    }
}

async fn connect_to(address: SocketAddr, share: Duration) -> Result<TcpStream, Answer> {
    match timeout(share, TcpStream::connect(address)).await {
        Ok(Ok(stream)) if is_connected_to_itself(&stream) => Err(Answer::Refused),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(Answer::Silent),
    }
}

/// TCP lets a socket connect to itself when the kernel happens to give it the very port it is
/// connecting to, which only happens where nobody listens.
fn is_connected_to_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(own), Ok(peer)) if own == peer)
}

/// What a failed attempt to connect says about the host.
pub(super) fn classify(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Answer::Refused,
        // Host unreachable is what Linux reports when nobody answers ARP for the address.
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => Answer::Silent,
        // These are about this machine: an unplugged cable here must not look like a host that
        // is off there.
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => Answer::Failed {
            reason: format!("this machine has no way to it: {error}"),
        },
        io::ErrorKind::PermissionDenied => Answer::Failed {
            reason: format!("this machine's firewall forbids it: {error}"),
        },
        _ => Answer::Failed {
            reason: format!("could not connect: {error}"),
        },
    }
}

/// How much an answer says about the host. An address that this machine has no way to (IPv6 on an
/// IPv4 network, say) says less than one that was asked and stayed silent.
pub(super) const fn rank(answer: &Answer) -> u8 {
    match answer {
        Answer::Failed { .. } => 0,
        Answer::Silent => 1,
        Answer::Refused => 2,
        Answer::Mute => 3,
        Answer::NotReady { .. } => 4,
        Answer::Up { .. } => 5,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{classify, rank};
    use crate::Answer;

    #[test]
    fn errors_are_told_apart_by_whom_they_are_about() {
        let answer = |kind: io::ErrorKind| classify(&kind.into());
        assert_eq!(answer(io::ErrorKind::ConnectionRefused), Answer::Refused);
        assert_eq!(answer(io::ErrorKind::HostUnreachable), Answer::Silent);
        assert_eq!(answer(io::ErrorKind::TimedOut), Answer::Silent);
        for about_this_machine in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::OutOfMemory,
        ] {
            let answer = answer(about_this_machine);
            assert!(matches!(answer, Answer::Failed { .. }), "{answer}");
        }
    }

    #[test]
    fn the_answer_that_says_most_about_the_host_wins() {
        let failed = Answer::Failed {
            reason: String::new(),
        };
        assert!(rank(&failed) < rank(&Answer::Silent));
        assert!(rank(&Answer::Silent) < rank(&Answer::Refused));
    }
}
