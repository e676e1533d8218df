//! Outages that always end: stop, let somebody work, start again whatever happened.

mod bring_back;
mod hooks;
mod promise;
mod recover;
mod report;
mod services;
mod watch;

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures_util::{
    FutureExt,
    future::{Fuse, FusedFuture, poll_immediate},
};
use jiff::Timestamp;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    engine::Engine,
    journal::{Journal, RecordedContainer, Was},
    plan::GroupPlan,
};
use bring_back::{BringBack, Slot};
use promise::{close, down_together, prepare};
use services::ServiceSlot;
use watch::{Seen, Watch};

pub use hooks::{HookEnd, HookReport, HookTime};
pub use recover::{RecoverError, RecoveryReport, recover};
pub use report::{
    ContainerReport, HaltEnd, Missing, NotRunning, OutageReport, ServiceReport, StartEnd, StopEnd,
    WorkEnd,
};

/// How patient an outage is.
///
/// ```
/// use std::time::Duration;
///
/// use docker_stacks::OutageOptions;
///
/// let options = OutageOptions {
///     healthy_within: Duration::from_secs(300),
///     ..OutageOptions::default()
/// };
/// assert_eq!(options.grace, Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageOptions {
    /// How long a container is given between its stop signal and SIGKILL, unless it asks for a
    /// time of its own (`stop_grace_period`). 10 s by default, as `docker stop` gives.
    pub grace: Duration,
    /// How often a container is started that the engine cannot start, or that ends soon after: 5
    /// times by default.
    pub start_attempts: u32,
    /// How long to wait before the second attempt, 500 ms by default; twice as long each time,
    /// up to sixteen times.
    pub retry_pause: Duration,
    /// How long an engine may be away (restarting, upgraded) before the outage ends without what
    /// it could not start: 5 minutes by default.
    pub engine_away: Duration,
    /// How long a container may take, from its start, to become healthy: 2 minutes by default.
    pub healthy_within: Duration,
    /// How long a container must run after its start to count as running: 3 s by default.
    pub settle: Duration,
    /// How often containers are looked at while they come up, and how much later than it became
    /// healthy at most those that wait for one are started: every 200 ms by default.
    pub poll: Duration,
}

impl Default for OutageOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            start_attempts: 5,
            retry_pause: Duration::from_millis(500),
            engine_away: Duration::from_mins(5),
            healthy_within: Duration::from_mins(2),
            settle: Duration::from_secs(3),
            poll: Duration::from_millis(200),
        }
    }
}

/// Stops a group, runs `work`, and starts the group again.
///
/// What is to be started again is in the journal, synced, before the first container is stopped.
/// Then, whatever happens (a stop fails, `work` fails or panics, `cancelled` becomes ready), what
/// ran is started in the reverse order, each container when what it depends on is started, healthy
/// or has completed, as it asks; what was paused is paused again; and containers are watched until
/// they run and, where they have a health check, are healthy. A container that lives in the
/// namespaces of another which had to be started once more is restarted after it. An engine that is
/// away is waited for. The record leaves the journal when everything runs; what does not stays in it
/// for [`recover`], and is carried along by the outages after this one.
///
/// The group's hooks are run before the first stop and after the last start. The latter are owed as
/// starts are: they are in the journal, and are run also if the former failed or were cancelled.
///
/// The services of Swarm stacks are halted together and awaited before the first container is
/// stopped, and resumed together while containers are started: they get back what they had, and
/// are watched until as many tasks run as before.
///
/// `work` is not run unless everything has stopped. It may return a `Result`: the outage does not
/// look into it. When `cancelled` becomes ready, `work` is dropped and the start begins at once; a
/// stop that is under way is waited for first, since an engine cannot take it back, and a container
/// started before its stop ended would be stopped after its start.
///
/// Containers that ended or were recreated since the group was planned are noticed: the first are
/// left as they are, and after the second nothing is stopped and `work` is not run. What something
/// else starts while `work` runs is reported ([`OutageReport::is_disturbed`]).
///
/// # Cancellation
///
/// Never drop this future half-way: the containers would stay down until [`recover`] is called. Use
/// `cancelled`.
///
/// # Example
///
/// ```no_run
/// # use docker_stacks::{Engine, GroupPlan, Journal, OutageOptions, outage};
/// # async fn example(engine: &dyn Engine, journal: &dyn Journal, group: &GroupPlan, now: jiff::Timestamp) {
/// let options = OutageOptions::default();
/// let never = std::future::pending();
/// let report = outage(engine, journal, group, now, &options, never, async {
///     // Nothing of the group writes now.
/// })
/// .await;
/// assert!(report.everything_runs());
/// # }
/// ```
pub async fn outage<T, F>(
    engine: &dyn Engine,
    journal: &dyn Journal,
    group: &GroupPlan,
    begun_at: Timestamp,
    options: &OutageOptions,
    cancelled: impl Future<Output = ()>,
    work: F,
) -> OutageReport<T>
where
    F: Future<Output = T>,
{
    let (started, _) = oneshot::channel();
    let work = (work, started);
    outage_telling(engine, journal, group, begun_at, options, cancelled, work).await
}

