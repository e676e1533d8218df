//! JSON-RPC 2.0 over WebSocket, as TrueNAS speaks it from 25.04 on.

mod connect;
mod failure;
mod login;
mod message;
mod session;

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell, Semaphore};

use crate::differences::{Differences, Login};
use crate::https::Connection;
use crate::paging::{PAGE_ENTRIES, Pages, Turn};
use crate::retry::{self, Failed};
use crate::wire::{
    self, WireAlert, WireJob, WirePool, WireReplicationTask, WireSnapshot, WireSnapshotTask,
    WireSystem,
};
use crate::{
    Alert, Job, JobId, NasOptions, Pool, ReplicationChanges, ReplicationTask, Snapshot,
    SnapshotQuery, SnapshotTask, System, SystemState, Transport, TrueNas, TrueNasError, Version,
};
use connect::Connector;
use session::{Ending, Session};

/// TrueNAS works on ten calls of a connection at once, lets ten more wait, and refuses the others.
const CONCURRENT_CALLS: usize = 10;

/// A TrueNAS behind JSON-RPC 2.0.
///
/// One connection serves all questions, and is made (and the key shown) when the first is asked, or
/// the first after it was lost. Questions are asked again, up to five times with growing pauses and
/// within [`Timeouts::total`](crate::Timeouts::total), when no connection comes about, it breaks,
/// or the NAS is busy or starting. Nothing else is, and no call that changes anything.
///
/// The proxies that the environment names (`HTTPS_PROXY`, …) are not used.
#[derive(Debug)]
pub struct JsonRpcClient {
    options: NasOptions,
    connector: Connector,
    /// For the one thing that is asked over plain HTTPS: which versions of the API there are.
    https: Connection,
    session: Mutex<Option<Arc<Session>>>,
    differences: OnceCell<Differences>,
    at_once: Semaphore,
}

/// Whether a call may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It asks.
    Ask,
    /// It changes something.
    Act,
}

impl JsonRpcClient {
    /// Prepares the client. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`RestClient::new`](crate::RestClient::new).
    pub fn new(options: NasOptions) -> Result<Self, TrueNasError> {
        let address = options.checked()?;
        Ok(Self {
            connector: Connector::new(address, options.trust.clone(), options.timeouts)?,
            https: Connection::new(options.clone())?,
            options,
            session: Mutex::new(None),
            differences: OnceCell::new(),
            at_once: Semaphore::new(CONCURRENT_CALLS),
        })
    }

    /// Whether the NAS has this API at all. If so, the connection is made, and the key shown.
    pub(crate) async fn is_there(&self) -> Result<bool, TrueNasError> {
        let (request, total) = (self.connector.request(), self.options.timeouts.total);
        let opened = retry::until_answered(&request, total, || async {
            self.session().await.map_err(Failed::harmlessly)
        });
        match opened.await {
            Ok(_) => Ok(true),
            // SCALE has nothing there, and CORE leads from all that it has not to its web page.
            Err(TrueNasError::NotFound { .. }) => Ok(false),
            Err(TrueNasError::Redirect { to, .. }) if self.https.is_web_page(&to) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells what is known of the NAS already.
    fn knows(&self, differences: Differences) {
        // What was found out before is the same.
        let _ = self.differences.set(differences);
    }

    async fn differences(&self) -> Result<Differences, TrueNasError> {
        let ask = || async {
            let version: String = self.ask("system.version", vec![]).await?;
            Ok(Differences::of(&Version::parse(&version)))
        };
        self.differences.get_or_try_init(ask).await.copied()
    }

    fn shown(&self, method: &str) -> String {
        format!("{method} at {}", self.connector.address)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Vec<Value>,
    ) -> Result<T, TrueNasError> {
        let answer = self.call(Purpose::Ask, method, arguments).await?;
        self.read(method, answer)
    }

    async fn act<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Vec<Value>,
    ) -> Result<T, TrueNasError> {
        let answer = self.call(Purpose::Act, method, arguments).await?;
        self.read(method, answer)
    }

    fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        answer: Value,
    ) -> Result<T, TrueNasError> {
        wire::read_value(answer).map_err(|wire::Misfit { at, what }| TrueNasError::Shape {
            request: self.shown(method),
            what,
            at,
        })
    }

