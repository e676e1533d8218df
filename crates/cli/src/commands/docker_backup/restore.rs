//! `docker-backup restore`: a stack's files, from the repository into a directory.

use std::path::Path;

use backup_store::{RestoreRequest, Snapshot, SnapshotPath};
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;

use super::RestoreArgs;
use super::repository::{list, open};
use crate::failure::{Failure, failed_to};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: RestoreArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = open(session, &config).await?;
    let snapshots = list(store.as_ref(), Some(&args.stack)).await?;
    let snapshot = choose(&snapshots, &args)?;
    let only = args.only.as_deref().map(place_in_snapshot).transpose()?;
    let request = RestoreRequest {
        snapshot: snapshot.id,
        only,
        to: args.to.clone(),
    };
    let summary = store
        .restore(request)
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    for incomplete in &summary.incomplete {
        tracing::warn!("{}: {}", incomplete.path.display(), incomplete.reason);
    }
    session.output().write(&summary, || {
        format!(
            "restored {} files ({}) of {} from the snapshot {} to {}",
            summary.files,
            Bytes(summary.bytes),
            args.stack,
            snapshot.id,
            args.to.display()
        )
    })?;
    Ok(if summary.incomplete.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

fn choose<'a>(snapshots: &'a [Snapshot], args: &RestoreArgs) -> Result<&'a Snapshot, Failure> {
    let Some(wanted) = &args.snapshot else {
        return snapshots.last().ok_or_else(|| {
            Failure::text(
                Exit::Usage,
                format!(
                    "the repository has no snapshot of a stack called {}: `docker-backup snapshots` \
                     lists what it has",
                    args.stack
                ),
            )
        });
    };
    let mut matching = snapshots
        .iter()
        .filter(|snapshot| format!("{:#}", snapshot.id).starts_with(wanted.as_str()));
    match (matching.next(), matching.next()) {
        (Some(snapshot), None) => Ok(snapshot),
        (None, _) => Err(Failure::text(
            Exit::Usage,
            format!(
                "{} has no snapshot {wanted}: `docker-backup snapshots {}` lists them",
                args.stack, args.stack
            ),
        )),
        (Some(_), Some(_)) => Err(Failure::text(
            Exit::Usage,
            format!(
                "several snapshots of {} begin with {wanted}: expected more of the identifier",
                args.stack
            ),
        )),
    }
}

/// A bare name is a volume; anything with a slash is a path as it stands in the snapshot.
fn place_in_snapshot(text: &str) -> Result<SnapshotPath, Failure> {
    let path = if text.contains('/') {
        text.trim_matches('/').into()
    } else {
        Path::new("volumes").join(text)
    };
    SnapshotPath::new(path).map_err(|error| failed_to(Exit::Usage, &error))
}
