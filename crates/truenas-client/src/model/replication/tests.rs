use proptest::prelude::*;

use super::*;

fn task(sources: &[&str], target: &str) -> ReplicationTask {
    let mut task = ReplicationTask::new(1, "docker to backup", "", target);
    task.source_datasets = sources.iter().map(ToString::to_string).collect();
    task.recursive = true;
    task
}

fn target(sources: &[&str], target_dataset: &str, source: &str) -> Option<String> {
    task(sources, target_dataset).target_of(source)
}

#[test]
fn one_source_becomes_the_target() {
    assert_eq!(
        target(&["tank/docker"], "dozer/docker", "tank/docker").as_deref(),
        Some("dozer/docker")
    );
    assert_eq!(target(&["tank"], "dozer", "tank").as_deref(), Some("dozer"));
    assert_eq!(
        target(&["tank/docker"], "dozer/copies/d", "tank/docker/a/b").as_deref(),
        Some("dozer/copies/d/a/b")
    );
}

#[test]
fn several_sources_keep_what_they_do_not_share() {
    let sources = ["tank/vm/a", "tank/vm/b/c"];
    assert_eq!(
        target(&sources, "dozer/vm", "tank/vm/a").as_deref(),
        Some("dozer/vm/a")
    );
    assert_eq!(
        target(&sources, "dozer/vm", "tank/vm/b/c/d").as_deref(),
        Some("dozer/vm/b/c/d")
    );
    // Names that merely begin alike share nothing.
    let alike = ["tank/data", "tank/data2"];
    assert_eq!(
        target(&alike, "dozer", "tank/data2").as_deref(),
        Some("dozer/data2")
    );
    // A dataset and its child: the dataset is the common parent, and becomes the target.
    let nested = ["tank/a", "tank/a/b"];
    assert_eq!(
        target(&nested, "dozer/t", "tank/a").as_deref(),
        Some("dozer/t")
    );
    assert_eq!(
        target(&nested, "dozer/t", "tank/a/b").as_deref(),
        Some("dozer/t/b")
    );
    // Two pools.
    let pools = ["tank", "flash/a"];
    assert_eq!(
        target(&pools, "dozer/all", "tank").as_deref(),
        Some("dozer/all/tank")
    );
    assert_eq!(
        target(&pools, "dozer/all", "flash/a").as_deref(),
        Some("dozer/all/flash/a")
    );
}

#[test]
fn what_is_not_replicated_has_no_target() {
    assert_eq!(target(&["tank/docker"], "dozer", "tank"), None);
    assert_eq!(target(&["tank/docker"], "dozer", "tank/docker2"), None);
    assert_eq!(target(&[], "dozer", "tank"), None);
    let flat = ReplicationTask {
        recursive: false,
        ..task(&["tank/docker"], "dozer")
    };
    assert_eq!(flat.target_of("tank/docker/a"), None);
    assert_eq!(flat.target_of("tank/docker").as_deref(), Some("dozer"));
    let excluding = ReplicationTask {
        exclude: vec!["tank/docker/cache".to_owned()],
        ..task(&["tank/docker"], "dozer")
    };
    assert_eq!(excluding.target_of("tank/docker/cache/x"), None);
    assert_eq!(
        excluding.target_of("tank/docker/cached").as_deref(),
        Some("dozer/cached")
    );
}

#[test]
fn since_when_it_runs_is_the_jobs_start_or_else_the_last_progress() {
    let [started, progressed] = [100, 200].map(|second| Timestamp::from_second(second).unwrap());
    let job = |state| {
        let mut job = Job::new(7, "replication.run", state);
        job.time_started = Some(started);
        job
    };
    let mut task = task(&["tank"], "dozer");
    assert_eq!(task.running_since(), None);
    task.state = TaskState::Running {
        at: Some(progressed),
        progress: None,
    };
    assert_eq!(
        task.running_since(),
        Some(RunningSince::LastProgress(progressed))
    );
    task.job = Some(job(JobState::Success));
    assert_eq!(
        task.running_since(),
        Some(RunningSince::LastProgress(progressed)),
        "an older run's job"
    );
    task.job = Some(job(JobState::Running));
    assert_eq!(task.running_since(), Some(RunningSince::Started(started)));
}

proptest! {
    #[test]
    fn targets_differ_where_sources_do(
        sources in prop::collection::hash_set("[ab](/[ab]){0,3}", 1..4),
        children in prop::collection::vec("(/[ab]){0,2}", 2),
    ) {
        let sources: Vec<String> = sources.into_iter().collect();
        let listed: Vec<&str> = sources.iter().map(String::as_str).collect();
        let task = task(&listed, "dozer/t");
        let datasets: Vec<String> = sources.iter().flat_map(|source| {
            children.iter().map(move |child| format!("{source}{child}"))
        }).collect();
        for a in &datasets {
            for b in &datasets {
                let targets = (task.target_of(a).unwrap(), task.target_of(b).unwrap());
                prop_assert!(is_within(&targets.0, "dozer/t"));
                prop_assert_eq!(a == b, targets.0 == targets.1);
            }
        }
    }
}
