use proptest::prelude::*;

use super::*;
use crate::NamingSchema;

const SINCE: i64 = 1_000_000;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn snapshot(dataset: &str, name: &str, created: i64) -> Snapshot {
    Snapshot {
        dataset: dataset.to_owned(),
        name: name.to_owned(),
        created: time(created),
        guid: None,
    }
}

fn task(state: TaskState, last_snapshot: Option<&str>) -> ReplicationTask {
    let mut task = ReplicationTask::new(1, "docker to backup", "tank/docker", "dozer/docker");
    task.recursive = true;
    task.state = state;
    task.last_snapshot = last_snapshot.map(|name| name.parse().unwrap());
    task
}

fn finished_at(second: i64) -> TaskState {
    TaskState::Finished {
        at: time(second),
        warnings: Vec::new(),
    }
}

fn input(source_snapshots: Vec<Snapshot>) -> VerdictInput {
    VerdictInput {
        source_snapshots,
        ..VerdictInput::since(time(SINCE))
    }
}

fn tonight() -> VerdictInput {
    input(vec![
        snapshot("tank/docker", "auto-old", SINCE - 86_400),
        snapshot("tank/docker", "auto-new", SINCE + 60),
    ])
}

fn verdict(task: &ReplicationTask) -> Verdict {
    judge(Some(task), &tonight()).verdict
}

#[test]
fn a_new_snapshot_that_was_sent_since_is_fresh() {
    let task = task(finished_at(SINCE + 120), Some("tank/docker@auto-new"));
    let judgement = judge(Some(&task), &tonight());
    assert_eq!(
        judgement.verdict,
        Verdict::Fresh {
            snapshot: "tank/docker@auto-new".parse().unwrap(),
            created: time(SINCE + 60),
        }
    );
    insta::assert_json_snapshot!(judgement);
}

#[test]
fn a_snapshot_of_the_very_second_counts() {
    let task = task(finished_at(SINCE), Some("tank/docker@auto"));
    let exact = input(vec![snapshot("tank/docker", "auto", SINCE)]);
    assert!(judge(Some(&task), &exact).verdict.is_fresh());
    let just_before = input(vec![snapshot("tank/docker", "auto", SINCE - 1)]);
    assert_eq!(
        judge(Some(&task), &just_before).verdict,
        Verdict::NothingSent
    );
}

#[test]
fn finished_with_the_old_snapshot_means_that_nothing_was_sent() {
    assert_eq!(
        verdict(&task(
            finished_at(SINCE + 120),
            Some("tank/docker@auto-old")
        )),
        Verdict::NothingSent
    );
    assert_eq!(
        verdict(&task(finished_at(SINCE + 120), None)),
        Verdict::NothingSent
    );
}

#[test]
fn yesterdays_finish_is_stale_even_if_it_names_a_new_snapshot() {
    // A restart in the middle of tonight's run: the snapshot is known, the run has not ended.
    assert_eq!(
        verdict(&task(finished_at(SINCE - 1), Some("tank/docker@auto-new"))),
        Verdict::Stale {
            since: time(SINCE - 1)
        }
    );
}

#[test]
fn a_snapshot_that_nobody_has_seen_proves_nothing() {
    for name in [
        "tank/docker@auto-unheard-of",
        "tank/other@auto-new",
        "tank/docker2@auto-new",
    ] {
        let verdict = verdict(&task(finished_at(SINCE + 120), Some(name)));
        assert!(
            matches!(verdict, Verdict::Unknown { .. }),
            "{name}: {verdict:?}"
        );
    }
}

