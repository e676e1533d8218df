//! That a drill has begun, written down until all of it is taken away again.

use std::io;
use std::path::{Path, PathBuf};

use docker_stacks::{Cleared, EngineError, Workbench};

/// A file that is there while something of a drill may be.
#[derive(Debug, Clone)]
pub struct DrillJournal {
    path: PathBuf,
}

impl DrillJournal {
    /// The journal in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Something of a drill may be there.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.path.exists()
    }

    /// Notes that a drill begins.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self) -> io::Result<()> {
        std::fs::File::create(&self.path)?.sync_all()
    }

    /// Notes that nothing of it is left.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn end(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes away what a drill that did not live to do it left behind. To be called by who holds the
    /// lock of runs, so that no other drill goes on.
    ///
    /// # Errors
    /// When the engine cannot be reached, or refuses.
    pub async fn settle(&self, engine: &dyn Workbench) -> Result<Cleared, EngineError> {
        if !self.is_begun() {
            return Ok(Cleared::default());
        }
        let cleared = engine.clear(None).await?;
        if let Err(error) = self.end() {
            tracing::warn!(%error, path = %self.path.display(), "the journal of drills cannot be removed");
        }
        Ok(cleared)
    }
}
