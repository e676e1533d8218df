//! The path under which the Docker host sees the primary NAS: a file system of its own, so that
//! "not mounted" and "full" are real.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::isolation::{self, Isolation};

/// The size of the file system. It lies in a sparse file, so it only costs what is written.
const SIZE_BYTES: u64 = 1 << 30;

/// A NAS path. Dropping it unmounts it.
#[derive(Debug)]
pub struct NasPath {
    mount: PathBuf,
    folder: PathBuf,
    image: Option<PathBuf>,
}

/// Why there is no NAS path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NasPathError {
    /// A file or folder could not be made.
    #[error("prepare {path} for the lab's NAS")]
    Prepare {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("run `{command}`: {said}")]
    Program {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
}

impl NasPath {
    /// In the lab's namespaces, an ext4 file system in a file beneath `dir`, mounted on `dir/nas`.
    /// Elsewhere, where nothing can be mounted, a folder on the shared memory file system, which is
    /// a mount that is there already.
    ///
    /// # Errors
    /// When it cannot be made or mounted; `mkfs.ext4` is in the package `e2fsprogs`.
    pub fn mount(dir: &Path) -> Result<Self, NasPathError> {
        Self::mount_sized(dir, SIZE_BYTES)
    }

    /// The same with a size of the file system, where one can be mounted.
    ///
    /// # Errors
    /// As for [`NasPath::mount`].
    pub fn mount_sized(dir: &Path, size_bytes: u64) -> Result<Self, NasPathError> {
        if isolation::current() != Isolation::Namespaces {
            return Self::on_shared_memory();
        }
        let mount = dir.join("nas");
        let image = dir.join("nas.ext4");
        fs::create_dir_all(&mount).map_err(prepare(&mount))?;
        let file = File::create(&image).map_err(prepare(&image))?;
        file.set_len(size_bytes).map_err(prepare(&image))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let path = Self {
            folder: mount.clone(),
            mount,
            image: Some(image),
        };
        path.mount_again()?;
        Ok(path)
    }

    fn on_shared_memory() -> Result<Self, NasPathError> {
        let mount = PathBuf::from("/dev/shm");
        let folder = mount.join(format!("backup-window-lab-{}", std::process::id()));
        fs::create_dir(&folder).map_err(prepare(&folder))?;
        Ok(Self {
            mount,
            folder,
            image: None,
        })
    }

    /// The mount point.
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        &self.mount
    }

    /// Where the repository belongs.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.folder.join("restic")
    }

    /// Takes the NAS away, as an unplugged cable does: what is open stays open, and the mount point
    /// is an empty folder. Does nothing where nothing can be mounted.
    ///
    /// # Errors
    /// When it cannot be unmounted.
    pub fn unmount(&self) -> Result<(), NasPathError> {
        match self.image {
            Some(_) => run(Command::new("umount").arg("--lazy").arg(&self.mount)),
            None => Ok(()),
        }
    }

    /// Brings the NAS back.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount_again(&self) -> Result<(), NasPathError> {
        match &self.image {
            Some(image) => run(Command::new("mount")
                .args(["-o", "loop"])
                .arg(image)
                .arg(&self.mount)),
            None => Ok(()),
        }
    }
}

impl Drop for NasPath {
    fn drop(&mut self) {
        // It may have been unmounted already; the end of the namespace does the rest.
        let _ = self.unmount();
        if self.image.is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn run(command: &mut Command) -> Result<(), NasPathError> {
    let shown = format!("{command:?}");
    let failed = |said: String| NasPathError::Program {
        command: shown.clone(),
        said,
    };
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

fn prepare(path: &Path) -> impl FnOnce(io::Error) -> NasPathError {
    let path = path.to_owned();
    |source| NasPathError::Prepare { path, source }
}