#[test]
fn the_name_tells_the_age_of_a_snapshot_that_is_not_listed() {
    let paris = TimeZone::get("Europe/Paris").unwrap();
    let named = |name: &str, since: &str| {
        let since: Timestamp = since.parse().unwrap();
        let state = TaskState::Finished {
            at: since,
            warnings: Vec::new(),
        };
        let mut task = task(state, Some(&format!("tank/docker@{name}")));
        task.naming_schemas = vec![NamingSchema::new("auto-%Y-%m-%d_%H-%M")];
        let input = VerdictInput {
            time_zone: Some(paris.clone()),
            ..VerdictInput::since(since)
        };
        judge(Some(&task), &input).verdict
    };
    let fresh = named("auto-2026-11-27_03-15", "2026-11-27T02:15:00Z");
    assert!(
        matches!(&fresh, Verdict::Fresh { created, .. } if created.to_string() == "2026-11-27T02:15:00Z"),
        "{fresh:?}"
    );
    assert_eq!(
        named("auto-2026-11-27_03-14", "2026-11-27T02:15:00Z"),
        Verdict::NothingSent
    );
    // Clocks are set back at 03:00 on that day: this is 00:30 or 01:30 in UTC.
    let twice = "auto-2026-10-25_02-30";
    assert!(named(twice, "2026-10-25T00:30:00Z").is_fresh());
    assert!(matches!(
        named(twice, "2026-10-25T01:00:00Z"),
        Verdict::Unknown { why } if why.contains("clocks were set back")
    ));
    assert_eq!(named(twice, "2026-10-25T02:00:00Z"), Verdict::NothingSent);
    // Clocks are set forward over 02:30 on that day: nothing was taken then.
    assert!(matches!(
        named("auto-2026-03-29_02-30", "2026-03-29T00:00:00Z"),
        Verdict::Unknown { .. }
    ));
    assert!(matches!(
        named("by-hand", "2026-03-29T00:00:00Z"),
        Verdict::Unknown { .. }
    ));
}

#[test]
fn what_zfs_says_counts_for_more_than_a_name() {
    let mut task = task(
        finished_at(SINCE + 120),
        Some("tank/docker@auto-2026-11-27_03-15"),
    );
    task.naming_schemas = vec![NamingSchema::new("auto-%Y-%m-%d_%H-%M")];
    let old = snapshot("tank/docker", "auto-2026-11-27_03-15", SINCE - 1);
    let input = VerdictInput {
        source_snapshots: vec![old],
        time_zone: Some(TimeZone::UTC),
        since: time(SINCE),
    };
    assert_eq!(judge(Some(&task), &input).verdict, Verdict::NothingSent);
}

#[test]
fn the_last_child_stands_for_the_recursive_snapshot() {
    let mut child = task(
        finished_at(SINCE + 120),
        Some("tank/docker/volumes@auto-new"),
    );
    assert!(verdict(&child).is_fresh());
    child.recursive = false;
    assert!(matches!(verdict(&child), Verdict::Unknown { .. }));
}

#[test]
fn warnings_degrade() {
    let state = TaskState::Finished {
        at: time(SINCE + 120),
        warnings: vec!["cannot receive mountpoint property".to_owned()],
    };
    assert_eq!(
        verdict(&task(state, Some("tank/docker@auto-new"))),
        Verdict::Degraded {
            warnings: vec!["cannot receive mountpoint property".to_owned()]
        }
    );
}

#[test]
fn failures_are_told_apart_by_their_time() {
    let failed = |at: Option<i64>| {
        verdict(&task(
            TaskState::Error {
                at: at.map(time),
                error: "connection refused".to_owned(),
            },
            None,
        ))
    };
    let tonight = Verdict::Failed {
        error: "connection refused".to_owned(),
    };
    assert_eq!(failed(Some(SINCE + 1)), tonight);
    assert_eq!(failed(None), tonight);
    // Yesterday's failure does not end tonight's waiting.
    let yesterday = failed(Some(SINCE - 1));
    assert_eq!(
        yesterday,
        Verdict::Stale {
            since: time(SINCE - 1)
        }
    );
    assert!(!yesterday.is_settled());
}

#[test]
fn a_disabled_task_is_disabled_whatever_it_says_unless_it_still_runs() {
    let mut disabled = task(finished_at(SINCE + 120), Some("tank/docker@auto-new"));
    disabled.enabled = false;
    assert_eq!(verdict(&disabled), Verdict::Disabled);
    disabled.state = TaskState::Pending;
    assert_eq!(verdict(&disabled), Verdict::Disabled);
    disabled.state = TaskState::Running {
        at: Some(time(SINCE + 1)),
        progress: None,
    };
    let judgement = judge(Some(&disabled), &tonight());
    assert_eq!(judgement.verdict, Verdict::Running { progress: None });
    insta::assert_json_snapshot!(judgement.reasons);
}

