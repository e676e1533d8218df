use serde::Deserialize;

use super::{WireTime, present};
use crate::{Pool, Scan, ScanFunction, ScanState};

/// An entry of `pool.query`.
#[derive(Debug, Deserialize)]
pub(crate) struct WirePool {
    name: String,
    status: String,
    healthy: bool,
    warning: bool,
    status_detail: Option<String>,
    #[serde(deserialize_with = "present")]
    scan: Option<WireScan>,
}

#[derive(Debug, Deserialize)]
struct WireScan {
    function: String,
    state: String,
    percentage: Option<f64>,
    start_time: Option<WireTime>,
    end_time: Option<WireTime>,
    pause: Option<WireTime>,
    errors: Option<u64>,
}

impl From<WirePool> for Pool {
    fn from(wire: WirePool) -> Self {
        Self {
            name: wire.name,
            status: wire.status,
            healthy: wire.healthy,
            warning: wire.warning,
            status_detail: wire.status_detail,
            scan: wire.scan.map(Scan::from),
        }
    }
}

impl From<WireScan> for Scan {
    fn from(wire: WireScan) -> Self {
        Self {
            function: match wire.function.as_str() {
                "SCRUB" => ScanFunction::Scrub,
                "RESILVER" => ScanFunction::Resilver,
                _ => ScanFunction::Other(wire.function),
            },
            state: match wire.state.as_str() {
                "SCANNING" => ScanState::Scanning,
                "FINISHED" => ScanState::Finished,
                "CANCELED" => ScanState::Canceled,
                _ => ScanState::Other(wire.state),
            },
            percentage: wire.percentage,
            started: wire.start_time.map(|time| time.0),
            ended: wire.end_time.map(|time| time.0),
            paused_since: wire.pause.map(|time| time.0),
            errors: wire.errors,
        }
    }
}
