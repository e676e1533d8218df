//! What is backed up: the same on every machine, but for what a container writes meanwhile.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::Outcome;

/// The file that a database would be.
pub(crate) const BIG_FILE: &str = "big.db";

/// How many of the volumes have one.
const BIG_FILES: usize = 4;

const FILES_IN_A_FOLDER: u64 = 125;
const PAGE_BYTES: u64 = 8192;
const MIB: u64 = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) small_files: u64,
    pub(crate) changed_files: u64,
    pub(crate) big_mib: u64,
    pub(crate) changed_pages: u64,
}

#[derive(Debug)]
pub(crate) struct Data {
    volumes: Vec<PathBuf>,
    sizes: Sizes,
    changes: u64,
}

impl Data {
    pub(crate) fn build(volumes: Vec<PathBuf>, sizes: Sizes) -> Outcome<Self> {
        let data = Self {
            volumes,
            sizes,
            changes: 0,
        };
        let mut random = Random(1);
        for file in 0..sizes.small_files {
            let path = data.small_file(file);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, random.text())?;
        }
        for volume in data.volumes.iter().take(BIG_FILES) {
            let mut file = BufWriter::new(File::create(volume.join(BIG_FILE))?);
            for _ in 0..sizes.big_mib {
                file.write_all(&random.noise(MIB))?;
            }
            file.flush()?;
        }
        Ok(data)
    }

    /// A day's changes: small files written anew, others each time, and single pages of the first
    /// big file, as a database writes them.
    pub(crate) fn change(&mut self) -> Outcome<()> {
        self.changes += 1;
        let mut random = Random(1_000 + self.changes);
        let Sizes {
            small_files,
            changed_files,
            ..
        } = self.sizes;
        for file in 0..changed_files {
            let file = (file * small_files / changed_files + self.changes) % small_files;
            fs::write(self.small_file(file), random.text())?;
        }
        let database = self.volumes.first().ok_or("there are no volumes")?;
        let database = OpenOptions::new()
            .write(true)
            .open(database.join(BIG_FILE))?;
        // Each page lies at random in a stretch of its own, so no two are the same.
        let pages = self.sizes.changed_pages;
        let stretch = (self.sizes.big_mib * MIB / PAGE_BYTES) / pages.max(1);
        for page in 0..pages {
            let page = page * stretch + random.next() % stretch.max(1);
            database.write_all_at(&random.noise(PAGE_BYTES), page * PAGE_BYTES)?;
        }
        Ok(())
    }

    /// The files lie in the volumes in turns, so that each has as many and as many changes.
    fn small_file(&self, file: u64) -> PathBuf {
        let volumes = self.volumes.len() as u64;
        let (volume, within) = (file % volumes, file / volumes);
        let volume: &Path = usize::try_from(volume)
            .ok()
            .and_then(|volume| self.volumes.get(volume))
            .map_or(Path::new(""), PathBuf::as_path);
        volume
            .join(format!("folder-{:04}", within / FILES_IN_A_FOLDER))
            .join(format!("file-{within:06}.txt"))
    }
}

/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>: a few lines, and good enough for noise.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn noise(&mut self, bytes: u64) -> Vec<u8> {
        self.words(bytes, |word| word)
    }

    /// 1 to 21 KiB of letters: five bits in each byte, so it can be compressed, and no two files are
    /// alike.
    fn text(&mut self) -> Vec<u8> {
        let bytes = 1024 + self.next() % (20 * 1024);
        let letters = |word| (word & 0x1f1f_1f1f_1f1f_1f1f) | 0x4040_4040_4040_4040;
        self.words(bytes.next_multiple_of(8), letters)
    }

    /// Eight bytes at a time: gigabytes are made of this without optimisation.
    fn words(&mut self, bytes: u64, make: impl Fn(u64) -> u64) -> Vec<u8> {
        let mut words = Vec::new();
        for _ in 0..bytes / 8 {
            words.extend_from_slice(&make(self.next()).to_le_bytes());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_spread_evenly() {
        let sizes = Sizes {
            small_files: 2_000,
            changed_files: 20,
            big_mib: 1,
            changed_pages: 2,
        };
        let volumes = ["a", "b"].map(PathBuf::from).to_vec();
        let data = Data {
            volumes,
            sizes,
            changes: 0,
        };
        assert_eq!(
            data.small_file(0),
            Path::new("a/folder-0000/file-000000.txt")
        );
        assert_eq!(
            data.small_file(1_999),
            Path::new("b/folder-0007/file-000999.txt")
        );
    }

    #[test]
    fn text_has_its_size() {
        let mut random = Random(1);
        let sizes: Vec<_> = (0..100).map(|_| random.text().len()).collect();
        assert!(
            sizes.iter().all(|size| (1024..=21 * 1024).contains(size)),
            "{sizes:?}"
        );
    }
}
