//! Starting is tried until it works, or until nobody can say that it was not tried.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_is_tried_again() {
    let lab = Lab::new();
    lab.behave(
        "b",
        &Behaviour {
            refused_starts: 3,
            ..Behaviour::default()
        },
    );
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-a -b -c +c +b +a +b +b +b");
    assert!(lab.all_run() && report.everything_runs());
    assert_eq!(
        report.containers[0].downtime,
        Some(Duration::ZERO),
        "nobody waits for it"
    );
    // 0.5 s, 1 s and 2 s between the attempts.
    assert_eq!(report.containers[1].downtime, Some(7 * SECOND / 2));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_started_stays_in_the_journal_and_the_others_run() {
    let lab = Lab::new();
    lab.behave(
        "b",
        &Behaviour {
            refused_starts: 5,
            ..Behaviour::default()
        },
    );
    let report = lab.outage(async {}).await;
    assert!(!report.everything_runs());
    assert_eq!(report.not_running.len(), 1);
    assert_eq!(report.not_running[0].what.name(), "b");
    let why = &report.not_running[0].why;
    assert!(why.contains("port is already allocated"), "{why}");
    assert_eq!(report.containers[1].downtime, None);
    assert_eq!(lab.engine.state_of("a"), Some(ContainerState::Running));
    assert_eq!(lab.owed(), ["b"]);

    // The next outage of the group carries it along, and leaves it to the recovery.
    let report = lab.outage(async {}).await;
    assert_eq!(report.containers.len(), 2);
    assert!(report.everything_runs());
    assert_eq!(lab.owed(), ["b"]);
    let largest = lab
        .journal
        .history()
        .iter()
        .flatten()
        .map(|record| record.containers.len())
        .max();
    assert_eq!(largest, Some(3));

    let report = recover(&*lab.engine, &lab.journal, &lab.options)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.not_running, []);
    assert!(lab.all_run());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_crashes_soon_after_its_start_is_started_again() {
    let lab = Lab::new();
    lab.behave(
        "a",
        &Behaviour {
            crashing_starts: 2,
            crashes_after: 2 * SECOND,
            ..Behaviour::default()
        },
    );
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-a -b -c +c +b +a +a +a");
    assert!(lab.all_run() && report.everything_runs());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_always_crashes_is_reported() {
    let lab = Lab::new();
    lab.behave(
        "a",
        &Behaviour {
            crashing_starts: u32::MAX,
            ..Behaviour::default()
        },
    );
    let report = lab.outage(async {}).await;
    assert_eq!(report.not_running.len(), 1);
    let why = &report.not_running[0].why;
    assert!(why.contains("exited with code 1 after its start"), "{why}");
    assert_eq!(lab.owed(), ["a"]);
    let starts = lab.engine.calls();
    let starts = starts.iter().filter(|c| **c == Call::Start("a".into()));
    assert_eq!(starts.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn health_is_waited_for_and_its_absence_reported() {
    let lab = Lab::new();
    lab.add(
        "slow",
        ContainerState::Running,
        Behaviour {
            health: HealthBehaviour::HealthyAfter(40 * SECOND),
            ..Behaviour::default()
        },
    );
    lab.add(
        "sick",
        ContainerState::Running,
        Behaviour {
            health: HealthBehaviour::UnhealthyAfter(5 * SECOND),
            ..Behaviour::default()
        },
    );
    let begun = Instant::now();
    let report = lab.outage(async {}).await;
    assert!(begun.elapsed() >= lab.options.healthy_within);
    let end_of = |name: &str| {
        let found = report.containers.iter().find(|c| c.container.name == name);
        found.unwrap().start.clone()
    };
    assert_eq!(end_of("slow"), StartEnd::Healthy);
    assert_eq!(
        end_of("sick"),
        StartEnd::Unhealthy {
            why: "its health is 'unhealthy' 120 s after its start".into()
        }
    );
    assert!(report.everything_runs(), "unhealthy is not down");
    assert_eq!(report.unhealthy().count(), 1);
    assert_eq!(
        report.outage,
        Duration::ZERO,
        "waiting for health is no outage"
    );
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for() {
    let lab = Lab::new();
    let report = lab.outage(async { lab.engine.go_away_for(6) }).await;
    assert!(lab.all_run() && report.everything_runs());
    assert_eq!(lab.journal.record(), None);
    // 0.5 + 1 + 2 + 4 + 8 + 8 s between the attempts.
    assert_eq!(report.outage, 47 * SECOND / 2);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_during_the_stops_is_waited_for() {
    let lab = Lab::new();
    let engine = Arc::clone(&lab.engine);
    lab.engine.set_latency(SECOND);
    let goes = tokio::spawn(async move {
        // In the middle of the second stop: after the plan's list, three looks and one stop.
        sleep(Duration::from_millis(5500)).await;
        engine.go_away_for(4);
    });
    let report = lab.outage(async { unreachable!() }).await;
    goes.await.unwrap();
    assert!(matches!(report.work, WorkEnd::<()>::NotRun { .. }));
    assert_eq!(lab.calls(), "-a +a");
    assert!(lab.all_run() && report.everything_runs());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stays_away_ends_the_wait_and_leaves_the_promise() {
    let lab = Lab::new();
    let begun = Instant::now();
    let report = lab
        .outage(async { lab.engine.go_away_for(usize::MAX) })
        .await;
    assert_eq!(report.not_running.len(), 3);
    assert_eq!(lab.owed(), ["a", "b", "c"]);
    let limit = lab.options.engine_away + 20 * SECOND;
    assert!(
        begun.elapsed() <= limit,
        "once for all: {:?}",
        begun.elapsed()
    );
    assert!(report.not_running[0].why.contains("it is away"));

    lab.engine.go_away_for(3);
    let report = recover(&*lab.engine, &lab.journal, &lab.options)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.not_running, []);
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn a_container_recreated_during_the_work_is_found_again() {
    let lab = Lab::new();
    let report = lab
        .outage(async {
            lab.engine.recreate("b");
            lab.engine.remove("c");
        })
        .await;
    assert!(
        report.containers[1]
            .container
            .id
            .as_str()
            .starts_with("0001")
    );
    assert_eq!(lab.engine.state_of("b"), Some(ContainerState::Running));
    assert_eq!(report.containers[2].start, StartEnd::Gone);
    assert_eq!(report.not_running.len(), 1);
    assert_eq!(lab.journal.record(), None, "nobody can start what is gone");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_restarts_all_the_time_does_so_again() {
    let lab = Lab::new();
    lab.add("loop", ContainerState::Restarting, Behaviour::default());
    let report = lab.outage(async {}).await;
    assert!(report.everything_runs());
    assert_eq!(lab.calls(), "-a -b -c -loop +loop +c +b +a");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_start_is_told_before_anything_has_settled() {
    let lab = Lab::new();
    let group = lab.group().await;
    let (started, told) = tokio::sync::oneshot::channel();
    let outage = outage_telling(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        (sleep(SECOND), started),
    );
    let waiting = async {
        told.await.unwrap();
        (Instant::now(), lab.all_run())
    };
    let (report, (told_at, all_ran)) = tokio::join!(outage, waiting);
    assert!(report.everything_runs() && all_ran);
    assert_eq!(told_at.elapsed(), lab.options.settle);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_start_that_does_not_come_is_told_of_the_end() {
    let lab = Lab::new();
    let mut group = lab.group().await;
    group.stop_order[0].id = crate::model::ContainerId::new("deleted since the plan");
    let (started, told) = tokio::sync::oneshot::channel();
    let outage = outage_telling(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        (async {}, started),
    );
    let report = outage.await;
    assert!(matches!(report.work, WorkEnd::NotRun { .. }));
    assert!(told.await.is_err(), "nothing was started");
}
