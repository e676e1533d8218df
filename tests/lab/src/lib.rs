//! A homelab on one machine, for tests and examples.
//!
//! Real parts wherever a real one can serve: namespaces for the network, `sshd` for SSH, `dockerd`
//! for Docker. What cannot be run here is simulated or stands in, and says so.
//!
//! Everything starts with [`isolation`]: the lab re-executes the program that uses it inside mount,
//! network and PID namespaces of its own, where broadcasts reach nobody else, and which the kernel
//! clears away as a whole when the program ends, however it ends.
//!
//! ```no_run
//! use lab::isolation::{Isolation, enter_or_reexec};
//!
//! fn main() {
//!     match enter_or_reexec() {
//!         Isolation::Namespaces => println!("in a network of its own"),
//!         Isolation::None { why } => println!("on the loopback interface only: {why}"),
//!     }
//! }
//! ```

pub mod account;
pub mod cable;
pub mod docker;
pub mod faulty_wire;
pub mod guest;
pub mod homelab;
pub mod hostile_tree;
pub mod isolation;
pub mod lans;
mod magic;
pub mod nas_path;
pub mod rest_server;
pub mod sleeping_host;
pub mod ssh_key;
pub mod ssh_server;
mod ssh_stand_in;
mod sshd;
mod tls;
pub mod truenas;
pub mod window;