#[test]
fn the_other_states_are_passed_on() {
    assert_eq!(judge(None, &tonight()).verdict, Verdict::Missing);
    assert_eq!(
        verdict(&task(
            TaskState::Waiting {
                since: None,
                reason: None
            },
            None
        )),
        Verdict::Waiting {
            why: "no reason given".to_owned()
        }
    );
    assert_eq!(
        verdict(&task(
            TaskState::Hold {
                at: None,
                reason: "Pool tank is offline.".to_owned()
            },
            None
        )),
        Verdict::Held {
            why: "Pool tank is offline.".to_owned()
        }
    );
    for state in [
        TaskState::Pending,
        TaskState::Unstated,
        TaskState::Unknown {
            raw: "{}".to_owned(),
        },
    ] {
        assert!(matches!(
            verdict(&task(state, None)),
            Verdict::Unknown { .. }
        ));
    }
}

fn any_state() -> impl Strategy<Value = TaskState> {
    let at = (SINCE - 5..SINCE + 5).prop_map(time);
    let text = "[a-z]{0,5}";
    prop_oneof![
        1 => Just(TaskState::Pending),
        1 => Just(TaskState::Unstated),
        1 => (prop::option::of(at.clone()), prop::option::of(text))
            .prop_map(|(since, reason)| TaskState::Waiting { since, reason }),
        1 => prop::option::of(at.clone()).prop_map(|at| TaskState::Running { at, progress: None }),
        4 => (at.clone(), prop::collection::vec(text, 0..2))
            .prop_map(|(at, warnings)| TaskState::Finished { at, warnings }),
        1 => (prop::option::of(at.clone()), text).prop_map(|(at, error)| TaskState::Error { at, error }),
        1 => (prop::option::of(at), text).prop_map(|(at, reason)| TaskState::Hold { at, reason }),
        1 => text.prop_map(|raw| TaskState::Unknown { raw }),
    ]
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    (
        "tank/docker(/a)?|tank/other",
        "auto-[0-3]",
        SINCE - 5..SINCE + 5,
    )
        .prop_map(|(dataset, name, created)| snapshot(&dataset, &name, created))
}

proptest! {
    #[test]
    fn nothing_is_fresh_without_a_fresh_snapshot(
        state in any_state(),
        // The names of three further seconds around the one in question, and of no time at all.
        last in prop::option::of("(tank/docker(/a)?|tank/other)@(auto-[0-3]|at-1970-01-12_13-46-(39|40|41)|at-x)"),
        snapshots in prop::collection::vec(any_snapshot(), 0..6),
        flags in any::<[bool; 4]>(),
    ) {
        let mut task = task(state, last.as_deref());
        let reads_names;
        [task.enabled, task.auto, task.recursive, reads_names] = flags;
        task.naming_schemas = vec![NamingSchema::new("at-%Y-%m-%d_%H-%M-%S")];
        let mut evidence = input(snapshots);
        evidence.time_zone = reads_names.then_some(TimeZone::UTC);
        let judgement = judge(Some(&task), &evidence);
        let (finished, warned) = match &task.state {
            TaskState::Finished { at, warnings } => (*at >= evidence.since, !warnings.is_empty()),
            _ => (false, false),
        };
        let sent = task.last_snapshot.as_ref();
        let is_evidence = |snapshot: &Snapshot| {
            snapshot.created >= evidence.since
                && evidence.source_snapshots.contains(snapshot)
                && sent.is_some_and(|sent| {
                    sent.name == snapshot.name
                        && (sent.dataset == snapshot.dataset
                            || task.recursive && is_within(&sent.dataset, &snapshot.dataset))
                })
        };
        let by_name = reads_names
            && sent.is_some_and(|sent| ["at-1970-01-12_13-46-40", "at-1970-01-12_13-46-41"].contains(&sent.name.as_str()));
        let proven = by_name || evidence.source_snapshots.iter().any(is_evidence);
        match &judgement.verdict {
            Verdict::Fresh { snapshot, created } => {
                prop_assert!(proven && *created >= evidence.since);
                prop_assert_eq!(Some(snapshot), sent);
                prop_assert!(finished && task.enabled && !warned);
            }
            Verdict::Degraded { .. } => {
                prop_assert!(proven);
                prop_assert!(finished && task.enabled && warned);
            }
            _ => {}
        }
        // What runs or waits is never reported as anything else.
        let active = matches!(judgement.verdict, Verdict::Running { .. } | Verdict::Waiting { .. });
        prop_assert_eq!(active, task.state.is_active() == Some(true));
        // Every verdict can be said.
        prop_assert!(!judgement.verdict.to_string().is_empty());
    }
}
