//! What an engine is asked about, as plain values: containers, their mounts, volumes.
//!
//! The shapes follow what the Engine API reports for `GET /containers/{id}/json` and
//! `GET /volumes` (<https://docs.docker.com/reference/api/engine/>), cut down to what decides how a
//! container is stopped, copied and started again.

mod container;
mod names;
pub(crate) mod seconds;
pub(crate) mod service;
mod volume;

pub use container::{Container, ContainerState, Health};
pub use names::{ContainerId, ContainerKey, ContainerRef, StackName};
pub use service::{Service, ServiceId, ServiceMode, ServiceMount, ServiceRef, ServiceSpec, Task};
pub use volume::{Mount, MountKind, Volume};
