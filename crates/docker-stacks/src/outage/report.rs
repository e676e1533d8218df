//! What an outage was, for those who must judge it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{HookReport, bring_back::Slot, services::ServiceSlot};
use crate::{
    engine::Stopped,
    journal::Was,
    model::{ContainerRef, ServiceMode, ServiceRef, StackName, seconds},
};

/// What happened in an outage.
///
/// ```
/// use docker_stacks::OutageReport;
///
/// fn summary<T>(report: &OutageReport<T>) -> String {
///     format!("down for {:?}, {} do not run", report.outage, report.not_running.len())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct OutageReport<T> {
    /// The stacks that were down.
    pub stacks: Vec<StackName>,
    /// When it began, as the caller said.
    pub begun_at: Timestamp,
    /// From the first stop to the last start; zero if nothing was stopped.
    #[serde(with = "seconds", rename = "outage_seconds")]
    pub outage: Duration,
    /// What became of the work.
    pub work: WorkEnd<T>,
    /// What happened to each container, in the order in which they were stopped.
    pub containers: Vec<ContainerReport>,
    /// What happened to each service, in the order in which they were halted.
    pub services: Vec<ServiceReport>,
    /// What ran before and does not run now.
    pub not_running: Vec<NotRunning>,
    /// What came of the commands that were run in containers.
    pub hooks: Vec<HookReport>,
    /// Containers, not of those that were stopped, that something else started during the work and
    /// that may have written to what was copied.
    pub others_started: Vec<ContainerRef>,
    /// What else somebody should look at.
    pub warnings: Vec<String>,
}

/// What became of the work that an outage was for.
///
/// ```
/// use docker_stacks::WorkEnd;
///
/// fn has_failed<T, E>(work: &WorkEnd<Result<T, E>>) -> bool {
///     !matches!(work, WorkEnd::Finished(Ok(_)))
/// }
/// assert!(has_failed::<(), ()>(&WorkEnd::Cancelled));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkEnd<T> {
    /// It returned this, which may well be an error.
    Finished(T),
    /// It panicked, with this message.
    Panicked(String),
    /// The outage was cancelled before the work had ended.
    Cancelled,
    /// It was not begun.
    NotRun {
        /// Why not.
        why: String,
    },
}

/// What happened to one container.
///
/// ```
/// use docker_stacks::{ContainerReport, StopEnd, Stopped};
///
/// fn is_unclean(report: &ContainerReport) -> bool {
///     report.disturbed || report.stop == StopEnd::Stopped(Stopped::Killed)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerReport {
    /// Which container; after it was recreated, the one in its place.
    pub container: ContainerRef,
    /// What it did before.
    pub was: Was,
    /// How its stop ended.
    pub stop: StopEnd,
    /// How its start ended.
    pub start: StartEnd,
    /// From the beginning of its stop to the end of its last start; nothing if it was not stopped,
    /// or does not run.
    #[serde(with = "seconds::option", rename = "downtime_seconds")]
    pub downtime: Option<Duration>,
    /// Somebody else started it during the outage: what was copied may have changed meanwhile.
    pub disturbed: bool,
}

/// What happened to one service.
///
/// ```
/// use docker_stacks::ServiceReport;
///
/// fn is_well(report: &ServiceReport) -> bool {
///     !report.disturbed && report.start.is_well()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// Which service; after it was deployed again, the one in its place.
    pub service: ServiceRef,
    /// How many tasks it was to have before, and where.
    pub was: ServiceMode,
    /// How its halt ended.
    pub halt: HaltEnd,
    /// How it fared after it was resumed: it runs if as many tasks run as before.
    pub start: StartEnd,
    /// From its halt until as many tasks ran as before; nothing if it was not halted, or they do
    /// not run.
    #[serde(with = "seconds::option", rename = "downtime_seconds")]
    pub downtime: Option<Duration>,
    /// Somebody else resumed it during the outage: what was copied may have changed meanwhile.
    pub disturbed: bool,
}

/// How a service's halt ended.
///
/// ```
/// use docker_stacks::HaltEnd;
///
/// fn is_clean(halt: &HaltEnd) -> bool {
///     matches!(halt, HaltEnd::NotAsked | HaltEnd::Ended)
/// }
/// assert!(!is_clean(&HaltEnd::MayBeKilled));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltEnd {
    /// It was not asked for, or nobody waited for it.
    NotAsked,
    /// All its tasks ended within their grace time.
    Ended,
    /// All its tasks ended, but only after their grace time, and so may have been killed.
    MayBeKilled,
    /// It could not be halted, or that is not known.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a container's stop ended.
///
/// ```
/// use docker_stacks::StopEnd;
///
/// fn why(stop: &StopEnd) -> Option<&str> {
///     match stop {
///         StopEnd::Failed { why } => Some(why),
///         _ => None,
///     }
/// }
/// assert_eq!(why(&StopEnd::NotAsked), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopEnd {
    /// It was not asked to stop.
    NotAsked,
    /// It stopped.
    Stopped(Stopped),
    /// It could not be stopped, or that is not known.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a container's start ended.
