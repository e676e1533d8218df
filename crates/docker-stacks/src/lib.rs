//! Docker stacks: find, group and order them, and stop them for outages that always end.
//!
//! A backup that is to be whole needs its containers stopped, and whoever stops containers owes
//! their start. This crate reads what a Docker Engine runs, decides without touching anything what
//! must be down together and in which order ([`find_stacks`], [`plan`]), and then makes the outage:
//! [`outage`] stops a group, runs a piece of work, and starts the group again whatever happened,
//! with a record on the disk from which [`recover`] finishes the job of a process that died.
//!
//! ```no_run
//! use docker_stacks::{
//!     BollardEngine, Engine, EngineAddress, EngineOptions, FileJournal, OutageOptions, PlanRules,
//!     WorkEnd, find_stacks_in_swarm, outage, plan,
//! };
//!
//! # async fn example(now: jiff::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! let engine = BollardEngine::connect(&EngineAddress::default(), EngineOptions::default()).await?;
//! let stacks = find_stacks_in_swarm(engine.containers().await?, engine.services().await?);
//! let rules = PlanRules {
//!     exclude: vec!["volume:portainer_data".parse()?],
//!     own_container: docker_stacks::detect_own_container(),
//!     ..PlanRules::default()
//! };
//! let plan = plan(&stacks, &engine.volumes().await?, &rules);
//!
//! let journal = FileJournal::new("/var/lib/my-backup/outage.json");
//! for group in &plan.groups {
//!     let report = outage(
//!         &engine,
//!         &journal,
//!         group,
//!         now,
//!         &OutageOptions::default(),
//!         std::future::pending(), // or a signal
//!         async { /* copy what the group's mounts say */ },
//!     )
//!     .await;
//!     assert_eq!(report.work, WorkEnd::Finished(()));
//!     assert!(report.everything_runs());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Labels
//!
//! Containers say of themselves what is to become of them:
//!
//! | label | values | what it does |
//! |---|---|---|
//! | `backup-window.enable` | `true`, `false` | `false`: neither stopped nor copied |
//! | `backup-window.stop` | `true`, `false` | `false`: left running, and copied live |
//! | `backup-window.stop-timeout` | `30s`, `2m` | how long it is given between its stop signal and SIGKILL |
//! | `backup-window.exclude` | patterns ([`PathGlob`]) | paths, as the container sees them, that are not copied: `/var/lib/app/cache/**`, `*.log`. A pattern that matches the whole of a mount leaves it out |
//! | `backup-window.include` | places or names | mounts that are copied although the rules would not, each by where the container sees it (`/etc/ssl`) or by its volume's name (`nfs_data`), with the limits of [`Inclusion`] |
//! | `backup-window.exec-pre` | a command | runs in it before the first container of its group is stopped: `pg_dump -f /dump/wiki.sql`. A JSON array of strings is a program with its arguments, anything else is for `/bin/sh -c`. Should it fail, the copy is made all the same, and the report says so |
//! | `backup-window.exec-post` | a command | the same, when its group is up again and healthy; after a crash too |
//! | `backup-window.drill` | a command | runs in its copy when a drill has started it, to see whether the data is good: `psql -U wiki -c "select 1 from pages"`. See [`Blueprint::check`] |
//! | `backup-window.exec-pre-timeout`, `backup-window.exec-post-timeout`, `backup-window.drill-timeout` | `30s`, `20m` | how long that command may take: 5 minutes if nothing is said |
//! | `backup-window.exec-pre-user`, `backup-window.exec-post-user`, `backup-window.drill-user` | `postgres`, `1000:1000` | as whom it runs: as the container does if nothing is said |
//!
//! The values of `exclude` and `include` are lists, with commas or on lines of their own. A service of
//! a Swarm stack has the same labels, without `stop-timeout` and the commands. A wrong value, and any
//! other label of that family, is a warning in [`Plan::warnings`]. The configuration ([`PlanRules`])
//! beats a label; of two labels, the one that leaves out beats the one that includes.
//!
//! # What is where
//!
//! - [`Engine`] is the one trait for what runs containers; [`BollardEngine`] speaks to a Docker
//!   Engine, or to what speaks its API.
//! - [`Container`], [`Volume`] and their parts are plain values; [`find_stacks`] and [`plan`] are
//!   functions from values to values.
//! - [`look_at_host`] asks this machine what the paths are that are mounted: sockets, devices,
//!   folders of a NAS. The plan takes what it found ([`HostFacts`]) as a value.
//! - [`Blueprint`] makes of a container's definition a copy that can do no harm, and [`Workbench`]
//!   is the trait for an engine on which such copies are made and taken away.
//! - [`Journal`] is the trait for where an outage keeps its promise; [`FileJournal`] is a file.
//!
//! # Swarm
//!
//! On an engine that manages a swarm, [`Service`]s take the place of containers: Swarm replaces a
//! task's container that somebody stops, so a service is halted as a whole. A replicated one is
//! scaled to 0, a global one gets a constraint that no node satisfies; afterwards each has back
//! what it had, and what somebody else changed meanwhile is kept. Only this takes the data of a
//! service from under it, and only data on this node is copied: a plan says what is elsewhere, and
//! does not stop a stack whose data is all elsewhere. Two things are to be known:
//!
//! - `docker service rollback` undoes the last change of a service, and after an outage that is
//!   its resumption: it would be halted again. Use `docker service update` to go back further.
//! - Jobs are left alone, and so are services with nameless volumes, which Swarm deletes with each
//!   task.
//!
//! All waiting is tokio's, so that a test with a paused clock takes no time. The time of day is the
//! caller's to say.
//!
//! # Engines
//!
//! An [`EngineAddress`] is any notation of `DOCKER_HOST`. However an engine is reached, a call has a
//! deadline that counts from the connection on ([`EngineOptions::call_deadline`]), a connection
//! serves one request, and nobody is ever asked anything:
//!
//! - `unix://`: Docker 20.10 to 29, rootless or not; a socket proxy that lets [`endpoints`] through;
//!   Podman's compatible socket.
//! - `tcp://`: with [`EngineTls`], only the authority that is named is trusted, not the system's.
//!   Without, whoever reaches the port is root on its machine.
//! - `ssh://`: `ssh` and the other machine's `docker system dial-stdio`, as docker's own command line
//!   does it. The host key must be known, and there is no prompt for passwords.
//!
//! An engine that is not the one it should be, or lets this client not in, is
//! [`EngineErrorKind::NotTrusted`]: unlike one that is away, it is not waited for.
//!
//! The conformance suite is run against Docker on its socket, through a proxy, by TLS with a
//! client's certificate and by SSH, and against Podman 4.3 as root. Podman knows no healths without
//! systemd (or somebody else who runs `podman healthcheck run`). A rootless Docker 20.10 was tried by
//! hand on a machine with version 1 of control groups, where it cannot pause containers; planning,
//! stopping and starting work.
//!
//! # Features
//!
//! - `mock`: `MockEngine`, made by mockall, for those who build on [`Engine`].
//! - `testing`: an engine in memory, and the checks that every engine must pass.

