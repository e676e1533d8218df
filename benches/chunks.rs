//! What the kinds of chunks cost and save, where a database writes pages all over a large file.
//!
//! ```text
//! cargo bench -p benches --bench chunks            # one file of 400 MiB, 200 pages
//! cargo bench -p benches --bench chunks -- whole   # 100,000 small files and 4 of 256 MiB, 1 %
//! ```
//!
//! `README.md` says what came of it. The peak of memory is this process's, page cache aside.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{
    env, error,
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};

use backup_store::{
    BackupRequest, BackupSummary, Chunks, InitOptions, RusticStore, SnapshotPath, Source,
    Store as _,
};
use tokio::{runtime::Runtime, time::Instant};

/// A benchmark that fails has nobody to tell but its reader.
type Outcome<T> = Result<T, Box<dyn error::Error>>;

const PAGE_BYTES: u64 = 8 * 1024;
const KINDS: [&str; 4] = [
    "content-1024KiB",
    "content-128KiB",
    "fixed-1024KiB",
    "fixed-128KiB",
];

/// What is backed up, and what changes until the second night.
struct Load {
    small_files: u64,
    big_files: u64,
    big_bytes: u64,
    changed_files: u64,
    changed_pages: u64,
}

const ONE_FILE: Load = Load {
    small_files: 0,
    big_files: 1,
    big_bytes: 400 << 20,
    changed_files: 0,
    changed_pages: 200,
};

const WHOLE: Load = Load {
    small_files: 100_000,
    big_files: 4,
    big_bytes: 256 << 20,
    changed_files: 1_000,
    // 1 % of the one file that is written to.
    changed_pages: (256 << 20) / PAGE_BYTES / 100,
};

fn main() -> Outcome<()> {
    let arguments: Vec<_> = env::args().collect();
    // `cargo bench` passes this to what it runs; `cargo test --benches` does not.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("Nothing was measured: run it with `cargo bench -p benches --bench chunks`.");
        return Ok(());
    }
    let is_whole = arguments.iter().any(|argument| argument == "whole");
    let load = if is_whole { WHOLE } else { ONE_FILE };
    let folder = tempfile::Builder::new()
        .prefix("backup-window-bench-")
        .tempdir()?;
    // Each in a process of its own: an allocator that keeps memory would spoil the next one's peak.
    if let Some(kind) = arguments
        .iter()
        .find(|argument| KINDS.contains(&argument.as_str()))
    {
        return measure(&load, kind, folder.path());
    }
    println!("| chunks | first, s | second, s | stored, MiB | in chunks, MiB | peak, MiB |");
    println!("|---|---:|---:|---:|---:|---:|");
    for kind in KINDS {
        let ended = Command::new(env::current_exe()?)
            .args(arguments.iter().skip(1))
            .arg(kind)
            .status()?;
        if !ended.success() {
            return Err(format!("{kind} was not measured: {ended}").into());
        }
    }
    Ok(())
}

/// Both nights with one kind of chunks, on a fresh tree: the same for each.
fn measure(load: &Load, kind: &str, folder: &Path) -> Outcome<()> {
    let (tree, repository) = (folder.join("tree"), folder.join("repository"));
    let mut random = Random(1);
    build(load, &tree, &mut random)?;
    sync()?;
    // The kernel begins a new peak with this: proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5")?;

    let runtime = Runtime::new()?;
    let options = InitOptions {
        chunks: kind.parse::<Chunks>()?,
        ..InitOptions::default()
    };
    let password = backup_store::generate_password()?;
    let store = runtime.block_on(RusticStore::init(&repository, &password, options))?;
    let (first_seconds, _) = night(&runtime, &store, &tree, "2026-03-01T03:00:00Z")?;
    change(load, &tree, &mut random)?;
    sync()?;
    let before = stored_bytes(&repository)?;
    let (second_seconds, summary) = night(&runtime, &store, &tree, "2026-03-02T03:00:00Z")?;
    println!(
        "| {kind} | {first_seconds:.2} | {second_seconds:.2} | {} | {} | {} |",
        (stored_bytes(&repository)? - before) >> 20,
        summary.added_bytes >> 20,
        peak_kibibytes()? >> 10,
    );
    fs::remove_dir_all(tree)?;
    fs::remove_dir_all(repository)?;
    Ok(())
}

fn night(
    runtime: &Runtime,
    store: &RusticStore,
    tree: &Path,
    started_at: &str,
) -> Outcome<(f64, BackupSummary)> {
    let request = BackupRequest {
        stack: "bench".to_owned(),
        host: "bench".to_owned(),
        started_at: started_at.parse()?,
        sources: vec![Source::path(SnapshotPath::new("tree")?, tree)],
        tags: Vec::new(),
    };
    let started = Instant::now();
    let summary = runtime.block_on(store.back_up(request))?;
    Ok((started.elapsed().as_secs_f64(), summary))
}

fn build(load: &Load, tree: &Path, random: &mut Random) -> Outcome<()> {
    for folder in 0..100 {
        fs::create_dir_all(tree.join(format!("folder-{folder}")))?;
    }
    for file in 0..load.small_files {
        write_small(tree, file, random)?;
    }
    for file in 0..load.big_files {
        let big = File::create(tree.join(format!("big-{file}")))?;
        for mebibyte in 0..load.big_bytes >> 20 {
            big.write_all_at(&random.noise(1 << 20), mebibyte << 20)?;
        }
    }
    Ok(())
}

fn write_small(tree: &Path, file: u64, random: &mut Random) -> Outcome<()> {
    let bytes = 1024 + random.next() % (20 * 1024);
    let path = tree.join(format!("folder-{}/file-{file}", file % 100));
    Ok(fs::write(path, random.noise(bytes))?)
}

fn change(load: &Load, tree: &Path, random: &mut Random) -> Outcome<()> {
    for file in 0..load.changed_files {
        write_small(tree, file * 97 % load.small_files, random)?;
    }
    let big = OpenOptions::new().write(true).open(tree.join("big-0"))?;
    for _ in 0..load.changed_pages {
        let page = random.next() % (load.big_bytes / PAGE_BYTES);
        big.write_all_at(&random.noise(PAGE_BYTES), page * PAGE_BYTES)?;
    }
    Ok(())
}

fn stored_bytes(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(folder) {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn peak_kibibytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel does not say the peak")?.parse()?)
}

fn sync() -> Outcome<()> {
    Command::new("sync").status()?;
    Ok(())
}

/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
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
        (0..bytes.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }
}
