//! A drill from its beginning to its end.

use std::io;
use std::path::Path;
use std::time::Duration;

use backup_store::{Manifest, Snapshot, Store};
use docker_stacks::{Blueprint, EngineError, Mark, Workbench};
use serde::Serialize;

use super::places::{self, Origin, Places};
use super::trial::{self, Patience, Trial};
use super::verdict::{CheckEnd, Findings, Verdict, judge};
use super::{DrillJournal, blueprints};
use crate::restore::Restorer;
use crate::sentence;

/// How a stack is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrillOptions {
    /// How much memory each container may use at most, in bytes.
    pub memory_bytes: u64,
    /// How long the containers may take to be well, all together.
    pub timeout: Duration,
    /// How long a container without a health check must run to count as running.
    pub settle: Duration,
}

impl Default for DrillOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            timeout: Duration::from_mins(5),
            settle: Duration::from_secs(3),
        }
    }
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillReport {
    /// The stack.
    pub stack: String,
    /// The snapshot that was tried.
    pub snapshot: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
    /// Regular files that were restored.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Files, folders and the like that are as they were recorded, to the last byte and attribute.
    pub same_entries: u64,
    /// How many sources are what was recorded of them when the stack stood still; nothing if the
    /// snapshot says nothing of that, so that it could be held against itself only.
    pub as_at_the_stop: Option<u64>,
    /// The kernel kept what restored to where it was to write.
    pub confined: bool,
    /// What was seen.
    pub findings: Findings,
    /// What the copies of the containers did not get, by the container's name.
    pub withheld: Vec<String>,
    /// What could not be taken away again. The next drill tries once more.
    pub left_behind: Option<String>,
}

/// Tries the snapshot of a stack. To be called by who holds the lock of runs; whatever a drill before
/// left behind is taken away first, and all of this one at the end. A future that is dropped leaves
/// that to [`DrillJournal::settle`].
///
/// # Errors
/// When the journal cannot be written. Nothing was made then.
pub async fn drill(
    engine: &dyn Workbench,
    (store, restorer): (&dyn Store, &dyn Restorer),
    journal: &DrillJournal,
    snapshot: &Snapshot,
    mark: &Mark,
    options: &DrillOptions,
) -> io::Result<DrillReport> {
    journal.begin()?;
    let mut attempt = Attempt {
        engine,
        store,
        restorer,
        snapshot,
        options,
        findings: Findings::default(),
        places: Places::default(),
        withheld: Vec::new(),
    };
    // Whatever has the mark of a drill is of one that is over.
    if let Err(error) = engine.clear(None).await {
        attempt.findings.untried = Some(sentence::failed_to(&error));
    } else {
        attempt.go(mark).await;
    }
    let left_behind = match engine.clear(None).await {
        Ok(_) => journal.end().err().map(|error| error.to_string()),
        Err(error) => Some(sentence::failed_to(&error)),
    };
    let Attempt {
        findings,
        places,
        withheld,
        ..
    } = attempt;
    let (verdict, reason) = judge(&findings);
    Ok(DrillReport {
        stack: snapshot.stack.clone(),
        snapshot: format!("{:#}", snapshot.id),
        verdict,
        reason,
        files: places.files,
        bytes: places.bytes,
        same_entries: places.compared,
        as_at_the_stop: places.manifested,
        confined: !places.unconfined,
        findings,
        withheld,
        left_behind,
    })
}

struct Attempt<'a> {
    engine: &'a dyn Workbench,
    store: &'a dyn Store,
    restorer: &'a dyn Restorer,
    snapshot: &'a Snapshot,
    options: &'a DrillOptions,
    findings: Findings,
    places: Places,
    withheld: Vec<String>,
}

