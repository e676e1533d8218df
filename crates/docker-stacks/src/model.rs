//! What an engine is asked about, as plain values: containers, their mounts, volumes, networks,
//! images.
//!
//! The shapes follow what the Engine API reports for `GET /containers/{id}/json` and
//! `GET /volumes` (<https://docs.docker.com/reference/api/engine/>), cut down to what decides how a
//! container is stopped, copied and started again.

mod container;
mod image;
mod names;
mod network;
pub(crate) mod seconds;
pub(crate) mod service;
mod volume;

pub use container::{Container, ContainerState, Health, RestartPolicy};
pub use image::Image;
pub use names::{ContainerId, ContainerKey, ContainerRef, StackName};
pub use network::{AddressPool, Attachment, Network};
pub use service::{Service, ServiceId, ServiceMode, ServiceMount, ServiceRef, ServiceSpec, Task};
pub use volume::{Mount, MountKind, Volume};
