//! The tasks that a simulated NAS is made with.

use std::time::Duration;

use serde_json::{Value, json};

/// A schedule as it is shown. When a task runs is told by its `every` or by what it follows:
/// nights in the lab are too short for minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimSchedule {
    /// The minutes, as cron writes them.
    pub minute: String,
    /// The hours.
    pub hour: String,
    /// The days of the month.
    pub dom: String,
    /// The months.
    pub month: String,
    /// The days of the week.
    pub dow: String,
    /// From when on in a day, `HH:MM`.
    pub begin: String,
    /// Until when.
    pub end: String,
}

impl SimSchedule {
    /// Every day at this time.
    #[must_use]
    pub fn daily(hour: u8, minute: u8) -> Self {
        Self {
            minute: minute.to_string(),
            hour: hour.to_string(),
            dom: "*".to_owned(),
            month: "*".to_owned(),
            dow: "*".to_owned(),
            begin: "00:00".to_owned(),
            end: "23:59".to_owned(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "minute": self.minute, "hour": self.hour, "dom": self.dom, "month": self.month,
            "dow": self.dow, "begin": self.begin, "end": self.end,
        })
    }
}

/// A periodic snapshot task.
#[derive(Debug, Clone)]
pub struct SimSnapshotTask {
    /// Its number.
    pub id: i64,
    /// What it takes snapshots of.
    pub dataset: String,
    /// Whether the children of the dataset are included.
    pub recursive: bool,
    /// The children that are not.
    pub exclude: Vec<String>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// How often it runs: for the first time so long after the NAS is switched on. `None` if it
    /// runs only when it is told to.
    pub every: Option<Duration>,
    /// When it says that it runs.
    pub schedule: SimSchedule,
    /// How its snapshots are named. Unlike the original's default, ours has seconds, because
    /// nights in the lab are short. A name that exists already is not taken again.
    pub naming_schema: String,
    /// How many of `lifetime_unit` its snapshots are kept.
    pub lifetime_value: u32,
    /// `HOUR`, `DAY`, `WEEK`, `MONTH` or `YEAR`.
    pub lifetime_unit: String,
}

impl SimSnapshotTask {
    /// A recursive task that runs only when it is told to.
    #[must_use]
    pub fn new(id: i64, dataset: &str) -> Self {
        Self {
            id,
            dataset: dataset.to_owned(),
            recursive: true,
            exclude: Vec::new(),
            enabled: true,
            every: None,
            schedule: SimSchedule::daily(3, 15),
            naming_schema: "auto-%Y-%m-%d_%H-%M-%S".to_owned(),
            lifetime_value: 2,
            lifetime_unit: "WEEK".to_owned(),
        }
    }

    /// Runs by itself.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.every = Some(period);
        self
    }

    /// Says that it runs then.
    #[must_use]
    pub fn schedule(mut self, schedule: SimSchedule) -> Self {
        self.schedule = schedule;
        self
    }
}

/// A replication task.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the settings that TrueNAS has"
)]
pub struct SimReplication {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The datasets that it sends: at least one.
    pub sources: Vec<String>,
    /// What that becomes on the other NAS. Of several sources, the paths below their common root
    /// are appended.
    pub target_dataset: String,
    /// Whether the children of the sources are included.
    pub recursive: bool,
    /// The children that are not.
    pub exclude: Vec<String>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// Whether it runs by itself.
    pub auto: bool,
    /// The snapshot tasks after which it runs. Without any, it runs only when it is told to.
    pub snapshot_tasks: Vec<i64>,
    /// When it says that it runs, if it does not follow snapshot tasks.
    pub schedule: Option<SimSchedule>,
    /// When it says that it may run.
    pub restrict_schedule: Option<SimSchedule>,
    /// Whether it sends only the snapshots of its schedule.
    pub only_matching_schedule: bool,
    /// The names of the snapshots that it sends, without snapshot tasks.
    pub naming_schema: Vec<String>,
    /// … and with them.
    pub also_include_naming_schema: Vec<String>,
    /// The same as a regular expression.
    pub name_regex: Option<String>,
    /// `PUSH` or `PULL`. The snapshots go from this NAS to the other in any case.
    pub direction: String,
    /// `SSH`, `SSH+NETCAT` or `LOCAL`.
    pub transport: String,
    /// `SOURCE`, `CUSTOM` or `NONE`.
    pub retention_policy: String,
    /// How many of what the snapshots are kept on the other side, if that is `CUSTOM`.
    pub lifetime: Option<(u32, String)>,
    /// `SET`, `REQUIRE` or `IGNORE`.
    pub readonly: String,
    /// With what it finishes that is not quite right.
    pub warnings: Vec<String>,
    /// How long it waits before it runs, as if for another task.
    pub waits: Duration,
    /// How long it runs.
    pub takes: Duration,
    /// How long it tries to reach the other NAS before it ends in an error.
    pub gives_up_after: Duration,
}

