//! `docker-backup restore`: a stack's data, back in its place, onto a machine that lost it, or into
//! a directory.

mod dry_run;
mod show;
mod worker;

use std::path::Path;
use std::sync::Arc;

use backup_store::{Snapshot, SnapshotPath, Store};
use backup_window::clock::SystemClock;
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::restore::{
    InPlace, RestoreJob, Restorer, Targets, in_place, onto_fresh_host, targets,
};
use backup_window::setup::ConfiguredHost;
use backup_window::state::StateDir;
use backup_window::step::stacks::{DockerHost, Permission, StacksOptions, plan_stacks};
use docker_stacks::{Engine, GroupPlan, StackPlan, recover};

use super::repository::{list, open};
use super::watch::Watcher;
use super::{RestoreArgs, leftovers};
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

pub(super) use worker::ConfinedRestorer;
pub(in crate::commands) use worker::work;

pub(super) async fn run(session: &Session, args: RestoreArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = open(session, &config).await?;
    let snapshots = list(store.as_ref(), Some(&args.stack)).await?;
    let snapshot = choose(&snapshots, &args.stack, args.snapshot.as_deref())?;
    let only = args.only.as_deref().map(place_in_snapshot).transpose()?;
    let restoring = Restoring {
        session,
        restorer: ConfinedRestorer::new(session, &config)?,
        config: &config,
        store,
        snapshot,
        only,
        args: &args,
    };
    match &args.to {
        Some(to) => restoring.to_folder(to).await,
        None => restoring.back().await,
    }
}

/// One restore, and what it works with.
struct Restoring<'a> {
    session: &'a Session,
    config: &'a Config,
    store: Arc<dyn Store>,
    restorer: ConfinedRestorer,
    snapshot: &'a Snapshot,
    only: Option<SnapshotPath>,
    args: &'a RestoreArgs,
}

impl Restoring<'_> {
    async fn to_folder(&self, to: &Path) -> Result<Exit, Failure> {
        if self.args.dry_run {
            return self.compare_with_folder(to).await;
        }
        // It is opened before the process that writes is confined to it.
        make_private(to)?;
        let job = RestoreJob {
            snapshot: self.snapshot.id,
            only: self.only.clone(),
            to: to.to_owned(),
            verify: Vec::new(),
        };
        let restored = tokio::select! {
            restored = self.restorer.restore(job) => restored?,
            () = self.session.cancelled().cancelled() => {
                return Err(Failure::text(Exit::Failed, format!(
                    "it was cancelled: remove {}, which is not whole", to.display()
                )));
            }
        };
        self.session.output().write(&restored.summary, || {
            show::to_folder(&restored, &self.args.stack, self.snapshot, to)
        })?;
        Ok(show::exit(&restored))
    }

    /// In place, or onto this machine if it does not have the stack.
    async fn back(&self) -> Result<Exit, Failure> {
        let state = self.session.state(Some(self.config))?;
        let host = self
            .session
            .docker_host(self.config, &state)
            .map_err(|error| Failure::usage(&error))?;
        let options = ConfiguredHost::options(self.config, Vec::new(), Permission::Now);
        let unreachable = |error| failed_to(Exit::Failed, &error);
        let engine = host.engine().await.map_err(unreachable)?;
        let engine = engine.as_ref();
        if let Some(why) = options.here.why_not(engine).await.map_err(unreachable)? {
            return Err(Failure::text(
                Exit::Refused,
                format!("nothing was restored, because {why}; use --to DIR"),
            ));
        }
        let plan = plan_stacks(engine, &options).await.map_err(unreachable)?;
        let found = plan.groups.iter().find_map(|group| {
            let mut stacks = group.stacks.iter();
            let stack = stacks.find(|stack| stack.name.as_str() == self.args.stack)?;
            Some((group, stack))
        });
        let Some((group, stack)) = found else {
            return self.recreate(&state, engine).await;
        };
        let found = targets(&self.snapshot.paths, stack, self.only.as_ref());
        if found.targets.is_empty() {
            return Err(nothing_to_restore(stack, &found));
        }
        if self.args.dry_run {
            return self.compare(&found).await;
        }
        self.in_place(&state, &host, engine, &options, (group, stack), &found)
            .await
    }

    async fn in_place(
        &self,
        state: &StateDir,
        host: &ConfiguredHost,
        engine: &dyn Engine,
        options: &StacksOptions,
        (group, stack): (&GroupPlan, &StackPlan),
        found: &Targets,
    ) -> Result<Exit, Failure> {
        let _lock = tonight::lock(state, "docker-backup restore")?;
        leftovers::clear(state).await?;
        recover(engine, host.journal(), &options.outage)
            .await
            .map_err(|error| failed_to(Exit::Failed, &error))?;
        let watcher = Watcher::start(self.session, state).await?;
        let parts = InPlace {
            clock: &SystemClock,
            host,
            engine,
            store: self.store.as_ref(),
            restorer: &self.restorer,
            journal: &state.swap_journal(),
            options,
            cancel: self.session.cancelled(),
        };
        let done = in_place(&parts, group, stack, self.snapshot, &found.targets).await;
        watcher.done().await;
        let mut report = done?;
        for unused in &found.unused {
            report.remarks.push(format!(
                "{unused} was not restored: {} does not copy it from anywhere on this machine",
                stack.name
            ));
        }
        self.session
            .output()
            .write(&report, || show::in_place(&report, self.snapshot))?;
        Ok(report.exit())
    }

    /// The stack is not there: its data, volumes and Compose files are put back, if that is wanted.
    async fn recreate(&self, state: &StateDir, engine: &dyn Engine) -> Result<Exit, Failure> {
        if self.args.dry_run {
            return self.list_all();
        }
        if !self.args.recreate {
            return Err(Failure::text(
                Exit::Refused,
                format!(
                    "there is no stack called {0} on this machine: with --recreate, its volumes are \
                     created and its data and Compose files put in their places (--dry-run lists \
                     them); with --to DIR, all of it goes into a directory",
                    self.args.stack
                ),
            ));
        }
        if self.only.is_some() {
            return Err(Failure::text(
                Exit::Usage,
                "--recreate restores a whole stack: use --only together with --to DIR",
            ));
        }
        let _lock = tonight::lock(state, "docker-backup restore")?;
        leftovers::clear(state).await?;
        let report = onto_fresh_host(
            engine,
            &self.restorer,
            &state.swap_journal(),
            self.snapshot,
            &state.path().join("restore-definitions"),
            self.args.force,
        )
        .await?;
        self.session
            .output()
            .write(&report, || show::fresh(&report, self.snapshot))?;
        Ok(if report.confined && report.summary.incomplete.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }
}

