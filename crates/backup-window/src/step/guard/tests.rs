use proptest::prelude::*;
use truenas_client::Scan;

use super::*;

const NIGHT: &str = "2026-11-23T01:45:00Z";

fn task(state: TaskState) -> ReplicationTask {
    let mut task = ReplicationTask::new(1, "docker to backup", "tank/docker", "dozer/docker");
    task.state = state;
    task
}

fn pool(scan: Option<(ScanFunction, ScanState)>) -> Pool {
    let mut pool = Pool::new("dozer");
    pool.scan = scan.map(|(function, state)| Scan::new(function, state));
    pool
}

/// A night that woke the NAS, on which nothing runs, and all of that is known.
fn safe() -> Known {
    Known {
        woken: Some(NIGHT.parse().unwrap()),
        keep_up: false,
        replications: vec![
            ("primary NAS".to_owned(), Ok(vec![task(TaskState::Pending)])),
            ("backup NAS".to_owned(), Ok(Vec::new())),
        ],
        pools: ("backup NAS".to_owned(), Ok(vec![pool(None)])),
    }
}

fn with_task(state: TaskState) -> Known {
    let mut known = safe();
    known.replications[0].1 = Ok(vec![task(state)]);
    known
}

fn with_scan(function: ScanFunction, state: ScanState) -> Known {
    let mut known = safe();
    known.pools.1 = Ok(vec![pool(Some((function, state)))]);
    known
}

#[track_caller]
fn refusal(known: &Known) -> String {
    match decide(known) {
        Decision::Refuse { why } => why.join("; "),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_nas_that_this_night_woke_and_on_which_nothing_runs_is_switched_off() {
    assert_eq!(decide(&safe()), Decision::SwitchOff);
    let at = NIGHT.parse().unwrap();
    let ended = [
        TaskState::Finished {
            at,
            warnings: Vec::new(),
        },
        TaskState::Error {
            at: Some(at),
            error: "no route to host".to_owned(),
        },
        TaskState::Hold {
            at: Some(at),
            reason: "Pool tank is offline.".to_owned(),
        },
    ];
    for state in ended {
        assert_eq!(decide(&with_task(state)), Decision::SwitchOff);
    }
    for state in [ScanState::Finished, ScanState::Canceled] {
        assert_eq!(
            decide(&with_scan(ScanFunction::Scrub, state)),
            Decision::SwitchOff
        );
    }
}

#[test]
fn a_nas_that_this_night_did_not_wake_is_left_up() {
    let known = Known {
        woken: None,
        ..safe()
    };
    assert!(matches!(decide(&known), Decision::LeaveUp { .. }));
    let known = Known {
        keep_up: true,
        ..safe()
    };
    assert!(matches!(decide(&known), Decision::LeaveUp { .. }));
}

#[test]
fn whatever_runs_or_waits_or_is_not_known_keeps_it_on() {
    let at = NIGHT.parse().unwrap();
    let running = TaskState::Running {
        at: Some(at),
        progress: None,
    };
    insta::assert_snapshot!(refusal(&with_task(running)), @r#"primary NAS: replication "docker to backup" has been running since a time that is not known, and got on at 2026-11-23T01:45:00Z"#);
    let waiting = TaskState::Waiting {
        since: Some(at),
        reason: Some("Waiting for retention to complete".to_owned()),
    };
    insta::assert_snapshot!(refusal(&with_task(waiting)), @r#"primary NAS: replication "docker to backup" has been waiting since 2026-11-23T01:45:00Z: Waiting for retention to complete"#);
    let unknown = TaskState::Unknown {
        raw: "{\"state\":\"DANCING\"}".to_owned(),
    };
    insta::assert_snapshot!(refusal(&with_task(unknown)), @r#"primary NAS: the state of replication "docker to backup" cannot be understood: {"state":"DANCING"}"#);
    insta::assert_snapshot!(refusal(&with_task(TaskState::Unstated)), @r#"primary NAS: the NAS does not say whether replication "docker to backup" runs"#);
    insta::assert_snapshot!(refusal(&with_scan(ScanFunction::Resilver, ScanState::Scanning)), @"backup NAS: a resilver of pool dozer runs");
    insta::assert_snapshot!(refusal(&with_scan(ScanFunction::Scrub, ScanState::Other("NAPPING".to_owned()))), @r#"backup NAS: the state of the scrub of pool dozer cannot be understood: Other("NAPPING")"#);
    let mut silent = safe();
    silent.replications[1].1 = Err("its API is not configured".to_owned());
    silent.pools.1 = Err("its API is not configured".to_owned());
    insta::assert_snapshot!(refusal(&silent), @"backup NAS: the replication tasks are not known: its API is not configured; backup NAS: whether a scrub or resilver runs is not known: its API is not configured");
}

fn any_state() -> impl Strategy<Value = TaskState> {
    let at = || NIGHT.parse().unwrap();
    prop_oneof![
        Just(TaskState::Pending),
        Just(TaskState::Unstated),
        Just(TaskState::Waiting {
            since: None,
            reason: None
        }),
        Just(TaskState::Running {
            at: None,
            progress: None
        }),
        Just(TaskState::Finished {
            at: at(),
            warnings: Vec::new()
        }),
        Just(TaskState::Error {
            at: None,
            error: String::new()
        }),
        Just(TaskState::Hold {
            at: None,
            reason: String::new()
        }),
        ".*".prop_map(|raw| TaskState::Unknown { raw }),
    ]
}

fn any_scan() -> impl Strategy<Value = Option<(ScanFunction, ScanState)>> {
    let state = prop_oneof![
        Just(ScanState::Scanning),
        Just(ScanState::Finished),
        Just(ScanState::Canceled),
        ".*".prop_map(ScanState::Other),
    ];
    proptest::option::of(state.prop_map(|state| (ScanFunction::Scrub, state)))
}

fn any_answer<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Result<Vec<T>, String>> {
    prop_oneof![
        4 => proptest::collection::vec(value, 0..4).prop_map(Ok),
        1 => Just(Err("no answer".to_owned())),
    ]
}

proptest! {
    /// I2, I5: whatever is known, switching off implies that everything that forbids it was
    /// looked at and is absent.
    #[test]
    fn switching_off_needs_proof_of_everything(
        woken in any::<bool>(),
        keep_up in any::<bool>(),
        primary in any_answer(any_state()),
        backup in any_answer(any_state()),
        scans in any_answer(any_scan()),
    ) {
        let known = Known {
            woken: woken.then(|| NIGHT.parse().unwrap()),
            keep_up,
            replications: vec![
                ("primary NAS".to_owned(), primary.clone().map(|all| all.into_iter().map(task).collect())),
                ("backup NAS".to_owned(), backup.clone().map(|all| all.into_iter().map(task).collect())),
            ],
            pools: ("backup NAS".to_owned(), scans.clone().map(|all| all.into_iter().map(pool).collect())),
        };
        let quiet = |states: &Result<Vec<TaskState>, String>| {
            states.as_ref().is_ok_and(|states| states.iter().all(|state| state.is_active() == Some(false)))
        };
        let still = scans.as_ref().is_ok_and(|scans| {
            scans.iter().all(|scan| pool(scan.clone()).is_scanning() == Some(false))
        });
        let safe = woken && !keep_up && quiet(&primary) && quiet(&backup) && still;
        prop_assert_eq!(decide(&known) == Decision::SwitchOff, safe);
    }
}
