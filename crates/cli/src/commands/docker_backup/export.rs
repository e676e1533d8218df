//! `docker-backup export`: a snapshot as one archive.

use backup_store::ExportRequest;
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;

use super::ExportArgs;
use super::repository::{list, open};
use super::restore::{choose, place_in_snapshot};
use crate::failure::{Failure, failed_to};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: ExportArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = open(session, &config).await?;
    let snapshots = list(store.as_ref(), Some(&args.stack)).await?;
    let snapshot = choose(&snapshots, &args.stack, args.snapshot.as_deref())?;
    let request = ExportRequest {
        snapshot: snapshot.id,
        only: args.only.as_deref().map(place_in_snapshot).transpose()?,
        to: args.file.clone(),
    };
    let exported = tokio::select! {
        exported = store.export(request) => exported,
        () = session.cancelled().cancelled() => {
            return Err(Failure::text(Exit::Failed, "it was cancelled; no archive was written"));
        }
    };
    let summary = exported.map_err(|error| {
        let exit = match error.kind() {
            backup_store::StoreErrorKind::Refused => Exit::Refused,
            _ => Exit::Failed,
        };
        failed_to(exit, &error)
    })?;
    session.output().write(&summary, || {
        let mut lines = vec![
            format!(
                "exported {} files ({}) of {} from the snapshot {} to {} ({})",
                summary.files,
                Bytes(summary.bytes),
                args.stack,
                snapshot.id,
                args.file.display(),
                Bytes(summary.archive_bytes)
            ),
            "extract it as root with: tar --extract --same-permissions --numeric-owner --xattrs \
             --xattrs-include='*' --acls --zstd --file FILE"
                .to_owned(),
        ];
        let incomplete = summary.incomplete.iter();
        lines.extend(incomplete.map(|it| format!("{}: {}", it.path.display(), it.reason)));
        lines.join("\n")
    })?;
    // A socket is nothing without who listens on it: that it is missing is said, and no more.
    Ok(Exit::Done)
}