fn nothing_to_restore(stack: &StackPlan, found: &Targets) -> Failure {
    let why = if found.unused.is_empty() {
        "the snapshot has no such data".to_owned()
    } else {
        format!(
            "the stack copies nothing from where the snapshot has {}",
            found.unused.join(", ")
        )
    };
    Failure::text(
        Exit::Usage,
        format!(
            "nothing of {} can be restored in place: {why} ({}); use --to DIR",
            stack.name, stack.reason
        ),
    )
}

/// Makes the folder, unless it is there; whether it may be used is looked at by who writes.
fn make_private(to: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let refuse = |why: String| {
        Failure::text(
            Exit::Refused,
            format!("cannot restore to {}: {why}", to.display()),
        )
    };
    match std::fs::symlink_metadata(to) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(refuse(
            "it is not a folder; give it a new or an empty one".to_owned(),
        )),
        Err(_) => std::fs::DirBuilder::new()
            .mode(0o700)
            .create(to)
            .map_err(|error| refuse(error.to_string())),
    }
}

/// The snapshot that is meant: the newest that a backup made, unless another is named.
pub(super) fn choose<'a>(
    snapshots: &'a [Snapshot],
    stack: &str,
    wanted: Option<&str>,
) -> Result<&'a Snapshot, Failure> {
    let Some(wanted) = wanted else {
        // What a restore saved before it replaced it is only restored if somebody says so.
        let mut newest = snapshots.iter().rev();
        return newest
            .find(|snapshot| snapshot.is_of_a_night())
            .ok_or_else(|| {
                Failure::text(
                    Exit::Usage,
                    format!(
                        "the repository has no snapshot of a stack called {stack}: \
                     `docker-backup snapshots` lists what it has"
                    ),
                )
            });
    };
    let mut matching = snapshots
        .iter()
        .filter(|snapshot| format!("{:#}", snapshot.id).starts_with(wanted));
    match (matching.next(), matching.next()) {
        (Some(snapshot), None) => Ok(snapshot),
        (None, _) => Err(Failure::text(
            Exit::Usage,
            format!(
                "{stack} has no snapshot {wanted}: `docker-backup snapshots {stack}` lists them"
            ),
        )),
        (Some(_), Some(_)) => Err(Failure::text(
            Exit::Usage,
            format!(
                "several snapshots of {stack} begin with {wanted}: expected more of the identifier"
            ),
        )),
    }
}

/// A bare name is a volume; anything with a slash is a path as it stands in the snapshot.
pub(super) fn place_in_snapshot(text: &str) -> Result<SnapshotPath, Failure> {
    let path = if text.contains('/') {
        text.trim_matches('/').into()
    } else {
        Path::new("volumes").join(text)
    };
    SnapshotPath::new(path).map_err(|error| failed_to(Exit::Usage, &error))
}