impl Attempt<'_> {
    async fn go(&mut self, mark: &Mark) {
        let scratch = match tempfile::tempdir() {
            Ok(scratch) => scratch,
            Err(error) => {
                self.findings.untried = Some(format!("no temporary folder can be made: {error}"));
                return;
            }
        };
        let blueprints = match self.blueprints(scratch.path()).await {
            Ok(blueprints) => blueprints,
            Err(failure) => return failure.note(&mut self.findings),
        };
        let places = places::wanted(self.snapshot, &blueprints);
        let manifest = match self.manifest(scratch.path()).await {
            Ok(manifest) => manifest,
            Err(failure) => return failure.note(&mut self.findings),
        };
        let origin = Origin {
            store: self.store,
            restorer: self.restorer,
            snapshot: self.snapshot,
            manifest: manifest.as_ref(),
        };
        let filled = self
            .places
            .fill(self.engine, origin, mark, &places, &mut self.findings)
            .await;
        if let Err(failure) = filled {
            return failure.note(&mut self.findings);
        }
        let is_settled = !self.findings.differences.is_empty() || self.findings.untried.is_some();
        let ran: Vec<&Blueprint> = blueprints
            .iter()
            .filter(|blueprint| blueprint.container().state.is_active())
            .collect();
        if is_settled || ran.is_empty() {
            return;
        }
        self.withheld = withheld(&ran);
        self.findings.handicaps = trial::handicaps(&ran);
        if let Err(error) = self.try_out(mark, &ran).await {
            self.findings.untried = Some(sentence::failed_to(&error));
        }
    }

    async fn blueprints(&mut self, scratch: &Path) -> Result<Vec<Blueprint>, places::Failure> {
        let scratch = scratch.join("definitions");
        let read = blueprints::read(self.restorer, self.snapshot, &scratch);
        Ok(match read.await? {
            Ok(blueprints) => blueprints,
            Err(why) => {
                // The data is still read back and compared.
                self.findings.untried = Some(why);
                Vec::new()
            }
        })
    }

    async fn manifest(&mut self, scratch: &Path) -> Result<Option<Manifest>, places::Failure> {
        let scratch = scratch.join("manifest");
        let read = blueprints::manifest(self.restorer, self.snapshot, &scratch).await?;
        Ok(match read {
            None => None,
            Some(Ok(manifest)) => Some(manifest),
            Some(Err(why)) => {
                self.findings.differences.push(why);
                None
            }
        })
    }

    async fn try_out(&mut self, mark: &Mark, ran: &[&Blueprint]) -> Result<(), EngineError> {
        let engine = self.engine;
        let images = engine.images().await?;
        let has = |image: &str| images.iter().any(|known| known.id == image);
        let missing = ran.iter().find(|one| !has(&one.container().image_id));
        if let Some(one) = missing {
            let container = one.container();
            self.findings.untried = Some(format!(
                "the image of {} ({}, {}) is not on this machine any more, and nothing is pulled for a drill",
                container.name, container.image, container.image_id
            ));
            return Ok(());
        }
        let findings = &mut self.findings;
        self.places.make_up(engine, mark, ran, findings).await?;
        let patience = Patience {
            timeout: self.options.timeout,
            settle: self.options.settle,
        };
        let memory = self.options.memory_bytes;
        let mut trial = Trial::make(engine, mark, ran, &self.places, memory).await?;
        trial.run(patience).await?;
        findings.containers = trial.ends();
        let (verdict, _) = judge(findings);
        if verdict != Verdict::Pass {
            return Ok(());
        }
        findings.checks = trial.check().await;
        // What became of them while the checks went on counts as well.
        let brief = Patience {
            timeout: Duration::ZERO,
            ..patience
        };
        trial.run(brief).await?;
        findings.containers = trial.ends();
        if findings.checks.is_empty() || !findings.checks.iter().all(CheckEnd::passed) {
            return Ok(());
        }
        engine.clear(Some(mark)).await.map(drop)?;
        let on_empty = self.on_empty(mark, ran, patience).await;
        for check in &mut self.findings.checks {
            let same = on_empty
                .iter()
                .find(|other| other.container == check.container);
            check.passes_on_empty = Some(same.is_some_and(CheckEnd::passed));
        }
        Ok(())
    }

    /// The checks of the same stack on volumes without data. A stack that does not come up without
    /// data passes no check.
    async fn on_empty(&self, mark: &Mark, ran: &[&Blueprint], patience: Patience) -> Vec<CheckEnd> {
        let tried = async {
            let places = self.places.emptied(self.engine, mark).await?;
            let memory = self.options.memory_bytes;
            let mut trial = Trial::make(self.engine, mark, ran, &places, memory).await?;
            trial.run(patience).await?;
            Ok::<_, EngineError>(trial.check().await)
        };
        tried.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the stack does not run on empty volumes");
            Vec::new()
        })
    }
}

fn withheld(blueprints: &[&Blueprint]) -> Vec<String> {
    let of = |blueprint: &&Blueprint| {
        let name = &blueprint.container().name;
        let withheld = blueprint.withheld().iter();
        let lines: Vec<String> = withheld.map(|what| format!("{name}: {what}")).collect();
        lines
    };
    blueprints.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