///
/// ```
/// use docker_stacks::StartEnd;
///
/// assert!(StartEnd::PausedAgain.is_well());
/// assert!(!StartEnd::Gone.is_well());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StartEnd {
    /// It runs; it has no health check, or never stopped.
    Running,
    /// It runs, and its health check says that it works.
    Healthy,
    /// It runs, but not as it should.
    Unhealthy {
        /// What is wrong.
        why: String,
    },
    /// It was started, did its work, and ended with code 0, which others had to wait for.
    Completed,
    /// It was started and paused again, as it was before.
    PausedAgain,
    /// It does not run.
    Failed {
        /// Why not.
        why: String,
    },
    /// It was deleted, and nothing took its place.
    Gone,
}

/// Something that ran before and does not run now.
///
/// ```
/// use docker_stacks::{Container, Missing, NotRunning};
///
/// let missing = NotRunning {
///     what: Missing::Container(Container::new("1f2e", "db").to_ref()),
///     why: "port is already allocated".into(),
/// };
/// assert_eq!(missing.what.name(), "db");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRunning {
    /// Which container or service.
    #[serde(flatten)]
    pub what: Missing,
    /// Why it does not run.
    pub why: String,
}

/// A container or a service that does not run.
///
/// ```
/// use docker_stacks::{Container, Missing};
///
/// let missing = Missing::Container(Container::new("1f2e", "db").to_ref());
/// assert_eq!(missing.look_at(), "docker logs db");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A container.
    Container(ContainerRef),
    /// A service: fewer of its tasks run than before.
    Service(ServiceRef),
}

impl Missing {
    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Container(container) => &container.name,
            Self::Service(service) => &service.name,
        }
    }

    /// The command that shows more.
    #[must_use]
    pub fn look_at(&self) -> String {
        match self {
            Self::Container(container) => format!("docker logs {}", container.name),
            Self::Service(service) => format!("docker service ps --no-trunc {}", service.name),
        }
    }
}

impl StartEnd {
    /// It does what it did before, as far as can be known.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(
            self,
            Self::Running | Self::Healthy | Self::Completed | Self::PausedAgain
        )
    }

    /// Why it does not run, if it does not.
    pub(super) fn why_not_running(&self) -> Option<&str> {
        match self {
            Self::Failed { why } => Some(why),
            Self::Gone => Some("it was deleted, and nothing took its place"),
            Self::Running
            | Self::Healthy
            | Self::Unhealthy { .. }
            | Self::Completed
            | Self::PausedAgain => None,
        }
    }
}

impl<T> OutageReport<T> {
    /// The report of an outage that was over before anything was stopped.
    pub(super) fn not_begun(stacks: Vec<StackName>, begun_at: Timestamp, why: String) -> Self {
        Self {
            stacks,
            begun_at,
            outage: Duration::ZERO,
            work: WorkEnd::NotRun { why },
            containers: Vec::new(),
            services: Vec::new(),
            not_running: Vec::new(),
            hooks: Vec::new(),
            others_started: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn new(
        stacks: Vec<StackName>,
        begun_at: Timestamp,
        outage: Duration,
        work: WorkEnd<T>,
        (slots, services): (&[Slot], &[ServiceSlot]),
        warnings: Vec<String>,
    ) -> Self {
        let containers: Vec<_> = slots.iter().map(Slot::report).collect();
        let services: Vec<_> = services.iter().map(ServiceSlot::report).collect();
        Self {
            stacks,
            begun_at,
            outage,
            work,
            not_running: not_running(&containers, &services),
            containers,
            hooks: Vec::new(),
            others_started: Vec::new(),
            services,
            warnings,
        }
    }

    /// Everything runs that ran before; it need not be healthy.
    #[must_use]
    pub fn everything_runs(&self) -> bool {
        self.not_running.is_empty()
    }

    /// The containers that run, but not as they should.
    pub fn unhealthy(&self) -> impl Iterator<Item = &ContainerReport> {
        self.containers
            .iter()
            .filter(|container| matches!(container.start, StartEnd::Unhealthy { .. }))
    }

    /// What was copied may have changed meanwhile: something else started a container of the group,
    /// or another on the same data.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        self.disturbed().next().is_some() || !self.others_started.is_empty()
    }

    /// The containers of the group that something else started while the work was done.
    pub fn disturbed(&self) -> impl Iterator<Item = &ContainerReport> {
        self.containers
            .iter()
            .filter(|container| container.disturbed)
    }
}

pub(super) fn not_running(
    containers: &[ContainerReport],
    services: &[ServiceReport],
) -> Vec<NotRunning> {
    let containers = containers.iter().map(|report| {
        let what = Missing::Container(report.container.clone());
        (what, &report.start)
    });
    let services = services.iter().map(|report| {
        let what = Missing::Service(report.service.clone());
        (what, &report.start)
    });
    containers
        .chain(services)
        .filter_map(|(what, start)| {
            let why = start.why_not_running()?.to_owned();
            Some(NotRunning { what, why })
        })
        .collect()
}
