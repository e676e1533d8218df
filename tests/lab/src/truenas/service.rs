//! A simulated TrueNAS as a service of a host that sleeps: its disks, key and certificate outlive
//! the night.

use std::net::SocketAddr;

use async_trait::async_trait;

use super::{Control, Simulator};
use crate::sleeping_host::{PowerSwitch, Running, Service, ServiceError};

/// The web server of a simulated TrueNAS, which is there while its host is up.
#[derive(Debug)]
pub struct TrueNasService {
    control: Control,
}

impl TrueNasService {
    /// The web server of this NAS.
    #[must_use]
    pub fn new(control: Control) -> Self {
        Self { control }
    }
}

#[async_trait]
impl Service for TrueNasService {
    fn name(&self) -> &'static str {
        "truenas"
    }

    fn port(&self) -> u16 {
        0
    }

    async fn start(
        &mut self,
        address: SocketAddr,
        _power: PowerSwitch,
    ) -> Result<Box<dyn Running>, ServiceError> {
        let simulator = Simulator::boot(self.control.clone(), address).await?;
        Ok(Box::new(RunningTrueNas(simulator)))
    }
}

struct RunningTrueNas(Simulator);

#[async_trait]
impl Running for RunningTrueNas {
    async fn stop(self: Box<Self>) {
        drop(self.0);
    }
}