    /// Asks for everything of a kind.
    async fn list<W, T>(&self, method: &'static str) -> Result<Vec<T>, TrueNasError>
    where
        W: DeserializeOwned,
        T: From<W>,
    {
        let wire: Vec<W> = self.ask(method, vec![]).await?;
        Ok(wire.into_iter().map(T::from).collect())
    }

    /// Calls a method, again if it only asks and that may help.
    async fn call(
        &self,
        purpose: Purpose,
        method: &'static str,
        arguments: Vec<Value>,
    ) -> Result<Value, TrueNasError> {
        let (request, total) = (self.shown(method), self.options.timeouts.total);
        retry::until_answered(&request, total, || async {
            // A connection may have been lost long ago, unnoticed; making one changes nothing.
            let session = self.session().await.map_err(Failed::harmlessly)?;
            let called = self.call_once(&session, method, arguments.clone()).await;
            called.map_err(|error| Failed {
                error,
                may_repeat: purpose == Purpose::Ask,
            })
        })
        .await
    }

    async fn call_once(
        &self,
        session: &Session,
        method: &'static str,
        arguments: Vec<Value>,
    ) -> Result<Value, TrueNasError> {
        let request = self.shown(method);
        let after = self.options.timeouts.request;
        let call = async {
            // It is never closed.
            let _turn = self.at_once.acquire().await;
            session.call(method, arguments).await
        };
        match tokio::time::timeout(after, call).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(error.into_error(&request)),
            Ok(Err(ending)) => Err(ended(&ending, request)),
            Err(_) => Err(TrueNasError::Timeout {
                request,
                after,
                source: None,
            }),
        }
    }