impl SimReplication {
    /// A recursive task that runs when it is told to, for half a second, and gives up after two.
    #[must_use]
    pub fn new(id: i64, name: &str, source: &str, target_dataset: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            sources: vec![source.to_owned()],
            target_dataset: target_dataset.to_owned(),
            recursive: true,
            exclude: Vec::new(),
            enabled: true,
            auto: false,
            snapshot_tasks: Vec::new(),
            schedule: None,
            restrict_schedule: None,
            only_matching_schedule: false,
            naming_schema: Vec::new(),
            also_include_naming_schema: Vec::new(),
            name_regex: None,
            direction: "PUSH".to_owned(),
            transport: "SSH".to_owned(),
            retention_policy: "SOURCE".to_owned(),
            lifetime: None,
            readonly: "SET".to_owned(),
            warnings: Vec::new(),
            waits: Duration::ZERO,
            takes: Duration::from_millis(500),
            gives_up_after: Duration::from_secs(2),
        }
    }

    /// Sends this dataset, too.
    #[must_use]
    pub fn and(mut self, source: &str) -> Self {
        self.sources.push(source.to_owned());
        self
    }

    /// Runs by itself after the snapshot task of this number.
    #[must_use]
    pub fn after(mut self, snapshot_task: i64) -> Self {
        self.snapshot_tasks.push(snapshot_task);
        self.auto = true;
        self
    }

    /// Runs so long.
    #[must_use]
    pub fn takes(mut self, duration: Duration) -> Self {
        self.takes = duration;
        self
    }

    /// Whether it sends this dataset.
    pub(super) fn includes(&self, dataset: &str) -> bool {
        let excluded = |dataset: &str| {
            self.exclude
                .iter()
                .any(|root| dataset == root || is_within(dataset, root))
        };
        self.sources.iter().any(|source| {
            dataset == source || self.recursive && is_within(dataset, source) && !excluded(dataset)
        })
    }

    /// What one of its datasets becomes on the other NAS.
    pub(super) fn target_of(&self, dataset: &str) -> String {
        let root = common_root(&self.sources);
        let rest = dataset
            .strip_prefix(root.as_str())
            .unwrap_or(dataset)
            .trim_start_matches('/');
        if rest.is_empty() {
            self.target_dataset.clone()
        } else {
            format!("{}/{rest}", self.target_dataset)
        }
    }
}

/// The longest path that all of these begin with.
fn common_root(datasets: &[String]) -> String {
    let mut datasets = datasets.iter();
    let mut root: Vec<&str> = datasets
        .next()
        .map(|first| first.split('/').collect())
        .unwrap_or_default();
    for dataset in datasets {
        let same = root
            .iter()
            .zip(dataset.split('/'))
            .take_while(|(a, b)| *a == b)
            .count();
        root.truncate(same);
    }
    root.join("/")
}

/// Whether `dataset` is a descendant of `ancestor`.
pub(super) fn is_within(dataset: &str, ancestor: &str) -> bool {
    dataset
        .strip_prefix(ancestor)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sources_keep_their_paths_below_what_they_have_in_common() {
        let one = SimReplication::new(1, "one", "tank/a", "dozer/b");
        assert_eq!(one.target_of("tank/a"), "dozer/b");
        assert_eq!(one.target_of("tank/a/c"), "dozer/b/c");
        let two = one.clone().and("tank/ab");
        assert_eq!(two.target_of("tank/a"), "dozer/b/a");
        assert_eq!(two.target_of("tank/ab/c"), "dozer/b/ab/c");
        let apart = one.and("fast/c");
        assert_eq!(apart.target_of("fast/c"), "dozer/b/fast/c");
    }

    #[test]
    fn children_are_included_unless_they_are_excluded() {
        let mut task = SimReplication::new(1, "one", "tank/a", "dozer/b");
        task.exclude = vec!["tank/a/x".to_owned()];
        for (dataset, included) in [
            ("tank/a", true),
            ("tank/a/b", true),
            ("tank/ab", false),
            ("tank/a/x", false),
            ("tank/a/x/y", false),
            ("tank/a/xy", true),
        ] {
            assert_eq!(task.includes(dataset), included, "{dataset}");
        }
        task.recursive = false;
        assert!(!task.includes("tank/a/b"));
    }
}
