//! A waker whose packets go nowhere.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::{
    Destination, InterfaceFacts, MagicPacket, Sent, WakeError, WakeReport, WakeRequest, Waker,
};

/// A waker in memory: it keeps the packets, and takes those for interfaces that it has, or for
/// none.
#[derive(Debug, Default)]
pub struct MemoryWaker {
    interfaces: Vec<InterfaceFacts>,
    sent: Mutex<Vec<(Destination, MagicPacket)>>,
}

impl MemoryWaker {
    /// A waker on a machine with these interfaces.
    #[must_use]
    pub fn on(interfaces: Vec<InterfaceFacts>) -> Self {
        Self {
            interfaces,
            sent: Mutex::default(),
        }
    }

    /// The packets so far, and where each went.
    #[must_use]
    pub fn sent(&self) -> Vec<(Destination, MagicPacket)> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.clone()
    }
}

impl Waker for MemoryWaker {
    fn interfaces(&self) -> Result<Vec<InterfaceFacts>, WakeError> {
        Ok(self.interfaces.clone())
    }

    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError> {
        request.send_each(|packet, destination| {
            if let Some(name) = &destination.interface
                && !self.interfaces.iter().any(|facts| facts.name == *name)
            {
                return Err(WakeError::Interface {
                    interface: name.clone(),
                    source: io::ErrorKind::NotFound.into(),
                });
            }
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push((destination.clone(), packet.clone()));
            Ok(Sent::new(destination.clone(), packet.as_bytes().len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, conformance};

    #[test]
    fn it_keeps_the_contract() {
        let lan = InterfaceFacts::card("eno1", 2).with_address([192, 0, 2, 7], 24);
        let waker = MemoryWaker::on(vec![lan]);
        let mut seen = 0;
        let mut fixture = Fixture {
            reachable: [
                "192.0.2.255".parse().unwrap(),
                Destination::ethernet("eno1"),
            ],
            unreachable: Destination::ethernet("no-such-card"),
            arrived: Box::new(|| {
                let all = waker.sent();
                let new = all.iter().skip(seen);
                let new = new.map(|(_, packet)| packet.as_bytes().to_vec()).collect();
                seen = all.len();
                new
            }),
        };
        conformance(&waker, &mut fixture);
    }
}
