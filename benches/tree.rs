//! What is backed up: a tree like a homelab's, the same on every machine.

use std::{
    fmt::{self, Display, Formatter},
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const FOLDERS: u64 = 100;
const SMALL_FILES: u64 = 5_000;
const BIG_FILES: u64 = 2;
const BIG_KIB: u64 = 32 * 1024;
const CHANGED_FILES: u64 = 50;
const CHANGED_PAGES: u64 = 40;
const PAGE_KIB: u64 = 8;

/// Words of the small files: text like that of settings and logs, which compresses well.
const WORDS: [&str; 16] = [
    "server",
    "listen",
    "127.0.0.1",
    "enabled",
    "true",
    "volume",
    "data",
    "user",
    "error",
    "warning",
    "path",
    "timeout",
    "name",
    "container",
    "request",
    "status",
];

/// The tree on disk.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Small files of text in folders, and big ones of noise, as databases and pictures are to a
    /// compressor.
    pub(crate) fn build(root: PathBuf) -> io::Result<Self> {
        let tree = Self { root };
        let mut random = Random(1);
        for folder in 0..FOLDERS {
            fs::create_dir_all(tree.root.join(folder_name(folder)))?;
        }
        for file in 0..SMALL_FILES {
            fs::write(tree.small_file(file), random.small_text())?;
        }
        for file in 0..BIG_FILES {
            fs::write(tree.big_file(file), random.noise(BIG_KIB))?;
        }
        Ok(tree)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// One day's changes: small files written anew, and single pages of a big file, as a database
    /// writes them.
    pub(crate) fn change(&mut self, round: u64) -> io::Result<()> {
        let mut random = Random(1_000 + round);
        for file in 0..CHANGED_FILES {
            let file = file * (SMALL_FILES / CHANGED_FILES) + round;
            fs::write(self.small_file(file), random.small_text())?;
        }
        let database = OpenOptions::new().write(true).open(self.big_file(0))?;
        // Each page lies at random in a stretch of its own, so no two are the same.
        let stretch = BIG_KIB / PAGE_KIB / CHANGED_PAGES;
        for page in 0..CHANGED_PAGES {
            let page = page * stretch + random.below(stretch);
            database.write_all_at(&random.noise(PAGE_KIB), page * PAGE_KIB * 1024)?;
        }
        Ok(())
    }

    fn small_file(&self, file: u64) -> PathBuf {
        let folder = folder_name(file / (SMALL_FILES / FOLDERS));
        self.root.join(folder).join(format!("file-{file:04}.txt"))
    }

    fn big_file(&self, file: u64) -> PathBuf {
        self.root.join(format!("big-{file}.db"))
    }
}

impl Display for Tree {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{SMALL_FILES} files of 1 to 16 KiB in {FOLDERS} folders, {BIG_FILES} files of {} MiB; \
             changed: {CHANGED_FILES} files, {CHANGED_PAGES} pages of {PAGE_KIB} KiB",
            BIG_KIB / 1024,
        )
    }
}

fn folder_name(folder: u64) -> String {
    format!("folder-{folder:02}")
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

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn noise(&mut self, kib: u64) -> Vec<u8> {
        (0..kib * 1024 / 8)
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }

    /// Lines of words, each with a number, or all files would be too much like one another.
    fn small_text(&mut self) -> String {
        let [low, high, ..] = self.next().to_le_bytes();
        let bytes = 1024 + usize::from(u16::from_le_bytes([low, high])) % (15 * 1024);
        let mut text = String::new();
        while text.len() < bytes {
            text.push_str(&self.next().to_string());
            for byte in self.next().to_le_bytes() {
                text.push(' ');
                text.push_str(WORDS[usize::from(byte) % WORDS.len()]);
            }
            text.push('\n');
        }
        text.truncate(bytes);
        text
    }
}
