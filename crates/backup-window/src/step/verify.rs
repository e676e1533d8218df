//! Verify the repository: its structure every night, and a share of the data in turn.

use std::time::Duration;

use backup_store::{CheckDepth, CheckReport, Severity, Store, StoreErrorKind};
use tokio_util::sync::CancellationToken;

use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;
use crate::upkeep::Upkeep;

/// How many findings are named; more say no more.
const NAMED: usize = 5;

/// Verifies the repository, and within `read_all_within_nights` such nights all of its data.
///
/// Damage has the step fail. Time that ran out is something to look at: the same share is read in
/// the next night.
pub async fn run(
    clock: &dyn Clock,
    store: &dyn Store,
    upkeep: &mut Upkeep,
    read_all_within_nights: u32,
    deadline: Duration,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Verify, clock);
    let of = read_all_within_nights;
    let share = upkeep.next_share(of);
    let depth = match of {
        0 => CheckDepth::Structure,
        of => CheckDepth::ReadShare { share, of },
    };
    let checked = tokio::select! {
        checked = tokio::time::timeout(deadline, store.check(depth)) => checked,
        () = cancel.cancelled() => return recorder.end(StepEnd::Cancelled, "ended by a signal"),
    };
    let report = match checked {
        Ok(Ok(report)) => report,
        Ok(Err(error)) if error.kind() == StoreErrorKind::Locked => {
            return recorder.end(StepEnd::Attention, sentence::failed_to(&error));
        }
        Ok(Err(error)) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
        Err(_) => {
            return recorder.end(
                StepEnd::Attention,
                "not done before the window ended, and left for the next night; with a larger \
                 read_all_within_nights there is less to read at once",
            );
        }
    };
    let what = match of {
        0 => "the structure".to_owned(),
        of => format!("the structure, and share {} of {of} of the data", share + 1),
    };
    if !report.is_ok() {
        return recorder.end(StepEnd::Failed, damage(&report));
    }
    recorder.saw(
        store.location(),
        Fact::RepositoryChecked {
            what: what.clone(),
            snapshots: report.snapshots,
            read_bytes: report.read_bytes,
        },
    );
    // Without an error, that is data which a run that was broken off has left: it harms nothing,
    // and the next prune takes it away.
    for finding in &report.findings {
        tracing::debug!(finding = finding.message, "no damage");
    }
    if of > 0
        && let Err(error) = upkeep.remember_share(share, of)
    {
        recorder.needs_attention(sentence::failed_to(&error));
    }
    recorder.end(StepEnd::Done, format!("no damage found: {what} was read"))
}

fn damage(report: &CheckReport) -> String {
    let errors: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.message.as_str())
        .collect();
    let named = errors.iter().take(NAMED).copied().collect::<Vec<_>>();
    let more = match errors.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(
        "the repository is damaged: {}{more}; look at it with docker-backup verify --read-data 100",
        named.join("; ")
    )
}