/// The same as [`outage`], and tells as soon as everything has been started, or given up: whatever
/// would take processors and disks away from containers that start can wait for that. It does not
/// wait for containers to settle or to become healthy, unless others wait for that before they start.
///
/// Services are told of when they run; and when the outage ends without a start, so does the wait.
///
/// # Cancellation
///
/// As [`outage`].
pub async fn outage_telling<T, F>(
    engine: &dyn Engine,
    journal: &dyn Journal,
    group: &GroupPlan,
    begun_at: Timestamp,
    options: &OutageOptions,
    cancelled: impl Future<Output = ()>,
    (work, started): (F, oneshot::Sender<()>),
) -> OutageReport<T>
where
    F: Future<Output = T>,
{
    let stacks = down_together(group);
    let mut prepared = match prepare(engine, journal, group, begun_at, options, &stacks).await {
        Ok(prepared) => prepared,
        Err(why) => return OutageReport::not_begun(stacks, begun_at, why),
    };
    let mut cancelled = pin!(cancelled.fuse());
    let mut hooks = hooks::run_before(engine, &group.hooks, &mut cancelled).await;
    let begun = Instant::now();
    let mut seen = Seen::default();
    let halts = services::halt_all(engine, &mut prepared.services, options, &mut cancelled).await;
    let stops = match halts {
        StopsEnd::AllStopped => stop_all(engine, &mut prepared.slots, &mut cancelled).await,
        not_all => not_all,
    };
    let end = match stops {
        StopsEnd::AllStopped => {
            let watch = Watch::new(group, &prepared.slots);
            let watching = watch.watch(engine, options.retry_pause);
            let end = run(work, &mut cancelled, watching).await;
            seen = watch.into_seen();
            end
        }
        StopsEnd::Cancelled => WorkEnd::Cancelled,
        StopsEnd::Failed(why) => WorkEnd::NotRun { why },
    };
    for slot in &mut prepared.slots {
        if seen.stopped.contains(&slot.record().container.id) {
            slot.was_disturbed();
        }
    }
    let mut containers = BringBack::new(engine, options);
    let started = if prepared.services.is_empty() {
        containers.tell(started);
        None
    } else {
        Some(started)
    };
    tokio::join!(
        services::resume_all(engine, &mut prepared.services, options),
        containers.bring_back(&mut prepared.slots),
    );
    // Whether somebody waits for it is not known here.
    let _ = started.map(|started| started.send(()));
    let ended = prepared
        .slots
        .iter()
        .filter_map(Slot::up_at)
        .chain(prepared.services.iter().filter_map(ServiceSlot::up_at))
        .max()
        .unwrap_or_else(Instant::now);
    let stopped_any = prepared.slots.iter().any(Slot::was_asked_to_stop)
        || prepared.services.iter().any(ServiceSlot::was_asked_to_halt);
    let outage = if stopped_any {
        ended.saturating_duration_since(begun)
    } else {
        Duration::ZERO
    };
    let (after, owed) = hooks::run_after(engine, &prepared.hooks, &prepared.slots).await;
    hooks.extend(after);
    let fared = (&*prepared.slots, &*prepared.services);
    let warnings = match prepared.carried {
        Some(carried) => close(journal, carried, fared, owed).await,
        None => Vec::new(),
    };
    OutageReport {
        hooks,
        others_started: seen.others,
        ..OutageReport::new(stacks, begun_at, outage, end, fared, warnings)
    }
}

/// How the stopping ended.
enum StopsEnd {
    AllStopped,
    Cancelled,
    Failed(String),
}

async fn stop_all<C: Future<Output = ()>>(
    engine: &dyn Engine,
    slots: &mut [Slot],
    cancelled: &mut std::pin::Pin<&mut Fuse<C>>,
) -> StopsEnd {
    if cancelled.is_terminated() {
        return StopsEnd::Cancelled;
    }
    for slot in slots {
        // Once ready, the future stays silent; so an answer here must end the loop.
        if poll_immediate(&mut *cancelled).await.is_some() {
            return StopsEnd::Cancelled;
        }
        slot.stop_begins();
        match stop(engine, slot.record()).await {
            Ok(stopped) => {
                tracing::info!(container = %slot.record().container, ?stopped, "stopped");
                slot.stop_ended(StopEnd::Stopped(stopped));
            }
            Err(why) => {
                tracing::warn!(container = %slot.record().container, why, "not stopped");
                slot.stop_ended(StopEnd::Failed { why: why.clone() });
                return StopsEnd::Failed(why);
            }
        }
    }
    StopsEnd::AllStopped
}

async fn stop(
    engine: &dyn Engine,
    record: &RecordedContainer,
) -> Result<crate::engine::Stopped, String> {
    let id = &record.container.id;
    // A frozen process cannot handle its stop signal: it would be killed where it stands.
    if record.was == Was::Paused {
        engine.unpause(id).await.map_err(|error| explain(&error))?;
    }
    engine
        .stop(id, record.grace)
        .await
        .map_err(|error| explain(&error))
}

/// Runs the work to its end, to its panic, or until it is cancelled, and watches meanwhile. In every
/// case the work is gone, with all it held, when this returns.
async fn run<T, F, C>(
    work: F,
    cancelled: &mut std::pin::Pin<&mut Fuse<C>>,
    watching: impl Future<Output = Infallible>,
) -> WorkEnd<T>
where
    F: Future<Output = T>,
    C: Future<Output = ()>,
{
    // Unwind safety: what the work left half-done is its caller's to judge; nothing of it is
    // looked at here.
    let work = AssertUnwindSafe(work).catch_unwind();
    tokio::select! {
        biased;
        () = cancelled => WorkEnd::Cancelled,
        done = work => match done {
            Ok(value) => WorkEnd::Finished(value),
            Err(panic) => WorkEnd::Panicked(panic_text(&*panic)),
        },
        never = watching => match never {},
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// An error with its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
