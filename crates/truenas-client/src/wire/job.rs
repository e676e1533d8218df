use serde::Deserialize;
use serde_json::Value;

use super::WireTime;
use crate::{Job, JobId, JobState};

/// An entry of `core.get_jobs`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireJob {
    id: JobId,
    method: String,
    #[serde(default)]
    arguments: Vec<Value>,
    state: String,
    progress: Option<WireJobProgress>,
    error: Option<String>,
    time_started: Option<WireTime>,
    time_finished: Option<WireTime>,
}

#[derive(Debug, Deserialize)]
struct WireJobProgress {
    percent: Option<f64>,
    description: Option<String>,
}

impl From<WireJob> for Job {
    fn from(wire: WireJob) -> Self {
        // Runs that the NAS starts by itself have a job of the same method, whose further
        // arguments differ between versions; the first is the task in all of them.
        let replication_task = (wire.method == "replication.run")
            .then(|| wire.arguments.first().and_then(Value::as_i64))
            .flatten();
        let (progress_percent, progress_description) =
            wire.progress.map_or((None, None), |progress| {
                (progress.percent, progress.description)
            });
        Self {
            id: wire.id,
            method: wire.method,
            replication_task,
            state: JobState::parse(&wire.state),
            progress_percent,
            progress_description,
            error: wire.error,
            time_started: wire.time_started.map(|time| time.0),
            time_finished: wire.time_finished.map(|time| time.0),
        }
    }
}
