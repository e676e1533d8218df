//! Asking the kernel about this process.

use std::fs::read_to_string;

use super::{OwnContainer, own_container};

/// Finds out which container this process runs in, if it runs in one.
///
/// Reads three small files of `/proc`, which no disk has to answer for. What cannot be read tells
/// nothing: there is no `/proc` on some systems, and no containers either.
///
/// ```
/// match docker_stacks::detect_own_container() {
///     Some(own) => println!("in a container: {own:?}"),
///     None => println!("on a machine of its own"),
/// }
/// ```
#[must_use]
pub fn detect_own_container() -> Option<OwnContainer> {
    let read = |path| read_to_string(path).unwrap_or_default();
    own_container(
        &read("/proc/self/mountinfo"),
        &read("/proc/self/cgroup"),
        &read("/proc/sys/kernel/hostname"),
    )
}
