//! Does the host answer an echo request ("ping")?

mod echo;
mod socket;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

pub use socket::IcmpUnavailable;

use super::connect::{classify, rank, resolve};
use crate::{Answer, Probe, ProbeSpec};
use echo::Echo;
use socket::IcmpSocket;

/// Sends an ICMP echo request, and waits for the reply.
///
/// A reply says that the kernel runs and the network works, and nothing of any service: a machine
/// answers long before it is ready, and while it hangs. And silence proves less than that of a
/// service, because firewalls drop echo requests at will. So this is for knowing early that a host
/// comes up, beside a probe of the service that matters.
///
/// It uses the kernel's own socket for echo requests, which needs no privileges where
/// `net.ipv4.ping_group_range` has the process's group, and a raw socket (root, or `CAP_NET_RAW`)
/// elsewhere. Where neither is to be had, there is no such probe: [`open`](Self::open) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpProbe {
    host: String,
}

impl IcmpProbe {
    /// A probe of this host: a name, an IPv4 or an IPv6 address (without brackets).
    ///
    /// # Errors
    /// [`IcmpUnavailable`] when this process may not send echo requests.
    pub fn open(host: impl Into<String>) -> Result<Self, IcmpUnavailable> {
        socket::try_out()?;
        Ok(Self { host: host.into() })
    }
}

#[async_trait]
impl Probe for IcmpProbe {
    fn target(&self) -> String {
        ProbeSpec::Icmp {
            host: self.host.clone(),
        }
        .to_string()
    }

    /// A name with several addresses gets an equal share of the time for each, and the answer that
    /// says most about the host counts.
    async fn probe(&self, timeout: Duration) -> Answer {
        let deadline = Instant::now() + timeout;
        let addresses = match resolve(&self.host, 0, deadline).await {
            Ok(addresses) => addresses,
            Err(answer) => return answer,
        };
        let mut best: Option<Answer> = None;
        for (position, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
            let answer = ask(*address, share).await;
            if answer.is_up() {
                return answer;
            }
            if best.as_ref().is_none_or(|best| rank(&answer) > rank(best)) {
                best = Some(answer);
            }
        }
        best.unwrap_or_else(|| Answer::Failed {
            reason: format!("the name {:?} has no address", self.host),
        })
    }
}

async fn ask(address: SocketAddr, share: Duration) -> Answer {
    match timeout(share, exchange(address)).await {
        Ok(Ok(())) => Answer::Up {
            detail: format!("echo reply from {}", address.ip()),
        },
        Ok(Err(answer)) => answer,
        Err(_) => Answer::Silent,
    }
}

/// Sends a request, again and again each second, until the reply to one of them comes: a single
/// packet that gets lost is not silence.
async fn exchange(address: SocketAddr) -> Result<(), Answer> {
    const AGAIN: Duration = Duration::from_secs(1);

    let socket = IcmpSocket::open(address.ip()).map_err(|error| Answer::Failed {
        reason: format!("could not open a socket for echo requests: {error}"),
    })?;
    let echo = Echo::new(address.ip(), std::process::id(), next_number());
    for sequence in 0_u16.. {
        let request = echo.request(sequence);
        socket
            .send(&request, address)
            .await
            .map_err(|error| classify(&error))?;
        if let Ok(answer) = timeout(AGAIN, reply(&socket, &echo, address)).await {
            return answer;
        }
    }
    Err(Answer::Silent)
}

/// Waits for the reply. Whatever else comes to the socket is passed over: a raw one hears all.
async fn reply(socket: &IcmpSocket, echo: &Echo, address: SocketAddr) -> Result<(), Answer> {
    let mut buffer = [0; 1024];
    loop {
        let (received, from) = socket
            .receive(&mut buffer)
            .await
            .map_err(|error| classify(&error))?;
        if from == address.ip() && echo.is_answered_by(received) {
            return Ok(());
        }
    }
}

/// Tells the requests of this process apart.
fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
