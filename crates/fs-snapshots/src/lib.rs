//! Snapshots of file systems that are always removed, and copies that share extents.

mod reflink;

pub use reflink::{probe_reflink, reflink};
