//! The edge: the clock, the device beneath the destination, the memory of programs.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{Outcome, contender::Destination};

/// The unit of `/sys/dev/block/*/stat`, whatever the device's own is:
/// <https://docs.kernel.org/block/stat.html>.
const SECTOR_BYTES: u64 = 512;

/// The seventh field there: sectors written.
const SECTORS_WRITTEN: usize = 6;

/// What reached the destination.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    /// By the loop device under the file system, its journal included.
    pub(crate) device_bytes: u64,
    /// What is no longer free.
    pub(crate) used_bytes: u64,
}

impl Written {
    pub(crate) fn now(to: &Destination) -> Outcome<Self> {
        let mount_point = to.mount_point();
        let device = fs::metadata(&mount_point)?.dev();
        let stat = fs::read_to_string(format!(
            "/sys/dev/block/{}:{}/stat",
            rustix::fs::major(device),
            rustix::fs::minor(device)
        ))?;
        let sectors = stat.split_whitespace().nth(SECTORS_WRITTEN);
        let sectors: u64 = sectors.ok_or("the device tells nothing")?.parse()?;
        let space = rustix::fs::statvfs(&mount_point)?;
        Ok(Self {
            device_bytes: sectors * SECTOR_BYTES,
            used_bytes: (space.f_blocks - space.f_bfree) * space.f_frsize,
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            device_bytes: self.device_bytes - before.device_bytes,
            used_bytes: self.used_bytes.saturating_sub(before.used_bytes),
        }
    }
}

/// Runs some work, and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "real time is what a benchmark measures"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = std::time::Instant::now();
    let value = work()?;
    Ok((start.elapsed(), value))
}

/// Drops the clean pages of the page cache, and leaves directory entries and inodes in memory:
/// `drop_caches` in <https://docs.kernel.org/admin-guide/sysctl/vm.html>.
pub(crate) fn drop_page_cache() -> Outcome<()> {
    Ok(fs::write("/proc/sys/vm/drop_caches", "1\n")?)
}

/// Runs a command to its end beneath GNU time, checks its exit code, and returns the peak of
/// resident memory, in KiB: of the program or of the largest of those it has started.
pub(crate) fn run(command: &Command, report: &Path, good: &[i32], log: bool) -> Outcome<u64> {
    let mut timed = Command::new("time");
    timed
        .args(["--quiet", "--format=%M", "--output"])
        .arg(report)
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    if log {
        timed.stderr(Stdio::inherit());
    }
    let output = timed
        .output()
        .map_err(|error| format!("failed to run `time`: {error}"))?;
    if !output
        .status
        .code()
        .is_some_and(|code| good.contains(&code))
    {
        Err(format!(
            "{command:?} failed: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))?;
    }
    let report = fs::read_to_string(report)?;
    // A line before the last says so when the exit code was not 0.
    let last = report.lines().last().ok_or("GNU time tells nothing")?;
    Ok(last.trim().parse()?)
}
