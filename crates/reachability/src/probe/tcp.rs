//! Does anything listen on a TCP port?

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::connect::connect;
use crate::{Answer, Probe, ProbeSpec};

/// Asks whether a TCP port accepts connections, and closes each at once.
///
/// That the port accepts says that the kernel runs and that a program listens, not that the
/// program works: where the service speaks first, [`SshProbe`](crate::SshProbe) proves more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpProbe {
    host: String,
    port: u16,
}

impl TcpProbe {
    /// A probe of this port. The host is a name, an IPv4 or an IPv6 address (without brackets).
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

#[async_trait]
impl Probe for TcpProbe {
    fn target(&self) -> String {
        ProbeSpec::Tcp {
            host: self.host.clone(),
            port: self.port,
        }
        .to_string()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        match connect(&self.host, self.port, Instant::now() + timeout).await {
            Ok(_stream) => Answer::Up {
                detail: format!("accepts connections on port {}", self.port),
            },
            Err(answer) => answer,
        }
    }
}
