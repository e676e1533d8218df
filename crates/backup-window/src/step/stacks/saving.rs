//! Going through the groups: an outage each, in which each stack is saved.

use std::sync::Arc;
use std::time::Duration;

use backup_store::{BackupRequest, BackupSummary, Source, Store, StoreError};
use docker_stacks::{Engine, GroupPlan, OutageReport, Stack, StackPlan, WorkEnd, outage_telling};
use fs_snapshots::Prepared;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::definitions::{Definitions, Surroundings};
use super::sources::Reach;
use super::staging::{self, Staged, Stages, Warm};
use super::{
    DockerHost, Permission, StacksOptions, problems, second_look, sources, through_engine,
};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;
use crate::step::{Recorder, SavedStack, StepEnd};
use crate::whereabouts::Way;
use crate::window::Night;

/// What came of saving a stack.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) stack: String,
    pub(super) stages: Stages,
    pub(super) result: Result<BackupSummary, StoreError>,
}

/// What is worked with, and what has come of it so far.
pub(super) struct Saving<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) host: &'a dyn DockerHost,
    pub(super) engine: &'a Arc<dyn Engine>,
    /// How the data is read.
    pub(super) way: &'a Way,
    pub(super) store: &'a dyn Store,
    pub(super) night: &'a Night,
    pub(super) options: &'a StacksOptions,
    pub(super) cancel: &'a CancellationToken,
    pub(super) stacks: &'a [Stack],
    pub(super) surroundings: &'a Surroundings,
    pub(super) saved: Vec<SavedStack>,
    pub(super) worst: StepEnd,
    pub(super) failures: Vec<String>,
    /// Whether anything was down.
    pub(super) stopped_any: bool,
}

