//! A TrueNAS client for one question: *is tonight's snapshot on the other NAS?*
//!
//! It reads what a NAS says about its periodic snapshot tasks, its replication tasks, its
//! snapshots, pools and jobs, and turns that into typed values ([`ReplicationTask`],
//! [`TaskState`], [`Snapshot`], …) and into verdicts ([`judge`]) that rest on the snapshot rather
//! than on the word `FINISHED`: TrueNAS says `FINISHED` also when nothing was sent, and says it
//! again, about yesterday's run, after a reboot in the middle of tonight's.
//!
//! The transport is REST v2.0 as TrueNAS CORE 13.0 and TrueNAS SCALE 24.10 speak it
//! ([`RestClient`]). Code that uses it should take `&dyn` [`TrueNas`], the trait behind which
//! other transports fit.
//!
//! ```no_run
//! use jiff::Timestamp;
//! use secrecy::SecretString;
//! use truenas_client::{
//!     CertificateFingerprint, RestClient, NasOptions, SnapshotQuery, TrueNas, TrueNasError, Trust,
//!     Verdict, VerdictInput, judge,
//! };
//!
//! /// Whether a snapshot younger than `backup_ended` has been replicated.
//! async fn replicated(
//!     backup_ended: Timestamp,
//!     api_key: SecretString,
//!     pin: CertificateFingerprint,
//! ) -> Result<bool, TrueNasError> {
//!     let url = url::Url::parse("https://192.168.0.10").expect("a literal address parses");
//!     let nas = RestClient::new(NasOptions::new(url, api_key, Trust::Certificate(pin)))?;
//!
//!     let tasks = nas.replication_tasks().await?;
//!     let task = tasks.iter().find(|task| task.name == "docker to backup");
//!     let query = SnapshotQuery::of("tank/docker").since(backup_ended);
//!     let judgement = judge(task, &VerdictInput {
//!         since: backup_ended,
//!         source_snapshots: nas.snapshots(&query).await?,
//!     });
//!     println!("{}: {}", judgement.verdict, judgement.reasons.join("; "));
//!     Ok(matches!(judgement.verdict, Verdict::Fresh { .. }))
//! }
//! ```
//!
//! # What is never done
//! - An API key is never sent without TLS, nor to a host whose certificate is not the expected
//!   one, nor along a redirect. There is no switch that accepts any certificate; a self-signed
//!   one is pinned by its fingerprint ([`Trust::Certificate`], [`fetch_certificate`]).
//! - An answer that cannot be read is an error ([`TrueNasError::Shape`]) or
//!   [`TaskState::Unknown`], never a default that looks like good news.
//! - Nothing is repeated that changes anything on the NAS.
//!
//! # Features
//! - `mock`: exports `MockTrueNas`, a [`mockall`](https://docs.rs/mockall) mock of [`TrueNas`].

mod address;
mod api;
mod cause;
mod changes;
mod differences;
mod error;
mod evidence;
mod fingerprint;
mod model;
mod naming_schema;
mod options;
mod paging;
mod query;
mod rest;
mod retry;
mod tls;
mod verdict;
mod version;
mod wire;

#[cfg(feature = "mock")]
pub use api::MockTrueNas;
pub use api::{Transport, TrueNas};
pub use changes::ReplicationChanges;
pub use error::{ErrorKind, FieldError, Traceback, TrueNasError};
pub use evidence::{DatasetEvidence, EvidenceRequest, Finding, RecognisedBy};
pub use fingerprint::{CertificateFingerprint, ParseFingerprintError};
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
pub use options::{NasOptions, Timeouts, Trust};
pub use query::SnapshotQuery;
pub use rest::RestClient;
pub use tls::fetch_certificate;
pub use verdict::{Judgement, Verdict, VerdictInput, judge};
pub use version::{Edition, Version};
