//! What the journal says of a service.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Service, ServiceMode, ServiceRef, seconds};

/// How long a service's containers are given that ask for no time of their own: the engine's
/// default.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// One service that must have its tasks again.
///
/// ```
/// use docker_stacks::{RecordedService, Service};
///
/// fn to_write_down(services: &[Service]) -> Vec<RecordedService> {
///     services.iter().filter_map(RecordedService::of).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedService {
    /// Which service.
    pub service: ServiceRef,
    /// How many tasks it was to have, and where.
    pub was: ServiceMode,
    /// How many of them ran: no more are waited for.
    pub running_tasks: usize,
    /// How long its containers are given between their stop signal and SIGKILL.
    #[serde(with = "seconds", rename = "grace_seconds")]
    pub grace: Duration,
}

impl RecordedService {
    /// What to write down of a service; nothing if it is to have no tasks, and so is not to be
    /// resumed, or if it is a job.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        (!service.is_halted() && service.mode != ServiceMode::Job).then(|| Self {
            service: service.to_ref(),
            was: service.mode,
            running_tasks: service.running().count(),
            grace: service.stop_grace.unwrap_or(DEFAULT_GRACE),
        })
    }
}
