//! What follows the copy, when every stack runs again: the repository is verified, and then what
//! the rules do not keep is forgotten.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backup_store::{RetentionRules, Store};
use docker_stacks::Journal;
use tokio_util::sync::CancellationToken;

use super::stacks::DockerHost;
use super::{Step, StepEnd, StepRecord, not_reached, retain, verify};
use crate::clock::Clock;
use crate::sentence;
use crate::upkeep::{PruneSchedule, Upkeep, UpkeepError};
use crate::window::Night;

/// How the repository is kept.
#[derive(Debug, Clone)]
pub struct UpkeepOptions {
    /// What is kept. Without rules, nothing is ever forgotten.
    pub rules: Option<RetentionRules>,
    /// How often what is forgotten is also taken away.
    pub prune: PruneSchedule,
    /// Within how many nights all of the data is read. 0 reads none of it.
    pub read_all_within_nights: u32,
    /// Where it is remembered what was done.
    pub state_file: PathBuf,
}

/// Verifies the repository and forgets what the rules do not keep, until the window ends.
///
/// Nothing is done while anything is still down, nor after a copy that failed, and nothing is
/// forgotten in a repository that was found damaged: what it still holds may be all there is.
pub async fn run(
    clock: &dyn Clock,
    host: &dyn DockerHost,
    night: &Night,
    options: &UpkeepOptions,
    copy: StepEnd,
    cancel: &CancellationToken,
) -> Vec<StepRecord> {
    let ready = prepare(host, options, copy, cancel).await;
    let (store, mut upkeep) = match ready {
        Ok(ready) => ready,
        Err(why) => return steps(options, |step| not_reached(clock, step, &why)),
    };
    let deadline = || -> Duration { night.time_left(clock.now()) };
    let share = options.read_all_within_nights;
    let verified = verify::run(
        clock,
        store.as_ref(),
        &mut upkeep,
        share,
        deadline(),
        cancel,
    )
    .await;
    let is_sound = verified.end != StepEnd::Failed;
    let mut records = vec![verified];
    if let Some(rules) = &options.rules {
        records.push(if is_sound && !cancel.is_cancelled() {
            let task = retain::Retain {
                rules,
                prune: options.prune,
                night,
                deadline: deadline(),
            };
            retain::run(clock, store.as_ref(), &mut upkeep, &task, cancel).await
        } else {
            not_reached(clock, Step::Retain, "the repository was not found sound")
        });
    }
    records
}

fn steps(options: &UpkeepOptions, record: impl Fn(Step) -> StepRecord) -> Vec<StepRecord> {
    let retain = options.rules.as_ref().map(|_| Step::Retain);
    [Step::Verify]
        .into_iter()
        .chain(retain)
        .map(record)
        .collect()
}

async fn prepare(
    host: &dyn DockerHost,
    options: &UpkeepOptions,
    copy: StepEnd,
    cancel: &CancellationToken,
) -> Result<(Arc<dyn Store>, Upkeep), String> {
    if cancel.is_cancelled() {
        return Err("ended by a signal".to_owned());
    }
    if !matches!(copy, StepEnd::Done | StepEnd::Attention) {
        return Err("the stacks were not all saved".to_owned());
    }
    if let Some(why) = something_is_down(host.journal()).await {
        return Err(why);
    }
    host.check_mount().map_err(|why| sentence::of(&why))?;
    let upkeep = load(options).map_err(|error| sentence::failed_to(&error))?;
    let store = host.store().await;
    Ok((store.map_err(|error| sentence::failed_to(&error))?, upkeep))
}

fn load(options: &UpkeepOptions) -> Result<Upkeep, UpkeepError> {
    Upkeep::load(&options.state_file)
}

/// An outage that is still in the journal has not ended well.
async fn something_is_down(journal: &dyn Journal) -> Option<String> {
    match journal.read().await {
        Ok(None) => None,
        Ok(Some(_)) => Some("something that was stopped may still be down".to_owned()),
        Err(error) => Some(sentence::failed_to(&error)),
    }
}

#[cfg(test)]
mod tests;
