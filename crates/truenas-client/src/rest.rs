//! REST v2.0, as TrueNAS CORE 13.0 to 25.10 speak it.

mod route;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::differences::Differences;
use crate::https::Connection;
use crate::paging::{PAGE_ENTRIES, Pages, Turn};
use crate::wire::{
    WireAlert, WireJob, WirePool, WireReplicationTask, WireSnapshot, WireSnapshotTask, WireSystem,
};
use crate::{
    Alert, Job, JobId, NasOptions, Pool, ReplicationChanges, ReplicationTask, Snapshot,
    SnapshotQuery, SnapshotTask, System, SystemState, Transport, TrueNas, TrueNasError, Version,
};
use route::Route;

/// A TrueNAS behind REST v2.0.
///
/// Questions are asked again, up to five times with growing pauses and within
/// [`Timeouts::total`](crate::Timeouts::total), when no connection comes about and when the NAS is busy or starting (429,
/// 502, 503). Nothing else is, and no request that changes anything.
///
/// The proxies that the environment names (`HTTPS_PROXY`, …) are not used.
#[derive(Debug)]
pub struct RestClient {
    connection: Connection,
    /// Asked for once: versions differ in where things are.
    version: OnceCell<Version>,
}

impl RestClient {
    /// Prepares the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TrueNasError::NotHttps`] and [`TrueNasError::InvalidUrl`] for the address,
    /// [`TrueNasError::InvalidKey`] for the key, [`TrueNasError::TrustFile`] for the certificates
    /// to trust, [`TrueNasError::Setup`] if this machine cannot do TLS with them.
    pub fn new(options: NasOptions) -> Result<Self, TrueNasError> {
        let connection = Connection::new(options)?;
        Ok(Self {
            connection,
            version: OnceCell::new(),
        })
    }

    async fn differences(&self) -> Result<Differences, TrueNasError> {
        let ask = || async {
            let version: String = self.get(&Route::SystemVersion).await?;
            Ok(Version::parse(&version))
        };
        Ok(Differences::of(self.version.get_or_try_init(ask).await?))
    }

    async fn get<T: DeserializeOwned>(&self, route: &Route<'_>) -> Result<T, TrueNasError> {
        let url = route.url(self.connection.address());
        self.connection.get(url).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        route: &Route<'_>,
        body: Option<&Value>,
    ) -> Result<T, TrueNasError> {
        let url = route.url(self.connection.address());
        self.connection.post(url, body).await
    }

    async fn list<W, T>(&self, route: &Route<'_>) -> Result<Vec<T>, TrueNasError>
    where
        W: DeserializeOwned,
        T: From<W>,
    {
        let wire: Vec<W> = self.get(route).await?;
        Ok(wire.into_iter().map(T::from).collect())
    }
}

#[async_trait]
impl TrueNas for RestClient {
    fn url(&self) -> String {
        self.connection.address().to_string()
    }

    async fn api_versions(&self) -> Result<Vec<String>, TrueNasError> {
        self.connection.api_versions().await
    }

    async fn transport(&self) -> Result<Transport, TrueNasError> {
        Ok(Transport::Rest)
    }

    async fn state(&self) -> Result<SystemState, TrueNasError> {
        let word = self.get(&Route::SystemState).await?;
        Ok(SystemState::parse(word))
    }

    async fn system(&self) -> Result<System, TrueNasError> {
        let boot_id = async {
            match self.get(&Route::SystemBootId).await {
                Ok(boot_id) => Ok(Some(boot_id)),
                // Not every version has it, and it is no more than a help.
                Err(TrueNasError::NotFound { .. } | TrueNasError::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let info = self.get::<WireSystem>(&Route::SystemInfo);
        let (info, boot_id) = tokio::try_join!(info, boot_id)?;
        let system = info.with_boot_id(boot_id);
        // A second value would be the same.
        let _ = self.version.set(system.version.clone());
        Ok(system)
    }

    async fn snapshot_tasks(&self) -> Result<Vec<SnapshotTask>, TrueNasError> {
        self.list::<WireSnapshotTask, _>(&Route::SnapshotTasks)
            .await
    }

    async fn replication_tasks(&self) -> Result<Vec<ReplicationTask>, TrueNasError> {
        self.list::<WireReplicationTask, _>(&Route::ReplicationTasks)
            .await
    }

    async fn replication_changes(&self) -> Result<Option<ReplicationChanges>, TrueNasError> {
        Ok(None)
    }

    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError> {
        let differences = self.differences().await?;
        let mut pages = Pages::of(PAGE_ENTRIES);
        loop {
            let route = Route::Snapshots {
                query,
                page: pages.page(),
                differences,
            };
            let entries: Vec<WireSnapshot> = self.get(&route).await?;
            match WireSnapshot::turn(&mut pages, entries, query) {
                Turn::Next(_) => {}
                Turn::Done => return Ok(WireSnapshot::in_order(pages)),
                Turn::GiveUp => {
                    return Err(TrueNasError::Moving {
                        request: format!("GET {}", route.url(self.connection.address())),
                    });
                }
            }
        }
    }

    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError> {
        self.list::<WirePool, _>(&Route::Pools).await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, TrueNasError> {
        self.list::<WireAlert, _>(&Route::Alerts).await
    }

    async fn run_snapshot_task(&self, id: i64) -> Result<Option<JobId>, TrueNasError> {
        let route = Route::RunSnapshotTask { id };
        let _: serde::de::IgnoredAny = self.post(&route, None).await?;
        Ok(None)
    }

    async fn run_replication_task(&self, id: i64) -> Result<JobId, TrueNasError> {
        let (path, body) = self.differences().await?.run_replication(id);
        let route = Route::RunReplicationTask { path };
        self.post(&route, body.as_ref()).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, TrueNasError> {
        let jobs: Vec<Job> = self.list::<WireJob, _>(&Route::Job { id }).await?;
        Ok(jobs.into_iter().find(|job| job.id == id))
    }

    async fn shut_down(&self, reason: &str) -> Result<(), TrueNasError> {
        let body = self.differences().await?.shutdown_body(reason);
        let _: serde::de::IgnoredAny = self.post(&Route::Shutdown, Some(&body)).await?;
        Ok(())
    }
}
