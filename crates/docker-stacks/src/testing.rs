//! What tests of an engine, and tests on an engine, are made of (feature `testing`).
//!
//! [`MemoryEngine`] is an engine without containers: it keeps their states, lets time pass as tokio
//! says (so that a paused clock makes it instant), and misbehaves on demand. [`conformance`] holds
//! the checks that it and every real [`Engine`](crate::Engine) pass.
//!
//! ```
//! use docker_stacks::{Engine, Stopped, testing};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), docker_stacks::EngineError> {
//! let engine = testing::MemoryEngine::new();
//! engine.add(
//!     testing::container("db"),
//!     testing::Behaviour {
//!         ignores_stop: true,
//!         ..testing::Behaviour::default()
//!     },
//! );
//! let id = engine.containers().await?[0].id.clone();
//! let stopped = engine.stop(&id, std::time::Duration::from_secs(10)).await?;
//! assert_eq!(stopped, Stopped::Killed);
//! # Ok(())
//! # }
//! ```

pub mod conformance;
mod fixture;
mod memory;

mod service;

pub use fixture::{bind, container, depending_on, in_network_of, in_project, volume};
pub use memory::{
    Behaviour, Call, ExecBehaviour, HealthBehaviour, MemoryEngine, MemoryJournal, ServiceBehaviour,
};
pub use service::{in_stack, mounting, placed, service, task_container};
