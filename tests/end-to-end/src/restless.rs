//! Files that never rest, so that a copy has something to do while a stack is down.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

/// The configuration of `[docker]` with which such files are read while a stack is down: there is
/// no room for a copy of anything.
pub const NO_SPOOL: &str = "spool_limit = \"1KiB\"";

/// Large files whose times change all the while.
///
/// A file that was changed in the last two seconds before a live pass is read again after the stop,
/// whatever its size and times say. These are always such; and with [`NO_SPOOL`], they are read into
/// the repository while the stack is down, which takes a while. They take no room on any disk.
#[derive(Debug)]
pub struct Restless(Child);

impl Restless {
    /// Makes the files, of so many bytes, and has them changed until this is dropped.
    ///
    /// # Panics
    /// When they cannot be made.
    #[must_use]
    pub fn begin(files: &[PathBuf], bytes: u64) -> Self {
        for path in files {
            let file = fs::File::create(path).expect("a lab's folder can be written to");
            file.set_len(bytes).expect("a hole takes no room");
            // So that there is something to make room for.
            fs::OpenOptions::new()
                .append(true)
                .open(path)
                .and_then(|mut file| std::io::Write::write_all(&mut file, &[1; 2048]))
                .expect("it was just made");
        }
        let child = Command::new("sh")
            .args(["-c", "while :; do touch -c \"$@\"; sleep 0.1; done", "sh"])
            .args(files)
            .spawn()
            .expect("every system has a shell");
        Self(child)
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
