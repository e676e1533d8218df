//! Which snapshots are kept, and why: values in, verdicts out. Nothing is removed here.
//!
//! Counts win over age. A rule keeps the newest snapshots of so many days (weeks, months, years)
//! *that have any*, so nights that were missed never leave fewer than was asked for, and a stack
//! that is gone keeps what it had: nothing grows too old without something newer.

mod shrink;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub use self::shrink::Shrunk;
use crate::{Snapshot, SnapshotId};

/// The tag of a snapshot that lacks something: files that could not be read, or a copy that was
/// disturbed. It is kept like any other, but never counts as the last good one.
pub const TAG_INCOMPLETE: &str = "incomplete";

/// The tag of what a copy of a running stack left in the repository before the stack was stopped.
/// It is forgotten as soon as there is a snapshot after it.
pub const TAG_LIVE: &str = "live";

/// The tag of a snapshot that was taken of what a restore was about to replace. It is kept for a
/// time, and counts for nothing else.
pub const TAG_SAFETY: &str = "safety";

/// How many snapshots of a stack are kept. A rule of 0 keeps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest ones, however close together. Never less than 1 in effect.
    pub last: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks, which begin on Monday.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
}

impl Default for Keep {
    /// Nothing but the last ones: whoever gives rules says all of them.
    fn default() -> Self {
        Self {
            last: 1,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
        }
    }
}

/// What [`retain`] goes by.
#[derive(Debug, Clone)]
pub struct RetentionRules {
    /// How many are kept of each stack.
    pub keep: Keep,
    /// How long snapshots with [`TAG_SAFETY`] are kept.
    pub safety_for: Duration,
    /// How much smaller than before, in percent, a backup may be before forgetting pauses for its
    /// stack. 100 never pauses.
    pub shrink_alarm_percent: u8,
    /// Until when somebody has seen and accepted that a stack's backups shrank.
    pub accepted: BTreeMap<String, Timestamp>,
    /// The time zone in which days begin and end.
    pub time_zone: TimeZone,
    /// Only snapshots of this host are judged.
    pub host: String,
}

impl RetentionRules {
    /// Rules for a host, with a month for safety snapshots and an alarm at half the size.
    #[must_use]
    pub fn new(host: impl Into<String>, keep: Keep, time_zone: TimeZone) -> Self {
        Self {
            keep,
            safety_for: Duration::from_hours(30 * 24),
            shrink_alarm_percent: 50,
            accepted: BTreeMap::new(),
            time_zone,
            host: host.into(),
        }
    }
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It is one of the newest.
    Last,
    /// It is the newest good one of its day.
    Daily,
    /// It is the newest good one of its week.
    Weekly,
    /// It is the newest good one of its month.
    Monthly,
    /// It is the newest good one of its year.
    Yearly,
    /// It is the stack's last one that lacks nothing.
    LastGood,
    /// The stack's backups shrank, and nobody has accepted that yet.
    Paused,
    /// It is a safety snapshot, and not old enough.
    Safety,
    /// It is of a live copy that no snapshot has followed yet.
    NotReplaced,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Last => "last",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::LastGood => "last good",
            Self::Paused => "paused: it shrank",
            Self::Safety => "safety",
            Self::NotReplaced => "live, not replaced yet",
        })
    }
}

/// What is to become of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When its backup was started.
    pub time: Timestamp,
    /// Its stack.
    pub stack: String,
    /// Why it is kept, sorted. Empty for one that is to be forgotten.
    pub kept_for: Vec<Reason>,
}

impl Verdict {
    /// Whether it is to be forgotten.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.kept_for.is_empty()
    }
}

/// What [`retain`] decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Retention {
    /// A verdict on every snapshot of this host that this program made, oldest first. There is
    /// none on any other snapshot, and so it stays.
    pub verdicts: Vec<Verdict>,
    /// The stacks for which forgetting pauses.
    pub shrunk: Vec<Shrunk>,
}

impl Retention {
    /// The snapshots that are to be forgotten, oldest first.
    #[must_use]
    pub fn forgotten(&self) -> Vec<SnapshotId> {
        self.verdicts
            .iter()
            .filter(|verdict| verdict.is_forgotten())
            .map(|verdict| verdict.snapshot)
            .collect()
    }
}

/// Judges the snapshots of one host, stack by stack. `now` decides on safety snapshots only.
///
/// The newest good snapshot of each stack is always kept, and where there is none, the newest.
///
/// ```
/// use backup_store::{Keep, RetentionRules, retain};
/// use jiff::{Timestamp, tz::TimeZone};
///
/// let keep = Keep { last: 3, daily: 7, weekly: 4, ..Keep::default() };
/// let rules = RetentionRules::new("docker01", keep, TimeZone::UTC);
/// assert!(retain(&[], &rules, Timestamp::UNIX_EPOCH).forgotten().is_empty());
/// ```
#[must_use]
pub fn retain(snapshots: &[Snapshot], rules: &RetentionRules, now: Timestamp) -> Retention {
    let mut stacks: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
    let ours = |snapshot: &&Snapshot| snapshot.made_here && snapshot.host == rules.host;
    for snapshot in snapshots.iter().filter(ours) {
        stacks.entry(&snapshot.stack).or_default().push(snapshot);
    }
    let mut retention = Retention::default();
    for (stack, mut snapshots) in stacks {
        snapshots.sort_by_key(|snapshot| (snapshot.time, snapshot.id));
        judge_stack(stack, &snapshots, rules, now, &mut retention);
    }
    retention
        .verdicts
        .sort_by_key(|verdict| (verdict.time, verdict.snapshot));
    retention
}

