//! `nas-replication status`: the tasks of every configured NAS, and what they are worth.

use backup_window::exit::Exit;
use backup_window::setup;
use serde::Serialize;
use truenas_client::{ReplicationTask, SnapshotTask, TaskState, TrueNas};

use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::table::table;

#[derive(Debug, Serialize)]
struct Status {
    nas: String,
    version: String,
    replication_tasks: Vec<ReplicationTask>,
    snapshot_tasks: Vec<SnapshotTask>,
}

pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let primary = setup::primary_nas(&config).map_err(|error| Failure::usage(&error))?;
    let failed = |error| failed_to(Exit::Failed, &error);
    let status = Status {
        nas: primary.url(),
        version: primary.system().await.map_err(failed)?.version.to_string(),
        replication_tasks: primary.replication_tasks().await.map_err(failed)?,
        snapshot_tasks: primary.snapshot_tasks().await.map_err(failed)?,
    };
    session.output().write(&status, || {
        let replications = status.replication_tasks.iter().map(|task| {
            [
                "replication".to_owned(),
                task.name.clone(),
                enabled(task.enabled),
                describe(&task.state),
                task.last_snapshot
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
            ]
        });
        let snapshots = status.snapshot_tasks.iter().map(|task| {
            [
                "snapshot".to_owned(),
                task.dataset.clone(),
                enabled(task.enabled),
                describe(&task.state),
                String::new(),
            ]
        });
        let heading = ["TASK", "NAME", "ENABLED", "STATE", "LAST SNAPSHOT"];
        format!(
            "{} ({})\n{}",
            status.nas,
            status.version,
            table(heading, replications.chain(snapshots))
        )
    })?;
    let troubled = status
        .replication_tasks
        .iter()
        .map(|task| &task.state)
        .chain(status.snapshot_tasks.iter().map(|task| &task.state))
        .any(needs_attention);
    Ok(if troubled {
        Exit::Attention
    } else {
        Exit::Done
    })
}

fn enabled(enabled: bool) -> String {
    if enabled { "yes" } else { "no" }.to_owned()
}

fn describe(state: &TaskState) -> String {
    match state {
        TaskState::Pending => "has not run".to_owned(),
        TaskState::Waiting { reason, .. } => {
            format!("waits: {}", reason.as_deref().unwrap_or("no reason given"))
        }
        TaskState::Running { .. } => "runs".to_owned(),
        TaskState::Finished { at, warnings } if warnings.is_empty() => format!("finished at {at}"),
        TaskState::Finished { at, warnings } => {
            format!("finished at {at} with warnings: {}", warnings.join("; "))
        }
        TaskState::Error { error, .. } => format!("failed: {error}"),
        TaskState::Hold { reason, .. } => format!("held: {reason}"),
        TaskState::Unknown { raw } => format!("cannot be understood: {raw}"),
        other => format!("not known here: {other:?}"),
    }
}

fn needs_attention(state: &TaskState) -> bool {
    match state {
        TaskState::Pending | TaskState::Waiting { .. } | TaskState::Running { .. } => false,
        TaskState::Finished { warnings, .. } => !warnings.is_empty(),
        _ => true,
    }
}
