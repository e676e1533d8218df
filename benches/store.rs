//! `backup_store` beside stock `restic`: the same tree, the same changes, the same disk.
//!
//! ```text
//! cargo bench -p benches --bench store
//! ```
//!
//! `README.md` says what is measured, and what the figures do not say.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod contender;
mod table;
mod tree;

use std::{
    env, error,
    fs::{self, File},
    path::Path,
    thread,
    time::Duration,
};

use contender::{Contender, Ours, Restic};
use table::{Figure, Figures, Step};
use tree::Tree;
use walkdir::WalkDir;

/// A benchmark that fails has nobody to tell but its reader.
type Outcome<T> = Result<T, Box<dyn error::Error>>;

/// An odd number, so that the median is a figure that was measured.
const ROUNDS: u64 = 3;

fn main() -> Outcome<()> {
    // `cargo bench` passes this to what it runs; `cargo test --benches` does not.
    if !env::args().any(|argument| argument == "--bench") {
        println!("Nothing was measured: run it with `cargo bench -p benches --bench store`.");
        return Ok(());
    }
    let restic = Restic::find()?;
    let folder = tempfile::Builder::new()
        .prefix("backup-window-bench-")
        .tempdir()?;
    let folder = folder.path();
    let mut tree = Tree::build(folder.join("tree"))?;

    let processors = thread::available_parallelism()?;
    println!("{tree}; {processors} processors; {ROUNDS} rounds");
    match &restic {
        Some(version) => println!("compared with: {version}\n"),
        None => println!("`restic` is not installed: these are our own figures only\n"),
    }
    let mut figures = Figures::default();
    for round in 0..ROUNDS {
        measure(round, folder, &mut tree, restic.is_some(), &mut figures)?;
    }
    println!("{figures}");
    println!("Seconds: median (fastest to slowest). Added: what the repository's folder grew by.");
    if restic.is_some() {
        println!("restic opens the repository in every step, ours once for all of them:");
        println!("\"with opening\" is the ratio if ours had to open it for that step alone.");
    } else {
        println!("Nothing is compared: install `restic` to see its figures beside these.");
    }
    Ok(())
}

/// One round: every step by every contender, in fresh repositories.
fn measure(
    round: u64,
    folder: &Path,
    tree: &mut Tree,
    with_restic: bool,
    figures: &mut Figures,
) -> Outcome<()> {
    let repositories = folder.join("repositories");
    fs::create_dir(&repositories)?;
    let password = backup_store::generate_password()?;
    let password_file = repositories.join("password");
    backup_store::write_password_file(&password_file, &password)?;

    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Ours::create(
        repositories.join("ours"),
        tree.path(),
        password,
    )?)];
    if with_restic {
        contenders.push(Box::new(Restic::create(
            repositories.join("restic"),
            tree.path(),
            password_file,
        )?));
    }
    if round % 2 == 1 {
        contenders.reverse();
    }
    for step in Step::ALL {
        if step == Step::Changed {
            tree.change(round)?;
        }
        for contender in &mut contenders {
            // Nobody shall pay for what others have left in the page cache to be written.
            rustix::fs::syncfs(File::open(folder)?)?;
            let before = size(contender.repository())?;
            let took = timed(|| match step {
                Step::Open => contender.open(),
                Step::First | Step::Unchanged | Step::Changed => contender.back_up(),
            })?;
            let added_bytes = size(contender.repository())?.saturating_sub(before);
            figures.note(step, contender.name(), Figure { took, added_bytes });
        }
        // Whoever was second finds the next step's tree as warm as the first does.
        contenders.reverse();
    }
    fs::remove_dir_all(repositories)?;
    Ok(())
}

/// How long some work takes.
#[expect(
    clippy::disallowed_methods,
    reason = "real time is what a benchmark measures"
)]
fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// The size of all files in a folder. Both tools are measured by it, because each counts what it
/// added in a way of its own.
fn size(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in WalkDir::new(folder) {
        let metadata = entry?.metadata()?;
        if metadata.is_file() {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