/// `snapshots` are oldest first.
fn judge_stack(
    stack: &str,
    snapshots: &[&Snapshot],
    rules: &RetentionRules,
    now: Timestamp,
    retention: &mut Retention,
) {
    let is_live = |snapshot: &Snapshot| has_tag(snapshot, TAG_LIVE);
    let is_safety = |snapshot: &Snapshot| has_tag(snapshot, TAG_SAFETY);
    let regular: Vec<&Snapshot> = snapshots
        .iter()
        .copied()
        .filter(|snapshot| !is_live(snapshot) && !is_safety(snapshot))
        .collect();
    let shrunk = shrink::shrunk(stack, &regular, rules);
    let kept = keep_regular(&regular, rules);
    let newest_regular = regular.last().map(|snapshot| snapshot.time);
    let newest_live = snapshots.iter().rev().find(|snapshot| is_live(snapshot));
    for snapshot in snapshots {
        let mut kept_for = BTreeSet::new();
        if is_safety(snapshot) {
            let kept_since = SignedDuration::try_from(rules.safety_for)
                .ok()
                .and_then(|age| now.checked_sub(age).ok());
            if kept_since.is_none_or(|since| snapshot.time >= since) {
                kept_for.insert(Reason::Safety);
            }
        } else if is_live(snapshot) {
            let is_newest = newest_live.is_some_and(|newest| newest.id == snapshot.id);
            if is_newest && newest_regular.is_none_or(|newest| newest < snapshot.time) {
                kept_for.insert(Reason::NotReplaced);
            }
        } else {
            kept_for.extend(kept.get(&snapshot.id).into_iter().flatten());
            if shrunk.is_some() {
                kept_for.insert(Reason::Paused);
            }
        }
        retention.verdicts.push(Verdict {
            snapshot: snapshot.id,
            time: snapshot.time,
            stack: stack.to_owned(),
            kept_for: kept_for.into_iter().collect(),
        });
    }
    retention.shrunk.extend(shrunk);
}

fn has_tag(snapshot: &Snapshot, tag: &str) -> bool {
    snapshot.tags.iter().any(|own| own == tag)
}

/// Which day, week, month or year a date lies in: greater for later ones.
type Period = fn(Date) -> (i16, i16);

type Kept = BTreeMap<SnapshotId, BTreeSet<Reason>>;

/// `regular` are oldest first.
fn keep_regular(regular: &[&Snapshot], rules: &RetentionRules) -> Kept {
    let is_incomplete = |snapshot: &Snapshot| has_tag(snapshot, TAG_INCOMPLETE);
    let mut kept = Kept::new();
    let mut keep = |snapshot: &Snapshot, reason| {
        kept.entry(snapshot.id).or_default().insert(reason);
    };
    let last = usize::try_from(rules.keep.last.max(1)).unwrap_or(usize::MAX);
    for snapshot in regular.iter().rev().take(last) {
        keep(snapshot, Reason::Last);
    }
    let newest_good = regular
        .iter()
        .rev()
        .find(|snapshot| !is_incomplete(snapshot));
    if let Some(good) = newest_good {
        keep(good, Reason::LastGood);
    }
    let day = |snapshot: &Snapshot| {
        let local = snapshot.time.to_zoned_datetime(rules.time_zone.clone());
        local.date()
    };
    let periods: [(u32, Reason, Period); 4] = [
        (rules.keep.daily, Reason::Daily, |date| {
            (date.year(), date.day_of_year())
        }),
        (rules.keep.weekly, Reason::Weekly, |date| {
            let week = date.iso_week_date();
            (week.year(), week.week().into())
        }),
        (rules.keep.monthly, Reason::Monthly, |date| {
            (date.year(), date.month().into())
        }),
        (rules.keep.yearly, Reason::Yearly, |date| (date.year(), 0)),
    ];
    for (count, reason, period) in periods {
        // The newest good one stands for its period; where there is none, the newest at all.
        let mut newest: BTreeMap<(i16, i16), &Snapshot> = BTreeMap::new();
        for snapshot in regular {
            let known = newest.entry(period(day(snapshot))).or_insert(snapshot);
            if !is_incomplete(snapshot) || is_incomplete(known) {
                *known = snapshot;
            }
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for snapshot in newest.into_values().rev().take(count) {
            keep(snapshot, reason);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
