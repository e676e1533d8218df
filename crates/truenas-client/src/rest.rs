//! REST v2.0, as TrueNAS CORE 13.0 to SCALE 24.10 speak it.

mod answer;
mod cause;
mod route;
mod tls;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::{
    WireJob, WirePool, WireReplicationTask, WireSnapshot, WireSnapshotTask, WireSystem,
};
use crate::{
    CertificateFingerprint, Job, JobId, Pool, ReplicationTask, Snapshot, SnapshotQuery,
    SnapshotTask, System, TrueNas, TrueNasError,
};
use route::Route;
pub use tls::fetch_certificate;
use transport::Connection;

/// Which certificate of a NAS is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Exactly this one: what a self-signed certificate, as every TrueNAS has at first, calls for.
    ///
    /// The fingerprint takes the place of name, issuer and expiry, which are not looked at: they
    /// say who vouches for a certificate and for how long, and here nobody else does. That the NAS
    /// holds the key of the certificate is verified as always.
    Certificate(CertificateFingerprint),
    /// Those signed by a certificate in this PEM file, for the name in the URL.
    CaFile(PathBuf),
    /// Those signed by an authority that this machine trusts, for the name in the URL.
    PublicRoots,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect once.
    pub connect: Duration,
    /// For one try of a request, connecting included.
    pub request: Duration,
    /// For a request with all its tries and the pauses between them.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 10 seconds to connect, 30 for a try, and a minute in all.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            total: Duration::from_mins(1),
        }
    }
}

/// How a NAS is reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestOptions {
    /// Its address: `https://HOST` or `https://HOST:PORT`. The addresses of its web page (`…/ui/`)
    /// and of its API will do.
    pub url: Url,
    /// The key, made under *API Keys* on the NAS. White space around it is not part of it.
    pub api_key: SecretString,
    /// Which certificate is believed.
    pub trust: Trust,
    /// How long things may take.
    pub timeouts: Timeouts,
}

impl RestOptions {
    /// With the usual timeouts.
    #[must_use]
    pub fn new(url: Url, api_key: SecretString, trust: Trust) -> Self {
        Self {
            url,
            api_key,
            trust,
            timeouts: Timeouts::default(),
        }
    }
}

/// A TrueNAS behind REST v2.0.
///
/// Questions are asked again, up to five times with growing pauses and within
/// [`Timeouts::total`], when no connection comes about and when the NAS is busy or starting (429,
/// 502, 503). Nothing else is, and no request that changes anything.
///
/// The proxies that the environment names (`HTTPS_PROXY`, …) are not used.
#[derive(Debug)]
pub struct RestClient {
    connection: Connection,
}

impl RestClient {
    /// Prepares the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TrueNasError::NotHttps`] and [`TrueNasError::InvalidUrl`] for the address,
    /// [`TrueNasError::InvalidKey`] for the key, [`TrueNasError::TrustFile`] for the certificates
    /// to trust, [`TrueNasError::Setup`] if this machine cannot do TLS with them.
    pub fn new(options: RestOptions) -> Result<Self, TrueNasError> {
        let connection = Connection::new(options)?;
        Ok(Self { connection })
    }

    async fn list<W, T>(&self, route: Route<'_>) -> Result<Vec<T>, TrueNasError>
    where
        W: DeserializeOwned,
        T: From<W>,
    {
        let wire: Vec<W> = self.connection.get(route).await?;
        Ok(wire.into_iter().map(T::from).collect())
    }
}

#[async_trait]
impl TrueNas for RestClient {
    fn url(&self) -> String {
        self.connection.url().to_owned()
    }

    async fn system(&self) -> Result<System, TrueNasError> {
        let info: WireSystem = self.connection.get(Route::SystemInfo).await?;
        let boot_id = match self.connection.get(Route::SystemBootId).await {
            Ok(boot_id) => Some(boot_id),
            // Not every version has it, and it is no more than a help.
            Err(TrueNasError::NotFound { .. } | TrueNasError::Forbidden { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(info.with_boot_id(boot_id))
    }

    async fn snapshot_tasks(&self) -> Result<Vec<SnapshotTask>, TrueNasError> {
        self.list::<WireSnapshotTask, _>(Route::SnapshotTasks).await
    }

    async fn replication_tasks(&self) -> Result<Vec<ReplicationTask>, TrueNasError> {
        self.list::<WireReplicationTask, _>(Route::ReplicationTasks)
            .await
    }

    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError> {
        let route = Route::Snapshots {
            dataset: &query.dataset,
        };
        let mut wire: Vec<WireSnapshot> = self.connection.get(route).await?;
        wire.sort_by_key(WireSnapshot::age);
        let snapshots = wire.into_iter().map(Snapshot::from);
        // The dataset is asked for again here, so that a NAS that reads the query in another way
        // cannot pass the snapshots of one dataset off as those of another.
        let wanted = snapshots.filter(|snapshot| {
            snapshot.dataset == query.dataset
                && query.since.is_none_or(|since| snapshot.created >= since)
        });
        Ok(wanted.collect())
    }

    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError> {
        self.list::<WirePool, _>(Route::Pools).await
    }

    async fn run_snapshot_task(&self, id: i64) -> Result<(), TrueNasError> {
        let _: serde::de::IgnoredAny = self.connection.post(Route::RunSnapshotTask { id }).await?;
        Ok(())
    }

    async fn run_replication_task(&self, id: i64) -> Result<JobId, TrueNasError> {
        self.connection.post(Route::RunReplicationTask { id }).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, TrueNasError> {
        let jobs: Vec<Job> = self.list::<WireJob, _>(Route::Job { id }).await?;
        Ok(jobs.into_iter().find(|job| job.id == id))
    }
}
