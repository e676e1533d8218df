//! The look at everything when the last group is back.
//!
//! Were each group waited for until its containers have run for long enough to be believed, a run
//! would last that much longer per group, and the window with it. So a group is only seen through its
//! first moment before the next one stops; what falls later is found here, and started again.

use std::time::Duration;

use docker_stacks::{
    Container, ContainerRef, ContainerState, Engine, GroupPlan, Journal, OutageOptions,
    OutageRecord, RecordedContainer, recover,
};
use tokio_util::sync::CancellationToken;

use super::problems;
use crate::clock::Clock;
use crate::sentence;
use crate::step::Recorder;

/// How long containers are watched before the next group may stop: long enough to see what cannot
/// start at all.
const FIRST_MOMENT: Duration = Duration::from_millis(500);

/// The patience of an outage that is followed by a second look.
pub(super) fn until_the_second_look(options: &OutageOptions) -> OutageOptions {
    OutageOptions {
        settle: options.settle.min(FIRST_MOMENT),
        ..options.clone()
    }
}

/// What is looked at.
pub(super) struct SecondLook<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) engine: &'a dyn Engine,
    pub(super) journal: &'a dyn Journal,
    pub(super) groups: &'a [GroupPlan],
    /// What there was before the first stop.
    pub(super) before: &'a [Container],
    pub(super) options: &'a OutageOptions,
}

impl SecondLook<'_> {
    /// Waits until the last group has run for long enough, and starts again what has fallen.
    pub(super) async fn take(&self, recorder: &mut Recorder<'_>, cancel: &CancellationToken) {
        for remark in self.remarks(cancel).await {
            recorder.needs_attention(remark);
        }
    }

    async fn remarks(&self, cancel: &CancellationToken) -> Vec<String> {
        let time_left = self.options.settle.saturating_sub(FIRST_MOMENT);
        tokio::select! {
            () = tokio::time::sleep(time_left) => {}
            () = cancel.cancelled() => {}
        }
        // Whether everything runs is asked after this, and said there if it cannot be known.
        let Ok(after) = self.engine.containers().await else {
            return Vec::new();
        };
        match self.raise(&after).await {
            Ok(remarks) => remarks,
            Err(why) => vec![format!("nothing that has fallen is started again: {why}")],
        }
    }

    async fn raise(&self, after: &[Container]) -> Result<Vec<String>, String> {
        let earlier = self.journal.read().await;
        let earlier = earlier.map_err(|error| sentence::failed_to(&error))?;
        let mut record = earlier.unwrap_or_else(|| OutageRecord {
            begun_at: self.clock.now(),
            engine: self.engine.endpoint(),
            stacks: Vec::new(),
            containers: Vec::new(),
            services: Vec::new(),
            hooks: Vec::new(),
        });
        let mut remarks = Vec::new();
        for group in self.groups {
            for (container, now) in fallen(group, self.before, after) {
                // What its outage could not start was tried often enough.
                if record
                    .containers
                    .iter()
                    .any(|owed| owed.container.id == container.id)
                {
                    continue;
                }
                let Some(owed) = RecordedContainer::of(container, self.options.grace) else {
                    continue;
                };
                record.containers.push(owed.with_needs(&group.dependencies));
                for stack in &group.stacks {
                    if !record.stacks.contains(&stack.name) {
                        record.stacks.push(stack.name.clone());
                    }
                }
                let name = &container.name;
                remarks.push(format!(
                    "{name} fell some time after its start: it was {now}, and was started again; \
                     look at `docker logs {name}`"
                ));
            }
        }
        if remarks.is_empty() {
            return Ok(remarks);
        }
        // Through the journal: they are owed also if this process dies now.
        let written = self.journal.write(&record).await;
        written.map_err(|error| sentence::failed_to(&error))?;
        let recovered = recover(self.engine, self.journal, self.options).await;
        if let Some(report) = recovered.map_err(|error| sentence::failed_to(&error))? {
            remarks.extend(problems::of_what_is_left(&report));
        }
        Ok(remarks)
    }
}

/// Those of a group that were stopped and started, and have fallen since, with what they are now. One
/// that ended well has done what it was there for.
fn fallen<'a>(
    group: &GroupPlan,
    before: &'a [Container],
    after: &[Container],
) -> Vec<(&'a Container, ContainerState)> {
    let of = |stopped: &ContainerRef| {
        let before = before.iter().find(|before| before.id == stopped.id)?;
        let now = after.iter().find(|after| after.name == before.name)?.state;
        let fell = match now {
            ContainerState::Exited { code } => code != 0,
            ContainerState::Dead => true,
            _ => false,
        };
        (before.state.is_active() && fell).then_some((before, now))
    };
    group.stop_order.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;