impl Saving<'_> {
    /// Saves a group, and has it run again whatever comes of that.
    pub(super) async fn group(&mut self, recorder: &mut Recorder<'_>, group: &GroupPlan) {
        let copied: Vec<&StackPlan> = group
            .stacks
            .iter()
            .filter(|stack| stack.decision.copies())
            .collect();
        if copied.is_empty() || self.cancel.is_cancelled() {
            return;
        }
        let names = copied
            .iter()
            .map(|stack| stack.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        if let Err((end, why)) = self.may_begin() {
            self.fail(end, format!("{names} not saved: {why}"));
            return;
        }
        if let Some(why) = copied
            .iter()
            .find_map(|stack| through_engine::why_not(stack, self.way))
        {
            self.fail(StepEnd::Failed, format!("{names} not saved: {why}"));
            return;
        }
        let found = copied.iter().filter_map(|stack| self.found(stack));
        let (definitions, remarks) =
            Definitions::ask(self.engine.as_ref(), self.surroundings, found).await;
        for remark in remarks {
            recorder.needs_attention(remark);
        }
        if !group.goes_down() && group.hooks.is_empty() {
            let results = tokio::select! {
                results = self.save_live(&copied, &definitions) => results,
                () = self.cancel.cancelled() => return,
            };
            self.record_saves(recorder, &names, None, results);
            return;
        }
        let Some(report) = self
            .outage(recorder, &names, group, &copied, &definitions)
            .await
        else {
            return;
        };
        let again = report.0.is_disturbed()
            && matches!(report.0.work, WorkEnd::Finished(()))
            && report.0.everything_runs()
            && !self.cancel.is_cancelled()
            && self.may_begin().is_ok();
        if !again {
            note_problems(recorder, &report.0);
            self.record_outage(recorder, &names, report);
            return;
        }
        note_problems(recorder, &report.0);
        recorder.needs_attention(format!("{names} copied again, because of that"));
        let second = self
            .outage(recorder, &names, group, &copied, &definitions)
            .await;
        if let Some(report) = second {
            note_problems(recorder, &report.0);
            self.record_outage(recorder, &names, report);
        }
    }

    /// Saves a group in stages: only the second needs it to be down. What is archived is archived
    /// while its containers come up. `None` if it came to nothing before anything was stopped.
    async fn outage(
        &mut self,
        recorder: &mut Recorder<'_>,
        names: &str,
        group: &GroupPlan,
        copied: &[&StackPlan],
        definitions: &Definitions<'_>,
    ) -> Option<(OutageReport<()>, Vec<Saved>)> {
        let warm = tokio::select! {
            warm = self.warm_up(copied, definitions) => warm,
            () = self.cancel.cancelled() => return None,
        };
        let warm = match warm {
            Ok((warm, remark)) => {
                if let Some(remark) = remark {
                    recorder.needs_attention(remark);
                }
                warm
            }
            Err(why) => {
                self.fail(StepEnd::Failed, format!("{names} not saved: {why}"));
                return None;
            }
        };
        // What has changed may have taken long to copy.
        if let Err((end, why)) = self.may_begin() {
            self.fail(end, format!("{names} not saved: {why}"));
            return None;
        }
        let (captured, archived) = oneshot::channel();
        let (started, all_started) = oneshot::channel();
        let capture = async {
            let kept = staging::keep(warm, self.clock).await;
            // The other end waits for it below.
            let _ = captured.send(kept);
        };
        self.stopped_any = true;
        let patience = second_look::until_the_second_look(&self.options.outage);
        let outage = outage_telling(
            self.engine.as_ref(),
            self.host.journal(),
            group,
            self.clock.now(),
            &patience,
            self.cancel.cancelled(),
            (capture, started),
        );
        let archive = async {
            let Ok(kept) = archived.await else {
                return (Vec::new(), Vec::new());
            };
            // Starting needs the processors more. Nobody tells any more when the outage has ended.
            let _ = all_started.await;
            tokio::select! {
                saved = staging::archive(kept, self.store) => saved,
                () = self.cancel.cancelled() => (Vec::new(), Vec::new()),
            }
        };
        let (report, (saved, remarks)) = tokio::join!(outage, archive);
        let of_stages = saved
            .iter()
            .flat_map(|saved| saved.stages.remarks(&saved.stack));
        for remark in remarks.into_iter().chain(of_stages) {
            recorder.needs_attention(remark);
        }
        Some((report, saved))
    }

    /// Gets a group ready, and says what somebody should look at.
    async fn warm_up(
        &self,
        stacks: &[&StackPlan],
        definitions: &Definitions<'_>,
    ) -> Result<(Warm, Option<String>), String> {
        let of =
            |stack: &StackPlan, error| format!("{}: {}", stack.name, sentence::failed_to(&error));
        let mut requests = Vec::new();
        for stack in stacks {
            let request = self.request(stack, definitions);
            requests.push(request.map_err(|error| of(stack, error))?);
        }
        let (prepared, remark) = self.prepare_snapshots(&requests).await;
        let mut staged = Vec::new();
        for (stack, request) in stacks.iter().zip(&requests) {
            let begun = if prepared.is_some() {
                Staged::begin(self.store, request.clone()).await
            } else {
                Staged::warm_up(self.store, request.clone(), self.clock).await
            };
            staged.push(begun.map_err(|error| of(stack, error))?);
        }
        let warm = match prepared {
            Some(prepared) => Warm::Snapshots {
                prepared,
                requests,
                instead: staged,
            },
            None => Warm::Stages(staged),
        };
        Ok((warm, remark))
    }

    /// Writes down the snapshots of the group's file systems, if all its data has them.
    async fn prepare_snapshots(
        &self,
        requests: &[BackupRequest],
    ) -> (Option<Prepared>, Option<String>) {
        let Some(holder) = self.host.snapshots() else {
            return (None, None);
        };
        let Some(served) = staging::served(holder, requests).await else {
            return (None, None);
        };
        match holder.prepare(served, self.clock.now()).await {
            Ok(prepared) => (Some(prepared), None),
            Err(error) => {
                let why = sentence::failed_to(&error);
                let remark = format!("no snapshots of file systems are made: {why}");
                (None, Some(remark))
            }
        }
    }

    fn request(
        &self,
        stack: &StackPlan,
        definitions: &Definitions<'_>,
    ) -> Result<BackupRequest, StoreError> {
        let started_at = self.clock.now();
        let reach = Reach {
            engine: self.engine,
            through_engine: &|path| self.way.through_engine(path).is_some(),
            files_are_here: self.way.files_are_here(),
        };
        let found = self.found(stack);
        let sources = sources::of_stack(stack, found, definitions, &reach, started_at)?;
        Ok(BackupRequest {
            stack: stack.name.to_string(),
            host: self.host.host_name().to_owned(),
            started_at,
            sources,
            tags: Vec::new(),
        })
    }

    /// Saves what is not stopped at all.
    async fn save_live(&self, stacks: &[&StackPlan], definitions: &Definitions<'_>) -> Vec<Saved> {
        let mut results = Vec::new();
        for stack in stacks {
            let mut stages = Stages::default();
            let result = match self.request(stack, definitions) {
                Ok(request) => {
                    stages.through_engine = has_archives(&request);
                    self.store.back_up(request).await
                }
                Err(error) => Err(error),
            };
            results.push(Saved {
                stack: stack.name.to_string(),
                stages,
                result,
            });
        }
        results
    }

    /// Looked at again before every group: a window closes and a NAS disappears in between (I8, I9).
    fn may_begin(&self) -> Result<(), (StepEnd, String)> {
        if self.options.permission == Permission::WithinWindow
            && !self.night.is_open_at(self.clock.now())
        {
            return Err((StepEnd::DeadlinePassed, "the window has closed".to_owned()));
        }
        match self.host.check_mount() {
            Ok(_) => Ok(()),
            Err(why) => Err((
                StepEnd::Failed,
                format!("the NAS is gone: {}", sentence::of(&why)),
            )),
        }
    }

    fn found(&self, stack: &StackPlan) -> Option<&Stack> {
        self.stacks
            .iter()
            .find(|found| found.name == stack.name && found.kind == stack.kind)
    }

    fn record_outage(
        &mut self,
        recorder: &mut Recorder<'_>,
        names: &str,
        (report, saved): (OutageReport<()>, Vec<Saved>),
    ) {
        match report.work {
            WorkEnd::Finished(()) => {
                self.record_saves(recorder, names, Some(report.outage), saved);
            }
            WorkEnd::Cancelled => {}
            WorkEnd::Panicked(message) => {
                self.fail(StepEnd::Failed, format!("{names} not saved: {message}"));
            }
            WorkEnd::NotRun { why } => {
                self.fail(StepEnd::Failed, format!("{names} not saved: {why}"));
            }
        }
    }

    fn record_saves(
        &mut self,
        recorder: &mut Recorder<'_>,
        names: &str,
        outage: Option<Duration>,
        results: Vec<Saved>,
    ) {
        tracing::debug!(names, ?outage, "saved");
        for Saved {
            stack,
            stages,
            result,
        } in results
        {
            match result {
                Ok(summary) => {
                    for unreadable in &summary.unreadable {
                        recorder.needs_attention(format!(
                            "{stack}: {} could not be read: {}",
                            unreadable.path.display(),
                            unreadable.reason
                        ));
                    }
                    recorder.saw(
                        self.store.location(),
                        Fact::SnapshotSaved {
                            stack: stack.clone(),
                            snapshot: format!("{:#}", summary.snapshot),
                            files: summary.files,
                            processed_bytes: summary.processed_bytes,
                            added_bytes: summary.added_bytes,
                        },
                    );
                    self.saved.push(SavedStack {
                        stack,
                        snapshot: format!("{:#}", summary.snapshot),
                        outage_milliseconds: outage
                            .map(|outage| u64::try_from(outage.as_millis()).unwrap_or(u64::MAX)),
                        added_bytes: summary.added_bytes,
                        copied_live: stages.warm_up.copied_live,
                        spooled_bytes: stages.capture.spooled_bytes,
                        read_while_down_bytes: stages.capture.in_place_bytes,
                        through_engine: stages.through_engine,
                    });
                }
                Err(error) => {
                    self.fail(
                        StepEnd::Failed,
                        format!("{stack} not saved: {}", sentence::failed_to(&error)),
                    );
                }
            }
        }
    }

    fn fail(&mut self, end: StepEnd, why: String) {
        tracing::error!("{why}");
        self.failures.push(why);
        if self.worst == StepEnd::Done || end == StepEnd::Failed {
            self.worst = end;
        }
    }
}

/// Whether anything of it is read through the engine.
pub(super) fn has_archives(request: &BackupRequest) -> bool {
    let mut sources = request.sources.iter();
    sources.any(|source| matches!(source, Source::Archive { .. }))
}

fn note_problems<T>(recorder: &mut Recorder<'_>, report: &OutageReport<T>) {
    for problem in problems::of_outage(report) {
        recorder.needs_attention(problem);
    }
}
