//! Who is measured, and where it writes.

use std::{
    fmt::Debug,
    fs::{self, File},
    path::{Path, PathBuf},
};

use lab::nas_path::NasPath;

use crate::{Outcome, house::House};

/// A way to back the stacks up, with a destination of its own.
pub(crate) trait Contender: Debug {
    fn name(&self) -> String;

    /// Whether it copies anything at all.
    fn saves(&self) -> bool;

    /// Makes the repository or whatever it needs.
    fn prepare(&mut self, house: &House, to: &Destination) -> Outcome<()>;

    /// Backs everything up, with the services stopped and started, and returns the peak of resident
    /// memory of the largest process, in KiB. A backup that is not whole is an error.
    fn night(&mut self, house: &House, to: &Destination) -> Outcome<u64>;
}

/// A file system for one contender alone, made anew.
#[derive(Debug)]
pub(crate) struct Destination {
    folder: PathBuf,
    nas: Option<NasPath>,
}

impl Destination {
    pub(crate) fn new(folder: &Path, size_bytes: u64) -> Outcome<Self> {
        let folder = folder.join("destination");
        fs::create_dir(&folder)?;
        let nas = Some(NasPath::mount_sized(&folder, size_bytes)?);
        Ok(Self { folder, nas })
    }

    /// Where it is mounted.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.folder.join("nas")
    }

    /// A folder beside it, on the machine's own disk: for caches and passwords.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lets everything that waits to be written reach its disk: nobody shall pay for others.
    pub(crate) fn settle(&self) -> Outcome<()> {
        rustix::fs::syncfs(File::open(self.mount_point())?)?;
        rustix::fs::syncfs(File::open(&self.folder)?)?;
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        self.nas = None;
        // What cannot be removed only takes room until the program ends.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
