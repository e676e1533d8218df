//! The evidence step: find a snapshot that was taken after the backup had ended, on both NAS.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use truenas_client::{
    DatasetEvidence, EvidenceRequest, Finding, RecognisedBy, ReplicationTask, ReplicationTransport,
    Snapshot, TrueNas, TrueNasError,
};

use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::nas_clock::NasClock;
use crate::{nas_error, sentence};

/// Looks for tonight's snapshot of everything that the tasks send, on the source and on the target.
///
/// A task that replicates within the primary NAS has its target there. Without an API of the backup
/// NAS, the target of the others is not asked; the step then says that this part is unproven.
pub async fn run(
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    backup: Option<&dyn TrueNas>,
    tasks: &[String],
    backup_ended: Timestamp,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Evidence, clock);
    let mut search = Search {
        primary,
        backup,
        recorder: &mut recorder,
        missing: Vec::new(),
        is_complete: true,
    };
    let searched = search.everywhere(clock, tasks, backup_ended).await;
    let (missing, is_complete) = (search.missing, search.is_complete);
    match searched {
        Err(error) => recorder.end(nas_error::end(&error), sentence::failed_to(&error)),
        Ok(()) if !missing.is_empty() => recorder.end(StepEnd::Failed, missing.join("; ")),
        Ok(()) if is_complete => recorder.end(
            StepEnd::Done,
            "tonight's backup is in a snapshot that lies on both NAS",
        ),
        Ok(()) => recorder.end(
            StepEnd::Done,
            "tonight's backup is in a snapshot on the primary NAS; that it lies on the backup NAS \
             is what the primary NAS says",
        ),
    }
}

struct Search<'a, 'r> {
    primary: &'a dyn TrueNas,
    backup: Option<&'a dyn TrueNas>,
    recorder: &'a mut Recorder<'r>,
    /// What was not found.
    missing: Vec<String>,
    /// Whether the target was asked for everything.
    is_complete: bool,
}

impl Search<'_, '_> {
    async fn everywhere(
        &mut self,
        clock: &dyn Clock,
        tasks: &[String],
        backup_ended: Timestamp,
    ) -> Result<(), TrueNasError> {
        let asked = clock.now();
        let (system, all) =
            tokio::try_join!(self.primary.system(), self.primary.replication_tasks())?;
        let since = NasClock::from_answer(asked, system.datetime).at_the_latest(backup_ended);
        let time_zone = TimeZone::get(&system.time_zone).ok();
        for name in tasks {
            match all.iter().find(|task| task.name == *name) {
                Some(task) => self.of_task(task, since, time_zone.as_ref()).await?,
                None => self.missing.push(format!(
                    "{} has no replication task \"{name}\"",
                    self.primary.url()
                )),
            }
        }
        Ok(())
    }

    async fn of_task(
        &mut self,
        task: &ReplicationTask,
        since: Timestamp,
        time_zone: Option<&TimeZone>,
    ) -> Result<(), TrueNasError> {
        let target = match task.transport {
            ReplicationTransport::Local => Some(self.primary),
            _ => self.backup,
        };
        let request = EvidenceRequest {
            task,
            since,
            time_zone,
        };
        for found in request.collect(self.primary, target).await? {
            self.weigh(found, target, since);
        }
        Ok(())
    }

    fn weigh(&mut self, found: DatasetEvidence, target: Option<&dyn TrueNas>, since: Timestamp) {
        let dataset = found.dataset;
        let there = target.map_or_else(|| "the backup NAS".to_owned(), TrueNas::url);
        match found.finding {
            Finding::OnBoth {
                source,
                target,
                recognised_by,
            } => {
                self.saw_source(&source, since);
                let recognised_by = match recognised_by {
                    RecognisedBy::Guid => "its GUID",
                    RecognisedBy::NameAndTime => "its name and its time",
                };
                self.recorder.saw(
                    there,
                    Fact::SnapshotOnTarget {
                        snapshot: target.full_name().to_string(),
                        recognised_by: recognised_by.to_owned(),
                    },
                );
            }
            Finding::Unproven { source } => {
                self.saw_source(&source, since);
                self.is_complete = false;
                self.recorder.needs_attention(format!(
                    "that {} is on the backup NAS is unproven, because its API is not configured; \
                     add url and api_key_file to [backup_nas]",
                    source.full_name()
                ));
            }
            Finding::NotOnTarget {
                source,
                candidates,
                target_dataset,
            } => {
                self.saw_source(&source, since);
                self.missing.push(format!(
                    "none of the {candidates} snapshots of {dataset} since the backup is on {there} \
                     (in {target_dataset})"
                ));
            }
            Finding::NotOnSource => self.missing.push(format!(
                "no snapshot of {dataset} was taken after the backup ended at {since:.0}"
            )),
            Finding::NoTarget { source } => {
                self.saw_source(&source, since);
                self.missing.push(format!(
                    "{dataset} is not sent anywhere: the replication task leaves it out"
                ));
            }
            // What a later version of the client finds is no proof for this one.
            other => self.missing.push(format!(
                "what was found of {dataset} is not known here: {other:?}"
            )),
        }
    }

    fn saw_source(&mut self, source: &Snapshot, since: Timestamp) {
        self.recorder.saw(
            self.primary.url(),
            Fact::SnapshotOnSource {
                snapshot: source.full_name().to_string(),
                created: source.created,
                backup_ended: since,
            },
        );
    }
}
