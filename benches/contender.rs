//! Who is measured.

use std::{
    env,
    ffi::OsStr,
    fmt::Debug,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use backup_store::{
    BackupRequest, InitOptions, OpenOptions, RusticStore, SnapshotPath, Source, Store as _,
};
use secrecy::SecretString;
use tokio::runtime::Runtime;

use crate::Outcome;

/// A tool with a repository of its own, and the tree it backs up.
pub(crate) trait Contender: Debug {
    fn name(&self) -> &'static str;

    fn repository(&self) -> &Path;

    /// Opens the repository, and does nothing else.
    fn open(&mut self) -> Outcome<()>;

    /// Backs the tree up. A backup that is not whole is an error.
    fn back_up(&mut self) -> Outcome<()>;
}

/// This project's store, in this process.
#[derive(Debug)]
pub(crate) struct Ours {
    repository: PathBuf,
    tree: PathBuf,
    password: SecretString,
    runtime: Runtime,
    store: RusticStore,
    nights: u8,
}

impl Ours {
    pub(crate) const NAME: &'static str = "ours";

    pub(crate) fn create(
        repository: PathBuf,
        tree: &Path,
        password: SecretString,
    ) -> Outcome<Self> {
        let runtime = Runtime::new()?;
        let created = RusticStore::init(&repository, &password, InitOptions::default());
        let store = runtime.block_on(created)?;
        Ok(Self {
            repository,
            tree: tree.to_owned(),
            password,
            runtime,
            store,
            nights: 0,
        })
    }
}

impl Contender for Ours {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn repository(&self) -> &Path {
        &self.repository
    }

    fn open(&mut self) -> Outcome<()> {
        let opened = RusticStore::open(&self.repository, &self.password, OpenOptions::default());
        self.store = self.runtime.block_on(opened)?;
        Ok(())
    }

    fn back_up(&mut self) -> Outcome<()> {
        self.nights += 1;
        let summary = self.runtime.block_on(self.store.back_up(BackupRequest {
            stack: "bench".to_owned(),
            host: "bench".to_owned(),
            started_at: format!("2026-03-{:02}T03:00:00Z", self.nights).parse()?,
            sources: vec![Source::path(SnapshotPath::new("tree")?, &self.tree)],
            tags: Vec::new(),
        }))?;
        match summary.unreadable.first() {
            None => Ok(()),
            Some(file) => Err(format!(
                "cannot read {}: {}",
                file.path.display(),
                file.reason
            ))?,
        }
    }
}

/// Stock `restic`, as a program.
#[derive(Debug)]
pub(crate) struct Restic {
    repository: PathBuf,
    tree: PathBuf,
    password_file: PathBuf,
}

impl Restic {
    pub(crate) const NAME: &'static str = "restic";

    /// The version that is installed, if one is.
    pub(crate) fn find() -> Outcome<Option<String>> {
        match Command::new("restic").arg("version").output() {
            Ok(output) if output.status.success() => {
                Ok(Some(String::from_utf8(output.stdout)?.trim().to_owned()))
            }
            Ok(output) => Err(format!("`restic version` failed: {}", output.status))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error)?,
        }
    }

    pub(crate) fn create(
        repository: PathBuf,
        tree: &Path,
        password_file: PathBuf,
    ) -> Outcome<Self> {
        let restic = Self {
            repository,
            tree: tree.to_owned(),
            password_file,
        };
        restic.run(["init".as_ref()])?;
        Ok(restic)
    }

    fn run<const N: usize>(&self, arguments: [&OsStr; N]) -> Outcome<()> {
        let mut command = Command::new("restic");
        // Whoever runs this may have settings of their own for it.
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"RESTIC_") {
                command.env_remove(name);
            }
        }
        let output = command
            .env("RESTIC_PASSWORD_FILE", &self.password_file)
            .arg("--repo")
            .arg(&self.repository)
            .args(["--no-cache", "--quiet"])
            .args(arguments)
            .output()?;
        // This includes status 3, a backup that could not read everything.
        if output.status.success() {
            Ok(())
        } else {
            let message = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "restic failed: {}: {}",
                output.status,
                message.trim()
            ))?
        }
    }
}

impl Contender for Restic {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn repository(&self) -> &Path {
        &self.repository
    }

    fn open(&mut self) -> Outcome<()> {
        self.run(["cat".as_ref(), "config".as_ref()])
    }

    fn back_up(&mut self) -> Outcome<()> {
        self.run(["backup".as_ref(), self.tree.as_os_str()])
    }
}
