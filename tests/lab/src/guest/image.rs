//! What all guests start from: a root file system, a kernel and the first steps of a boot, made once
//! and kept.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{GuestError, build};

/// What [`build`] makes.
pub(super) const ROOT: &str = "root.img";
pub(super) const KERNEL: &str = "vmlinuz";
pub(super) const INITRD: &str = "initrd";

/// An image that is not taken away while this lives.
#[derive(Debug)]
pub(super) struct Image {
    dir: PathBuf,
    _used: File,
}

impl Image {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Where the image is, of this recipe and this machine's release of Debian.
#[derive(Debug)]
struct Place {
    cache: PathBuf,
    name: String,
}

impl Place {
    fn of_this_recipe() -> Result<Self, GuestError> {
        let mut hash = Sha256::new();
        for part in build::recipe() {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(build::release()?.as_bytes());
        let hash = hash.finalize();
        // Half of it is enough to tell recipes apart.
        let hash = hash[..16]
            .iter()
            .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        Ok(Self {
            cache: cache(),
            name: format!("guest-{hash:032x}"),
        })
    }

    fn dir(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    /// Readers share it, and the builder has it alone.
    fn lock_file(&self) -> Result<File, GuestError> {
        lock_file(&self.cache, &self.name)
    }
}

fn lock_file(cache: &Path, name: &str) -> Result<File, GuestError> {
    let path = cache.join(format!("{name}.lock"));
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(GuestError::system(format!("open {}", path.display())))
}

/// The user's folder for what can be made again.
fn cache() -> PathBuf {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/var/cache"))
        .join("backup-window")
}

/// Makes the image, unless there is one of this recipe. Whoever comes meanwhile waits.
pub(super) fn prepare() -> Result<(), GuestError> {
    let place = Place::of_this_recipe()?;
    fs::create_dir_all(&place.cache).map_err(GuestError::system(format!(
        "create {}",
        place.cache.display()
    )))?;
    let lock = place.lock_file()?;
    let waiting = || GuestError::system("wait for who makes the guest's image");
    // Shared at first: the guests that use an image must not be waited for.
    lock.lock_shared().map_err(waiting())?;
    if place.dir().exists() {
        return Ok(());
    }
    lock.unlock().map_err(waiting())?;
    lock.lock().map_err(waiting())?;
    if place.dir().exists() {
        return Ok(());
    }
    remove_others(&place);
    let unfinished = place.cache.join(format!("{}.unfinished", place.name));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir(&unfinished).map_err(GuestError::system(format!(
        "create {}",
        unfinished.display()
    )))?;
    build::build(&unfinished)?;
    fs::rename(&unfinished, place.dir())
        .map_err(GuestError::system(format!("keep {}", unfinished.display())))
}

/// The image, which must have been made.
pub(super) fn find() -> Result<Image, GuestError> {
    let place = Place::of_this_recipe()?;
    let path = place.dir();
    if !path.exists() {
        return Err(GuestError::NoImage { path });
    }
    let used = place.lock_file()?;
    used.lock_shared()
        .map_err(GuestError::system("wait for who makes the guest's image"))?;
    Ok(Image {
        dir: path,
        _used: used,
    })
}

/// Removes the images of other recipes that nobody uses. Those that stay cost some space only.
fn remove_others(place: &Place) {
    let Ok(entries) = fs::read_dir(&place.cache) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let image = name.strip_suffix(".unfinished").unwrap_or(&name);
        let is_other = image.starts_with("guest-") && image != place.name && path.is_dir();
        if is_other
            && let Ok(lock) = lock_file(&place.cache, image)
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
