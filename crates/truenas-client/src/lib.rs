//! A TrueNAS client for one question: *is tonight's snapshot on the other NAS?*
//!
//! It reads what a NAS says about its periodic snapshot tasks, its replication tasks, its
//! snapshots, pools and jobs, and turns that into typed values ([`ReplicationTask`],
//! [`TaskState`], [`Snapshot`], …) and into verdicts ([`judge`]) that rest on the snapshot rather
//! than on the word `FINISHED`: TrueNAS says `FINISHED` also when nothing was sent, and says it
//! again, about yesterday's run, after a reboot in the middle of tonight's.
//!
//! [`NasClient`] speaks to every TrueNAS from CORE 13.0 to 26: it asks the NAS which API it has, and
//! uses JSON-RPC 2.0 over WebSocket where there is one ([`JsonRpcClient`], from 25.04 on), and REST
//! v2.0 where there is not ([`RestClient`]). Code that uses it should take `&dyn` [`TrueNas`], the
//! trait of all three.
//!
//! # A monitor
//! ```no_run
//! use jiff::Timestamp;
//! use jiff::tz::TimeZone;
//! use secrecy::SecretString;
//! use truenas_client::{
//!     CertificateFingerprint, EvidenceRequest, NasClient, NasOptions, TrueNas, TrueNasError, Trust,
//!     VerdictInput, judge,
//! };
//!
//! /// Whether a snapshot taken after `backup_ended` (by the NAS's clock) has been sent by the task
//! /// of this name, and is on the other NAS.
//! async fn replicated(
//!     primary: &dyn TrueNas,
//!     backup: &dyn TrueNas,
//!     name: &str,
//!     backup_ended: Timestamp,
//! ) -> Result<bool, TrueNasError> {
//!     let (system, tasks) = tokio::try_join!(primary.system(), primary.replication_tasks())?;
//!     let time_zone = TimeZone::get(&system.time_zone).ok();
//!     let task = tasks.iter().find(|task| task.name == name);
//!     let judgement = judge(task, &VerdictInput {
//!         time_zone: time_zone.clone(),
//!         ..VerdictInput::since(backup_ended)
//!     });
//!     println!("{}: {}", judgement.verdict, judgement.reasons.join("; "));
//!     let Some(task) = task.filter(|_| judgement.verdict.is_fresh()) else {
//!         return Ok(false);
//!     };
//!     let request = EvidenceRequest { task, since: backup_ended, time_zone: time_zone.as_ref() };
//!     let evidence = request.collect(primary, Some(backup)).await?;
//!     Ok(evidence.iter().all(|found| found.finding.is_proven()))
//! }
//!
//! /// A client for a NAS with a self-signed certificate.
//! fn nas(url: &str, key: SecretString, pin: CertificateFingerprint) -> Result<NasClient, TrueNasError> {
//!     let url = url::Url::parse(url).expect("the address is a URL");
//!     NasClient::new(NasOptions::new(url, key, Trust::Certificate(pin)).user("monitor"))
//! }
//! ```
//!
//! Whoever wants to be told rather than to ask takes [`TrueNas::replication_changes`]; whoever has
//! the answers of a NAS already, [`read`].
//!
//! # What is never done
//! - An API key is never sent without TLS, nor to a host whose certificate is not the expected
//!   one, nor along a redirect. There is no switch that accepts any certificate; a self-signed
//!   one is pinned by its fingerprint ([`Trust::Certificate`], [`fetch_certificate`]).
//! - REST is never taken because JSON-RPC failed: only by a NAS that has no JSON-RPC.
//! - An answer that cannot be read is an error ([`TrueNasError::Shape`]) or
//!   [`TaskState::Unknown`], never a default that looks like good news.
//! - Nothing is repeated that changes anything on the NAS.
//! - No question has an answer of unbounded length: snapshots are filtered on the NAS and read in
//!   pages.
//!
//! # What differs between versions
//! | | CORE 13, SCALE to 24.10 | 25.04 | 25.10 | 26 |
//! |---|---|---|---|---|
//! | transport | REST v2.0 | JSON-RPC (REST deprecated) | JSON-RPC (REST complains daily) | JSON-RPC (no REST) |
//! | key | of the whole NAS | of a user: [`NasOptions::user`] | the same | the same |
//! | snapshots | `zfs/snapshot` | `zfs.snapshot` | `pool.snapshot` | `pool.snapshot` |
//! | running a replication over REST | `replication/id/N/run` | the same | `replication/run` with `N` | |
//! | shutting down | no reason | with a reason | the same | the same |
//! | running a snapshot task | at once | at once | at once | as a job |
//! | last snapshot of snapshot tasks | not told | not told | told | told |
//! | state of a disabled task | `PENDING` | `PENDING` | `PENDING` | as it last ended |
//! | state before the first end | `PENDING` | `PENDING` | `PENDING` | may lack its word: [`TaskState::Unstated`] |
//!
//! Only full administrators get in over REST from 25.04 on; over JSON-RPC, the role
//! `READONLY_ADMIN` is enough for everything that only asks.
//!
//! # Features
//! - `mock`: exports `MockTrueNas`, a [`mockall`](https://docs.rs/mockall) mock of [`TrueNas`].

mod address;
mod api;
mod cause;
mod certificate;
mod changes;
mod client;
mod differences;
mod error;
mod evidence;
mod https;
mod jsonrpc;
mod model;
mod naming_schema;
mod options;
mod paging;
mod query;
pub mod read;
mod rest;
mod retry;
mod tls;
mod verdict;
mod version;
mod wire;

#[cfg(feature = "mock")]
pub use api::MockTrueNas;
pub use api::{Transport, TrueNas};
pub use certificate::{ServerCertificate, fetch_certificate};
pub use changes::{ReplicationChange, ReplicationChanges};
pub use client::NasClient;
pub use error::{ErrorKind, FieldError, Traceback, TrueNasError};
pub use evidence::{DatasetEvidence, EvidenceRequest, Finding, RecognisedBy};
pub use jsonrpc::JsonRpcClient;
pub use model::alert::{Alert, AlertLevel};
pub use model::job::{Job, JobId, JobState};
pub use model::pool::{Pool, Scan, ScanFunction, ScanState};
pub use model::replication::{Direction, ReplicationTask, ReplicationTransport, RunningSince};
pub use model::schedule::Schedule;
pub use model::snapshot::{ParseSnapshotNameError, Snapshot, SnapshotName};
pub use model::snapshot_task::SnapshotTask;
pub use model::system::{System, SystemState};
pub use model::task_state::{Progress, TaskState};
pub use naming_schema::{NamedTime, NamingSchema};
pub use options::{NasOptions, Timeouts};
pub use query::SnapshotQuery;
pub use rest::RestClient;
pub use tls_trust::{CertificateDetails, CertificateFingerprint, ParseFingerprintError, Trust};
pub use verdict::{Judgement, Verdict, VerdictInput, judge};
pub use version::{Edition, Version};
