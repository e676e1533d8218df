//! The status of NAS, for people.

use std::fmt::Write as _;

use backup_window::nas_status::{NasStatus, ReplicationStatus, SnapshotTaskStatus};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use truenas_client::{Alert, Pool, ScanFunction, ScanState, SnapshotName, Transport, Verdict};

use super::{Document, Shown};
use crate::table::table;

pub(super) fn render(document: &Document) -> String {
    let nas: Vec<String> = document.nas.iter().map(of_nas).collect();
    nas.join("\n\n")
}

fn of_nas(shown: &Shown) -> String {
    let Shown { nas, url, .. } = shown;
    let Some(status) = &shown.status else {
        let why = shown.problem.as_deref().unwrap_or("no reason given");
        return format!("{nas} NAS {url} is not answering: {why}");
    };
    let time_zone = TimeZone::get(&status.time_zone).unwrap_or(TimeZone::UTC);
    let transport = match shown.transport {
        Some(Transport::Rest) => ", over REST",
        Some(Transport::JsonRpc) => ", over JSON-RPC",
        _ => "",
    };
    let mut text = format!(
        "{nas} NAS {url}: {} ({}{transport}), {} by its clock in {}\n",
        status.hostname,
        status.version,
        time(Some(status.datetime), &time_zone),
        status.time_zone
    );
    let heading = [
        "",
        "TASK",
        "LAST RUN",
        "LAST SNAPSHOT",
        "AGE",
        "NEXT RUN",
        "VERDICT",
    ];
    let rows = status
        .replications
        .iter()
        .map(|task| replication(task, &time_zone))
        .chain(
            status
                .snapshot_tasks
                .iter()
                .map(|task| snapshots(task, &time_zone)),
        );
    text.push_str(&table(heading, rows));
    for line in reasons(status).chain(health(status)) {
        let _ = write!(text, "\n{line}");
    }
    text
}

fn replication(task: &ReplicationStatus, time_zone: &TimeZone) -> [String; 7] {
    [
        mark(task.needs_attention),
        format!("replication \"{}\"", task.name),
        time(task.last_run, time_zone),
        name(task.last_snapshot.as_ref()),
        age(task.age_seconds),
        time(task.next_run, time_zone),
        match &task.verdict {
            // Which snapshot it is stands beside it.
            Verdict::Fresh { .. } => "fresh".to_owned(),
            verdict => verdict.to_string(),
        },
    ]
}

fn snapshots(task: &SnapshotTaskStatus, time_zone: &TimeZone) -> [String; 7] {
    [
        mark(task.needs_attention),
        format!("snapshots of {}", task.dataset),
        time(task.last_run, time_zone),
        name(task.last_snapshot.as_ref()),
        age(task.age_seconds),
        time(task.next_run, time_zone),
        task.verdict.to_string(),
    ]
}

fn mark(needs_attention: bool) -> String {
    if needs_attention { "!" } else { "" }.to_owned()
}

fn name(snapshot: Option<&SnapshotName>) -> String {
    snapshot.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn time(time: Option<Timestamp>, time_zone: &TimeZone) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| {
            let local = time.to_zoned_datetime(time_zone.clone());
            local.strftime("%Y-%m-%d %H:%M").to_string()
        },
    )
}

/// In the two largest units.
fn age(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Why replications are judged so, where somebody should look.
fn reasons(status: &NasStatus) -> impl Iterator<Item = String> {
    let troubled = status
        .replications
        .iter()
        .filter(|task| task.needs_attention);
    troubled
        .filter(|task| !task.reasons.is_empty())
        .map(|task| format!("! \"{}\": {}", task.name, task.reasons.join("; ")))
}

fn health(status: &NasStatus) -> impl Iterator<Item = String> {
    let unknown = status
        .not_known
        .iter()
        .map(|what| format!("! not known: {what}"));
    let alerts = status.alerts.iter().map(alert);
    let pools = status.pools.iter().map(pool);
    unknown.chain(alerts).chain(pools)
}

fn alert(alert: &Alert) -> String {
    let dismissed = if alert.dismissed { ", dismissed" } else { "" };
    // TrueNAS writes some of them in HTML, and over several lines.
    let text = alert.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "{} alert ({}{dismissed}): {text}",
        mark_or_space(alert.needs_attention()),
        alert.level
    )
}

fn pool(pool: &Pool) -> String {
    let mut text = format!(
        "{} pool {}: {}",
        mark_or_space(backup_window::nas_status::pool_needs_attention(pool)),
        pool.name,
        pool.status
    );
    if pool.warning {
        text.push_str(", with a warning");
    }
    if let Some(detail) = &pool.status_detail {
        let _ = write!(text, ", {detail}");
    }
    if let Some(scan) = &pool.scan {
        let what = match &scan.function {
            ScanFunction::Scrub => "scrub",
            ScanFunction::Resilver => "resilver",
            ScanFunction::Other(other) => other,
            _ => "scan",
        };
        let _ = match (&scan.state, scan.percentage) {
            (ScanState::Scanning, Some(percent)) => {
                write!(text, "; a {what} runs, {percent:.0} % done")
            }
            (ScanState::Scanning, None) => write!(text, "; a {what} runs"),
            (ScanState::Finished, _) => {
                let ended = scan
                    .ended
                    .map_or_else(String::new, |at| format!(" at {at:.0}"));
                let errors = scan.errors.unwrap_or_default();
                write!(text, "; the last {what} ended{ended} with {errors} errors")
            }
            (ScanState::Canceled, _) => write!(text, "; the last {what} was ended by somebody"),
            (other, _) => write!(text, "; what its {what} does is not known here: {other:?}"),
        };
    }
    text
}

fn mark_or_space(needs_attention: bool) -> &'static str {
    if needs_attention { "!" } else { " " }
}
