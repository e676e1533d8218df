//! What the tasks are worth, and what follows from it.

use truenas_client::{ReplicationTask, TaskState, Verdict};

use crate::evidence::Fact;
use crate::step::{Recorder, StepEnd};

/// What was judged of a task.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// The task itself, where the NAS has it.
    pub(super) task: Option<ReplicationTask>,
}

impl Judged {
    /// Whether it has brought over what it should.
    pub(super) fn has_arrived(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Fresh { .. } | Verdict::Degraded { .. }
        )
    }

    /// Whether it is at work, or about to be.
    pub(super) fn is_active(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Running { .. } | Verdict::Waiting { .. }
        )
    }

    pub(super) fn state(&self) -> Option<&TaskState> {
        self.task.as_ref().map(|task| &task.state)
    }

    /// Whether it shows what it may have shown before it ran tonight: a former end, or none.
    pub(super) fn shows_no_result(&self) -> bool {
        matches!(
            (&self.verdict, self.state()),
            (Verdict::Stale { .. }, _)
                | (
                    Verdict::Unknown { .. },
                    Some(TaskState::Pending | TaskState::Unstated)
                )
        )
    }

    /// Why no waiting helps any more, if none does. An error from before tonight's backup is no
    /// verdict on it: the task may still run.
    pub(super) fn hopeless(&self, nas: &str, all: &[ReplicationTask]) -> Option<String> {
        let name = &self.name;
        match &self.verdict {
            Verdict::Missing => {
                let names: Vec<String> = all
                    .iter()
                    .map(|task| format!("\"{}\"", task.name))
                    .collect();
                let has = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                Some(format!(
                    "{nas} has no replication task \"{name}\": it has {has}; correct \
                     replication_tasks in [primary_nas]"
                ))
            }
            Verdict::Disabled => Some(format!(
                "replication \"{name}\" is disabled, so that nothing is brought over: enable it \
                 on {nas} under Data Protection"
            )),
            Verdict::Held { why } => Some(format!(
                "replication \"{name}\" is on hold; TrueNAS says why: {why}"
            )),
            Verdict::Failed { error } => Some(format!("replication \"{name}\" failed: {error}")),
            _ => None,
        }
    }
}

/// The end of the waiting, when everything has arrived.
pub(super) fn arrived(
    recorder: &mut Recorder<'_>,
    nas: &str,
    judged: &[Judged],
) -> Option<(StepEnd, String)> {
    if !judged.iter().all(Judged::has_arrived) {
        return None;
    }
    for judged in judged {
        let last_snapshot = judged
            .task
            .as_ref()
            .and_then(|task| task.last_snapshot.as_ref());
        recorder.saw(
            nas,
            Fact::Replicated {
                task: judged.name.clone(),
                snapshot: last_snapshot.map_or_else(String::new, ToString::to_string),
            },
        );
        if let Verdict::Degraded { warnings } = &judged.verdict {
            for warning in warnings {
                recorder.needs_attention(format!("replication \"{}\": {warning}", judged.name));
            }
        }
    }
    let tasks = match judged.len() {
        1 => "1 replication task has".to_owned(),
        count => format!("{count} replication tasks have"),
    };
    Some((
        StepEnd::Done,
        format!("{tasks} brought tonight's backup over"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_before_is_no_result() {
        let shows = |verdict, state| {
            let mut task = ReplicationTask::new(1, "a", "tank/a", "dozer/a");
            task.state = state;
            let judged = Judged {
                name: "a".to_owned(),
                verdict,
                task: Some(task),
            };
            judged.shows_no_result()
        };
        let unknown = || Verdict::Unknown {
            why: "?".to_owned(),
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let finished = || TaskState::Finished {
            at,
            warnings: Vec::new(),
        };
        assert!(shows(Verdict::Stale { since: at }, finished()));
        assert!(shows(unknown(), TaskState::Pending));
        assert!(shows(unknown(), TaskState::Unstated));
        let pondering = TaskState::Unknown {
            raw: "PONDERING".to_owned(),
        };
        assert!(!shows(unknown(), pondering));
        assert!(!shows(unknown(), finished()), "it ended tonight");
        assert!(!shows(Verdict::NothingSent, finished()));
    }
}