    /// The connection, made anew if there is none or it has ended. Whoever comes meanwhile waits
    /// for the same one, so that the key is shown once.
    async fn session(&self) -> Result<Arc<Session>, TrueNasError> {
        let mut current = self.session.lock().await;
        if let Some(session) = current
            .as_ref()
            .filter(|session| session.ending().is_none())
        {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let session = Arc::new(Session::over(self.connector.connect().await?));
        self.log_in(&session).await?;
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn log_in(&self, session: &Session) -> Result<(), TrueNasError> {
        let user = self.options.user.as_deref();
        let login = match self.differences.get() {
            Some(differences) => differences.login(user.is_some()),
            // Tried, and told apart by how it fails.
            None if user.is_some() => Login::WithUser,
            None => Login::KeyAlone,
        };
        let url = self.connector.address.to_string();
        if login == Login::UserMissing {
            return Err(TrueNasError::UserMissing { url });
        }
        let (method, arguments) = login::call(login, user, self.options.key());
        let answer = self.call_once(session, method, arguments).await;
        login::outcome(answer, &url)
    }
}

/// What it means for a call that the connection has ended before its answer came.
fn ended(ending: &Ending, request: String) -> TrueNasError {
    match ending {
        Ending::Closed { code, reason } => TrueNasError::Closed {
            request,
            code: *code,
            reason: reason.clone(),
        },
        Ending::Broken(error) => connect::broken(error, &request),
        Ending::Silent => TrueNasError::Broken {
            request,
            source: "the NAS has fallen silent".into(),
        },
        Ending::Unneeded => TrueNasError::Broken {
            request,
            source: "the connection was given up".into(),
        },
    }
}

#[async_trait]
impl TrueNas for JsonRpcClient {
    fn url(&self) -> String {
        self.connector.address.to_string()
    }

    async fn api_versions(&self) -> Result<Vec<String>, TrueNasError> {
        self.https.api_versions().await
    }

    async fn transport(&self) -> Result<Transport, TrueNasError> {
        Ok(Transport::JsonRpc)
    }

    async fn state(&self) -> Result<SystemState, TrueNasError> {
        let word = self.ask("system.state", vec![]).await?;
        Ok(SystemState::parse(word))
    }

    async fn system(&self) -> Result<System, TrueNasError> {
        let info = self.ask::<WireSystem>("system.info", vec![]);
        let boot_id = self.ask::<String>("system.boot_id", vec![]);
        let (info, boot_id) = tokio::try_join!(info, boot_id)?;
        let system = info.with_boot_id(Some(boot_id));
        self.knows(Differences::of(&system.version));
        Ok(system)
    }

    async fn snapshot_tasks(&self) -> Result<Vec<SnapshotTask>, TrueNasError> {
        self.list::<WireSnapshotTask, _>("pool.snapshottask.query")
            .await
    }

    async fn replication_tasks(&self) -> Result<Vec<ReplicationTask>, TrueNasError> {
        self.list::<WireReplicationTask, _>("replication.query")
            .await
    }

    async fn replication_changes(&self) -> Result<Option<ReplicationChanges>, TrueNasError> {
        let session = self.session().await?;
        let (sender, changes) = ReplicationChanges::channel();
        // First, so that nothing is missed between the two.
        session.listen(sender);
        let arguments = vec![json!("replication.query")];
        self.call_once(&session, "core.subscribe", arguments)
            .await?;
        Ok(Some(changes.over(session)))
    }

    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError> {
        let method = self.differences().await?.snapshot_query();
        let filters = filters(query);
        let mut pages = Pages::of(PAGE_ENTRIES);
        loop {
            let page = pages.page();
            let options = json!({ "order_by": ["id"], "limit": page.limit, "offset": page.offset });
            let entries: Vec<WireSnapshot> =
                self.ask(method, vec![filters.clone(), options]).await?;
            match WireSnapshot::turn(&mut pages, entries, query) {
                Turn::Next(_) => {}
                Turn::Done => return Ok(WireSnapshot::in_order(pages)),
                Turn::GiveUp => {
                    return Err(TrueNasError::Moving {
                        request: self.shown(method),
                    });
                }
            }
        }
    }

    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError> {
        self.list::<WirePool, _>("pool.query").await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, TrueNasError> {
        self.list::<WireAlert, _>("alert.list").await
    }

    async fn run_snapshot_task(&self, id: i64) -> Result<Option<JobId>, TrueNasError> {
        // The number of a job, or what the method returned (nothing of use) where it is none.
        let answer: Value = self.act("pool.snapshottask.run", vec![json!(id)]).await?;
        Ok(answer.as_i64())
    }

    async fn run_replication_task(&self, id: i64) -> Result<JobId, TrueNasError> {
        self.act("replication.run", vec![json!(id)]).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, TrueNasError> {
        let filters = json!([["id", "=", id]]);
        let jobs: Vec<WireJob> = self.ask("core.get_jobs", vec![filters]).await?;
        let mut jobs = jobs.into_iter().map(Job::from);
        Ok(jobs.find(|job| job.id == id))
    }

    async fn shut_down(&self, reason: &str) -> Result<(), TrueNasError> {
        let _: Value = self.act("system.shutdown", vec![json!(reason)]).await?;
        Ok(())
    }
}

/// A query in the filters of the API.
fn filters(query: &SnapshotQuery) -> Value {
    let SnapshotQuery {
        dataset,
        name,
        names_from,
        since: _,
    } = query;
    let filter = |field: &str, operation: &str, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(json!([field, operation, value]))
    };
    [
        filter("dataset", "=", dataset),
        filter("snapshot_name", "=", name),
        filter("snapshot_name", ">=", names_from),
    ]
    .into_iter()
    .flatten()
    .collect()
}
