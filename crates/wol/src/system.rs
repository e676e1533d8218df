//! What only the operating system knows or does: its interfaces, its neighbours, raw frames.

#[cfg(target_os = "linux")]
mod ethernet;
#[cfg(target_os = "linux")]
mod interfaces;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub(crate) use ethernet::send_frame;
#[cfg(target_os = "linux")]
pub(crate) use interfaces::{index_of, interfaces};
#[cfg(target_os = "linux")]
pub(crate) use links::neighbours;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{index_of, interfaces, neighbours, send_frame};
