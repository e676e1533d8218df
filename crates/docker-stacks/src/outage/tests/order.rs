//! Who waits for whom at the start.

use super::*;

fn healthy_after(seconds: u32) -> Behaviour {
    Behaviour {
        health: HealthBehaviour::HealthyAfter(seconds * SECOND),
        ..Behaviour::default()
    }
}

/// `app` waits for `db` in the given way; `other` for nobody.
fn lab(condition: &str, db: Behaviour) -> Lab {
    let lab = Lab::of([
        depending_on(service("app"), &format!("db:{condition}:true")),
        service("other"),
    ]);
    lab.engine.add(service("db"), db);
    lab
}

fn downtime<T>(report: &OutageReport<T>, name: &str) -> Option<Duration> {
    let found = report.containers.iter().find(|c| c.container.name == name);
    found.unwrap().downtime
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_health_waits_for_it_and_nobody_else_does() {
    let lab = lab("service_healthy", healthy_after(20));
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-app -db -other +other +db +app");
    assert_eq!(downtime(&report, "other"), Some(Duration::ZERO));
    assert_eq!(downtime(&report, "db"), Some(Duration::ZERO));
    let app = downtime(&report, "app").unwrap();
    let late = app.checked_sub(20 * SECOND).unwrap();
    assert!(late <= lab.options.poll, "{app:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_is_enough_for_who_asks_for_no_more() {
    let lab = lab("service_started", healthy_after(20));
    let report = lab.outage(async {}).await;
    assert_eq!(downtime(&report, "app"), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn health_that_never_comes_keeps_nobody_down() {
    let sick = Behaviour {
        health: HealthBehaviour::UnhealthyAfter(SECOND),
        ..Behaviour::default()
    };
    let lab = lab("service_healthy", sick);
    let report = lab.outage(async {}).await;
    assert!(report.everything_runs());
    assert_eq!(report.unhealthy().count(), 1);
    let app = downtime(&report, "app").unwrap();
    let late = app.checked_sub(lab.options.healthy_within).unwrap();
    assert!(late <= lab.options.poll, "{app:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_health_check_is_not_waited_for() {
    let lab = lab("service_healthy", Behaviour::default());
    let report = lab.outage(async {}).await;
    assert!(downtime(&report, "app").unwrap() <= lab.options.poll);
}

#[tokio::test(start_paused = true)]
async fn a_job_is_waited_for_until_it_has_done_its_work() {
    let lab = lab("service_completed_successfully", Behaviour::default());
    let engine = Arc::clone(&lab.engine);
    let job = tokio::spawn(async move {
        sleep(30 * SECOND).await;
        engine.end("db", 0);
    });
    let report = lab.outage(sleep(10 * SECOND)).await;
    job.await.unwrap();
    let app = downtime(&report, "app").unwrap();
    assert!(app >= 30 * SECOND && app <= 31 * SECOND, "{app:?}");
    assert_eq!(
        lab.engine.state_of("db"),
        Some(ContainerState::Exited { code: 0 })
    );
    assert!(report.everything_runs());
}

#[tokio::test(start_paused = true)]
async fn a_job_without_an_end_keeps_nobody_down() {
    let lab = lab("service_completed_successfully", Behaviour::default());
    let report = lab.outage(async {}).await;
    let app = downtime(&report, "app").unwrap();
    assert!(app >= lab.options.healthy_within, "{app:?}");
    assert!(report.everything_runs());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_well_is_no_crash() {
    let job = Behaviour {
        crashing_starts: 1,
        crash_code: 0,
        crashes_after: SECOND,
        ..Behaviour::default()
    };
    let lab = lab("service_completed_successfully", job);
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-app -db -other +other +db +app");
    let db = report.containers.iter().find(|c| c.container.name == "db");
    assert_eq!(db.unwrap().start, StartEnd::Completed);
    assert!(report.everything_runs());
    assert!(downtime(&report, "app").unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_order_is_kept_by_a_recovery() {
    let lab = lab("service_healthy", healthy_after(20));
    lab.die_after(5 * SECOND).await;
    let begun = Instant::now();
    assert_eq!(lab.recover().await.unwrap().not_running, []);
    assert_eq!(lab.calls(), "-app -db -other +other +db +app");
    assert!(begun.elapsed() >= 20 * SECOND);
}

/// `b` lives in the network of `vpn`, which behaves like this.
fn in_one_network(vpn: Behaviour) -> Lab {
    let provider = service("vpn");
    let lab = Lab::of([in_network_of(service("b"), &provider)]);
    lab.engine.add(provider, vpn);
    lab
}

#[tokio::test(start_paused = true)]
async fn who_lost_its_network_is_restarted() {
    let lab = in_one_network(Behaviour {
        crashing_starts: 1,
        crashes_after: SECOND,
        ..Behaviour::default()
    });
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-b -vpn +vpn +b +vpn -b +b");
    assert!(report.everything_runs());
}

#[tokio::test(start_paused = true)]
async fn who_could_not_wait_for_a_falling_network_is_restarted() {
    let lab = in_one_network(Behaviour {
        stops_after: 8 * SECOND,
        ..Behaviour::default()
    });
    lab.die_after(SECOND).await;
    assert_eq!(lab.recover().await.unwrap().not_running, []);
    assert_eq!(lab.calls(), "-b -vpn +b +vpn -b +b");
    for name in ["b", "vpn"] {
        assert_eq!(lab.engine.state_of(name), Some(ContainerState::Running));
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_network_it_stays_owed_too() {
    let lab = in_one_network(Behaviour {
        refused_starts: 99,
        ..Behaviour::default()
    });
    let report = lab.outage(async {}).await;
    assert_eq!(report.not_running.len(), 2);
    assert_eq!(lab.owed(), ["b", "vpn"]);
}
