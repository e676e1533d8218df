//! Whenever the process dies, the next one finishes its outage.

use super::*;
use crate::journal::Journal;

#[tokio::test(start_paused = true)]
async fn nothing_is_recovered_where_nothing_is_owed() {
    let lab = Lab::new();
    assert_eq!(lab.recover().await, None);
    assert_eq!(lab.calls(), "");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_at_work_is_made_good() {
    let lab = Lab::new();
    lab.die_after(5 * SECOND).await;
    assert!(!lab.all_run());
    let report = lab.recover().await.unwrap();
    assert_eq!(report.begun_at, BEGUN_AT);
    assert_eq!(report.stacks, [StackName::new("shop")]);
    assert_eq!(lab.calls(), "-a -b -c +c +b +a");
    assert!(lab.all_run());
    assert_eq!(lab.recover().await, None, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_in_a_stop_is_made_good_when_the_stop_has_ended() {
    let lab = Lab::new();
    lab.behave(
        "b",
        &Behaviour {
            stops_after: 7 * SECOND,
            ..Behaviour::default()
        },
    );
    lab.die_after(2 * SECOND).await;
    assert_eq!(lab.engine.state_of("b"), Some(ContainerState::Running));
    // Not seeing the engine at first must not make it forget the stop.
    lab.engine.go_away_for(3);
    let report = lab.recover().await.unwrap();
    assert_eq!(report.not_running, []);
    assert_eq!(lab.calls(), "-a -b +a +b", "a does not wait for ever");
    sleep(60 * SECOND).await;
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_ends_soon_keeps_the_order() {
    let needs_b = depending_on(service("a"), "b:service_started:false");
    let lab = Lab::of([needs_b, service("b"), service("c")]);
    lab.behave(
        "b",
        &Behaviour {
            stops_after: 2 * SECOND,
            ..Behaviour::default()
        },
    );
    lab.die_after(SECOND).await;
    assert_eq!(lab.recover().await.unwrap().not_running, []);
    assert_eq!(lab.calls(), "-a -b +b +a");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_never_asked_for_keeps_nobody_down() {
    let lab = Lab::new();
    let group = lab.group().await;
    lab.engine.set_latency(SECOND);
    let work = async {};
    let outage = outage(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        work,
    );
    // Three looks and a stop take 4 s; the second stop has not reached the engine.
    let died = tokio::time::timeout(SECOND * 9 / 2, outage);
    assert!(died.await.is_err());
    assert_eq!(lab.calls(), "-a");
    lab.engine.set_latency(Duration::ZERO);
    assert!(
        tokio::time::timeout(5 * SECOND, lab.recover())
            .await
            .is_err(),
        "b may still fall"
    );
    assert!(lab.all_run());
    assert_eq!(lab.owed(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_in_its_starts_is_made_good_at_once() {
    let lab = Lab::new();
    lab.engine.set_latency(SECOND);
    let begun = Instant::now();
    let work = async { assert!(begun.elapsed() < 8 * SECOND) };
    // The list, three looks and three stops take 7 s; a look and a start 2 s each.
    let outage = lab.outage(work);
    assert!(tokio::time::timeout(10 * SECOND, outage).await.is_err());
    assert_eq!(lab.calls(), "-a -b -c +c");
    lab.engine.set_latency(Duration::ZERO);
    let begun = Instant::now();
    let report = lab.recover().await.unwrap();
    assert_eq!(report.not_running, []);
    assert!(lab.all_run());
    assert!(begun.elapsed() < 5 * SECOND, "no stop is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_dies_is_recovered() {
    let lab = Lab::new();
    lab.die_after(5 * SECOND).await;
    lab.engine.set_latency(SECOND);
    assert!(
        tokio::time::timeout(5 * SECOND, lab.recover())
            .await
            .is_err()
    );
    assert_eq!(lab.owed(), ["a", "b", "c"]);
    assert_eq!(lab.recover().await.unwrap().not_running, []);
    assert!(lab.all_run());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_recreated_container_is_found_by_its_service() {
    let lab = Lab::new();
    lab.die_after(5 * SECOND).await;
    lab.engine.recreate("a");
    lab.engine.recreate("b");
    lab.engine.start_behind_the_back("b");
    let report = lab.recover().await.unwrap();
    assert_eq!(report.not_running, []);
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recovered_stays_owed() {
    let lab = Lab::new();
    lab.die_after(5 * SECOND).await;
    lab.behave(
        "b",
        &Behaviour {
            refused_starts: 5,
            ..Behaviour::default()
        },
    );
    let report = lab.recover().await.unwrap();
    assert_eq!(report.not_running.len(), 1);
    assert_eq!(lab.owed(), ["b"]);
    assert_eq!(lab.recover().await.unwrap().not_running, []);
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn another_engines_record_is_left_to_it() {
    let lab = Lab::new();
    lab.die_after(5 * SECOND).await;
    let mut record = lab.journal.record().unwrap();
    record.engine = "unix:///elsewhere.sock".into();
    lab.journal.write(&record).await.unwrap();
    let error = recover(&*lab.engine, &lab.journal, &lab.options)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("unix:///elsewhere.sock"),
        "{error}"
    );
    assert_eq!(lab.journal.record(), Some(record));
    // Nor does a new outage write over it.
    lab.engine.start_behind_the_back("a");
    let report = lab.outage(async { unreachable!() }).await;
    assert!(matches!(report.work, WorkEnd::<()>::NotRun { .. }));
}

proptest::proptest! {
    /// Kill the process at any time, in any mood of the engine: one recovery, and all runs.
    #[test]
    fn whenever_it_dies_one_recovery_is_enough(
        alive_ms in 0..40_000_u64,
        latency_ms in 0..800_u64,
        stops_after_ms in 0..12_000_u64,
        away in 0..12_usize,
        crashes in 0..3_u32,
        work_ms in 0..20_000_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let lab = Lab::new();
            let millis = Duration::from_millis;
            let behaviour = Behaviour {
                stops_after: millis(stops_after_ms),
                crashing_starts: crashes,
                crashes_after: SECOND,
                ..Behaviour::default()
            };
            lab.behave("b", &behaviour);
            let group = lab.group().await;
            lab.engine.set_latency(millis(latency_ms));
            let outage = outage(
                &*lab.engine,
                &lab.journal,
                &group,
                BEGUN_AT,
                &lab.options,
                pending(),
                sleep(millis(work_ms)),
            );
            let died = tokio::time::timeout(millis(alive_ms), outage).await.is_err();
            lab.engine.go_away_for(away);
            let recovered = lab.recover().await;
            // It may have died before it wrote, but never between a stop and the record of it.
            if !lab.engine.calls().is_empty() && died {
                assert!(recovered.is_some());
            }
            sleep(60 * SECOND).await;
            assert!(lab.all_run(), "{:?}", lab.states());
            assert_eq!(lab.journal.record(), None);
        });
    }
}
