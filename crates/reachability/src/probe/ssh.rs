//! Does an SSH server answer?

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::connect::connect;
use super::identification::{Scan, heard, scan};
use crate::{Answer, Probe, ProbeSpec};

/// Asks an SSH server for its identification, such as `SSH-2.0-OpenSSH_9.2`, and hangs up.
///
/// It neither exchanges keys nor logs in, so it is safe where every login runs a command.
/// The server logs the closed connection. OpenSSH 9.8 and later turn a client away for a
/// while that does this much more often than once a second (`PerSourcePenalties`); a server that
/// says so is [`Answer::Failed`] with its words, not silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshProbe {
    host: String,
    port: u16,
}

impl SshProbe {
    /// A probe of this port. The host is a name, an IPv4 or an IPv6 address (without brackets).
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

#[async_trait]
impl Probe for SshProbe {
    fn target(&self) -> String {
        ProbeSpec::Ssh {
            host: self.host.clone(),
            port: self.port,
        }
        .to_string()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        let deadline = Instant::now() + timeout;
        match connect(&self.host, self.port, deadline).await {
            Ok(mut stream) => identify(&mut stream, deadline).await,
            Err(answer) => answer,
        }
    }
}

/// Reads until the server has identified itself, or has shown that it is something else.
async fn identify(stream: &mut (impl AsyncRead + Unpin), deadline: Instant) -> Answer {
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = timeout_at(deadline, stream.read(&mut buffer)).await;
        let (ending, silent) = match read {
            Ok(Ok(length @ 1..)) => {
                received.extend_from_slice(&buffer[..length]);
                match scan(&received) {
                    Scan::Identified(identification) => {
                        return Answer::Up {
                            detail: identification,
                        };
                    }
                    Scan::SomethingElse => ("", Answer::Refused),
                    Scan::Incomplete => continue,
                }
            }
            // A listener whose queue is full, or a server about to stop, closes without a word.
            Ok(_) => (" and closed the connection", Answer::Refused),
            Err(_) => (" and no more", Answer::Mute),
        };
        if received.is_empty() {
            return silent;
        }
        return Answer::Failed {
            reason: format!(
                "something that is not an SSH server answered: it said {}{ending}",
                heard(&received)
            ),
        };
    }
}