pub mod endpoints;
mod engine;
mod find;
mod host;
mod journal;
mod model;
mod outage;
mod own;
mod plan;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "mock")]
pub use engine::MockEngine;
pub use engine::{
    AddressError, AddressKind, Blueprint, BlueprintError, BollardEngine, Cleared,
    ClientCertificate, Engine, EngineAddress, EngineError, EngineErrorKind, EngineInfo,
    EngineOptions, EngineSsh, EngineTls, EngineVersion, ExecCommand, ExecEnd, Mark, Placement,
    Replica, Stopped, SwarmRole, ThrowAwayMount, Withheld, Workbench,
};
pub use find::{Stack, StackKind, find_stacks, find_stacks_in_swarm};
pub use host::{FileKind, HostFacts, look_at_host};
pub use journal::{
    ComposeService, FileJournal, Journal, JournalError, Need, OutageRecord, RecordedContainer,
    RecordedHook, RecordedService, Was,
};
pub use model::{
    AddressPool, Attachment, Container, ContainerId, ContainerKey, ContainerRef, ContainerState,
    Health, Image, Mount, MountKind, Network, RestartPolicy, Service, ServiceId, ServiceMode,
    ServiceMount, ServiceRef, ServiceSpec, StackName, Task, Volume,
};
pub use outage::{
    ContainerReport, HaltEnd, HookEnd, HookReport, HookTime, Missing, NotRunning, OutageOptions,
    OutageReport, RecoverError, RecoveryReport, ServiceReport, StartEnd, StopEnd, WorkEnd, outage,
    outage_telling, recover,
};
pub use own::{OwnContainer, detect_own_container, own_container};
pub use plan::{
    Dependency, Exclusion, ExclusionError, GroupPlan, HookPlan, Inclusion, InclusionError,
    MountDecision, MountPlan, PathGlob, PathGlobError, Plan, PlanRules, ServiceDecision,
    ServicePlan, StackDecision, StackPlan, StartCondition, StaysUp, plan,
};
