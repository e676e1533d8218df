//! The client that finds out what a NAS speaks.

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tracing::debug;

use crate::differences::Differences;
use crate::{
    Alert, Job, JobId, JsonRpcClient, NasOptions, Pool, ReplicationChanges, ReplicationTask,
    RestClient, Snapshot, SnapshotQuery, SnapshotTask, System, SystemState, Transport, TrueNas,
    TrueNasError,
};

/// A TrueNAS of any version, spoken to in the way that it says is its own: JSON-RPC if it has that,
/// and REST only if it has not.
///
/// The NAS says so once, before the first question, and without the key: either it opens the
/// WebSocket of the API, or it has nothing there (SCALE until 24.10) or leads from there to its web
/// page (CORE). Any other answer (a failure, a page of somebody else) is an error, and never a reason
/// to take REST: a NAS that has JSON-RPC complains to its owner about those who still speak REST,
/// and lets only full administrators do so.
#[derive(Debug)]
pub struct NasClient {
    rest: RestClient,
    json_rpc: JsonRpcClient,
    chosen: OnceCell<Transport>,
}

impl NasClient {
    /// Prepares the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TrueNasError::NotHttps`] and [`TrueNasError::InvalidUrl`] for the address,
    /// [`TrueNasError::InvalidKey`] for the key, [`TrueNasError::TrustFile`] for the certificates
    /// to trust, [`TrueNasError::Setup`] if this machine cannot do TLS with them.
    pub fn new(options: NasOptions) -> Result<Self, TrueNasError> {
        Ok(Self {
            rest: RestClient::new(options.clone())?,
            json_rpc: JsonRpcClient::new(options)?,
            chosen: OnceCell::new(),
        })
    }

    async fn nas(&self) -> Result<&dyn TrueNas, TrueNasError> {
        Ok(match self.transport().await? {
            Transport::Rest => &self.rest,
            Transport::JsonRpc => &self.json_rpc,
        })
    }
}

#[async_trait]
impl TrueNas for NasClient {
    fn url(&self) -> String {
        self.rest.url()
    }

    async fn api_versions(&self) -> Result<Vec<String>, TrueNasError> {
        self.rest.api_versions().await
    }

    async fn transport(&self) -> Result<Transport, TrueNasError> {
        let ask = || async {
            let transport = if self.json_rpc.is_there().await? {
                Transport::JsonRpc
            } else {
                Transport::Rest
            };
            debug!(?transport, "what the NAS speaks");
            Ok(transport)
        };
        self.chosen.get_or_try_init(ask).await.copied()
    }

    async fn state(&self) -> Result<SystemState, TrueNasError> {
        self.nas().await?.state().await
    }

    async fn system(&self) -> Result<System, TrueNasError> {
        let system = self.nas().await?.system().await?;
        if self.transport().await? == Transport::Rest
            && Differences::of(&system.version).has_json_rpc()
            && system.version.release().is_some()
        {
            return Err(TrueNasError::WrongApi {
                url: self.url(),
                reason: "it is of a version that has the JSON-RPC API, and yet does not name it \
                         (a proxy in between?)",
            });
        }
        Ok(system)
    }

    async fn snapshot_tasks(&self) -> Result<Vec<SnapshotTask>, TrueNasError> {
        self.nas().await?.snapshot_tasks().await
    }

    async fn replication_tasks(&self) -> Result<Vec<ReplicationTask>, TrueNasError> {
        self.nas().await?.replication_tasks().await
    }

    async fn replication_changes(&self) -> Result<Option<ReplicationChanges>, TrueNasError> {
        self.nas().await?.replication_changes().await
    }

    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError> {
        self.nas().await?.snapshots(query).await
    }

    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError> {
        self.nas().await?.pools().await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, TrueNasError> {
        self.nas().await?.alerts().await
    }

    async fn run_snapshot_task(&self, id: i64) -> Result<Option<JobId>, TrueNasError> {
        self.nas().await?.run_snapshot_task(id).await
    }

    async fn run_replication_task(&self, id: i64) -> Result<JobId, TrueNasError> {
        self.nas().await?.run_replication_task(id).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, TrueNasError> {
        self.nas().await?.job(id).await
    }

    async fn shut_down(&self, reason: &str) -> Result<(), TrueNasError> {
        self.nas().await?.shut_down(reason).await
    }
}
