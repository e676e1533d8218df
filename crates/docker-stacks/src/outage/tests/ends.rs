//! However an outage ends, everything runs.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_group_is_down_while_the_work_is_done_and_then_up() {
    let lab = Lab::new();
    let report = lab
        .outage(async {
            assert_eq!(lab.states(), [ContainerState::Exited { code: 0 }; 3]);
            sleep(30 * SECOND).await;
            "copied"
        })
        .await;
    assert_eq!(report.work, WorkEnd::Finished("copied"));
    assert_eq!(lab.calls(), "-a -b -c +c +b +a");
    assert!(lab.all_run() && report.everything_runs());
    assert_eq!(report.outage, 30 * SECOND);
    assert_eq!(ends(&report), [&StartEnd::Running; 3]);
    for container in &report.containers {
        assert_eq!(
            container.stop,
            StopEnd::Stopped(Stopped::Clean { exit_code: 0 })
        );
        assert_eq!(container.downtime, Some(30 * SECOND));
        assert!(!container.disturbed);
    }
    let history = lab.journal.history();
    assert_eq!(history.len(), 2, "written once, cleared once");
    assert_eq!(history[0].as_ref().unwrap().containers.len(), 3);
    assert_eq!(history[1], None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_before_the_journal_is_written() {
    let lab = Lab::new();
    lab.journal.fill_disk();
    let report = lab.outage(async { unreachable!() }).await;
    let WorkEnd::NotRun { why } = &report.work else {
        panic!("{:?}", report.work);
    };
    assert!(why.contains("write the outage journal"), "{why}");
    assert_eq!(lab.calls(), "");
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_ends_the_outage_as_well() {
    let lab = Lab::new();
    let report = lab.outage(async { Err::<(), _>("the NAS is full") }).await;
    assert_eq!(report.work, WorkEnd::Finished(Err("the NAS is full")));
    assert!(lab.all_run());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_ends_the_outage_as_well() {
    let lab = Lab::new();
    let name = "the copy";
    let report = lab
        .outage(async {
            sleep(SECOND).await;
            assert!(name.is_empty(), "{name} broke");
        })
        .await;
    assert_eq!(report.work, WorkEnd::Panicked("the copy broke".to_owned()));
    assert!(lab.all_run() && report.everything_runs());
}

/// Says when it is dropped.
struct Held(Arc<Mutex<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = true;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_outage_starts_at_once_and_lets_go_of_the_work() {
    let lab = Lab::new();
    let dropped = Arc::new(Mutex::new(false));
    let held = Held(Arc::clone(&dropped));
    let report = lab
        .outage_until(sleep(5 * SECOND), async move {
            let _held = held;
            pending::<()>().await;
        })
        .await;
    assert_eq!(report.work, WorkEnd::Cancelled);
    assert!(*dropped.lock().unwrap());
    assert_eq!(report.outage, 5 * SECOND);
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn a_stop_under_way_is_waited_for_before_the_start() {
    let lab = Lab::new();
    lab.behave(
        "b",
        &Behaviour {
            stops_after: 8 * SECOND,
            ..Behaviour::default()
        },
    );
    let report = lab
        .outage_until(sleep(2 * SECOND), async { unreachable!() })
        .await;
    assert_eq!(report.work, WorkEnd::<()>::Cancelled);
    // `c` was never asked to stop, and is not touched.
    assert_eq!(lab.calls(), "-a -b +b +a");
    assert_eq!(report.containers[2].stop, StopEnd::NotAsked);
    assert_eq!(report.containers[2].downtime, None);
    assert_eq!(report.outage, 8 * SECOND);
    sleep(60 * SECOND).await;
    assert!(lab.all_run());
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_before_it_began_stops_nothing() {
    let lab = Lab::new();
    let report = lab
        .outage_until(std::future::ready(()), async { unreachable!() })
        .await;
    assert_eq!(report.work, WorkEnd::<()>::Cancelled);
    assert_eq!(report.outage, Duration::ZERO);
    assert_eq!(lab.calls(), "");
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_half_way_undoes_the_others() {
    let lab = Lab::new();
    lab.behave(
        "b",
        &Behaviour {
            refuses_stop: Some("permission denied".into()),
            ..Behaviour::default()
        },
    );
    let report = lab.outage(async { unreachable!() }).await;
    let WorkEnd::<()>::NotRun { why } = &report.work else {
        panic!("{:?}", report.work);
    };
    assert!(why.contains("permission denied"), "{why}");
    assert_eq!(lab.calls(), "-a -b +a");
    assert!(lab.all_run() && report.everything_runs());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_killed_is_said_and_its_own_grace_time_is_kept() {
    let lab = Lab::new();
    lab.behave(
        "a",
        &Behaviour {
            ignores_stop: true,
            ..Behaviour::default()
        },
    );
    let mut patient = in_project(container("d"), "shop", "d");
    patient.stop_timeout = Some(90 * SECOND);
    let slow = Behaviour {
        stops_after: 60 * SECOND,
        ..Behaviour::default()
    };
    lab.engine.add(patient, slow);
    let report = lab.outage(async {}).await;
    assert_eq!(report.containers[0].stop, StopEnd::Stopped(Stopped::Killed));
    assert_eq!(
        report.containers[3].stop,
        StopEnd::Stopped(Stopped::Clean { exit_code: 0 })
    );
    assert_eq!(report.outage, 70 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn only_what_ran_is_started() {
    let lab = Lab::new();
    let group = lab.group().await;
    lab.engine.end("b", 0);
    let report = outage(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        async {},
    )
    .await;
    assert_eq!(report.containers.len(), 2);
    assert_eq!(
        lab.engine.state_of("b"),
        Some(ContainerState::Exited { code: 0 })
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_of_which_nothing_runs_needs_no_journal() {
    let lab = Lab::new();
    let group = lab.group().await;
    for name in ["a", "b", "c"] {
        lab.engine.end(name, 0);
    }
    lab.journal.fill_disk();
    let report = outage(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        async { 7 },
    )
    .await;
    assert_eq!(report.work, WorkEnd::Finished(7));
    assert_eq!(report.outage, Duration::ZERO);
    assert_eq!(lab.calls(), "");
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_the_plan_is_not_stopped() {
    let lab = Lab::new();
    let group = lab.group().await;
    lab.engine.recreate("c");
    let report = outage(
        &*lab.engine,
        &lab.journal,
        &group,
        BEGUN_AT,
        &lab.options,
        pending(),
        async { unreachable!() },
    )
    .await;
    let WorkEnd::<()>::NotRun { why } = report.work else {
        panic!("{:?}", report.work);
    };
    assert!(why.contains("container c changed since the plan"), "{why}");
    assert_eq!(lab.calls(), "");
}

#[tokio::test(start_paused = true)]
async fn what_was_paused_is_paused_again() {
    let lab = Lab::new();
    lab.add("p", ContainerState::Paused, Behaviour::default());
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "-a -b -c up -p +p +c +b +a pp");
    assert_eq!(lab.engine.state_of("p"), Some(ContainerState::Paused));
    assert_eq!(report.containers[3].start, StartEnd::PausedAgain);
    assert!(report.everything_runs());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_report_can_be_written_as_json() {
    let lab = Lab::new();
    lab.behave(
        "a",
        &Behaviour {
            refused_starts: 9,
            ..Behaviour::default()
        },
    );
    let report = lab
        .outage(async {
            sleep(1500 * SECOND / 1000).await;
            "copied"
        })
        .await;
    insta::assert_json_snapshot!(report, { ".containers[].container.id" => "[id]", ".not_running[].container.id" => "[id]" }, @r#"
    {
      "stacks": [
        "shop"
      ],
      "begun_at": "2025-01-01T02:53:20Z",
      "outage_seconds": 1.5,
      "work": {
        "finished": "copied"
      },
      "containers": [
        {
          "container": {
            "id": "[id]",
            "name": "a"
          },
          "was": "running",
          "stop": {
            "stopped": {
              "clean": {
                "exit_code": 0
              }
            }
          },
          "start": {
            "failed": {
              "why": "failed to start container 000061000000: the Docker engine at memory answered 500: driver failed programming external connectivity: port is already allocated"
            }
          },
          "downtime_seconds": null,
          "disturbed": false
        },
        {
          "container": {
            "id": "[id]",
            "name": "b"
          },
          "was": "running",
          "stop": {
            "stopped": {
              "clean": {
                "exit_code": 0
              }
            }
          },
          "start": "running",
          "downtime_seconds": 1.5,
          "disturbed": false
        },
        {
          "container": {
            "id": "[id]",
            "name": "c"
          },
          "was": "running",
          "stop": {
            "stopped": {
              "clean": {
                "exit_code": 0
              }
            }
          },
          "start": "running",
          "downtime_seconds": 1.5,
          "disturbed": false
        }
      ],
      "services": [],
      "not_running": [
        {
          "container": {
            "id": "[id]",
            "name": "a"
          },
          "why": "failed to start container 000061000000: the Docker engine at memory answered 500: driver failed programming external connectivity: port is already allocated"
        }
      ],
      "hooks": [],
      "others_started": [],
      "warnings": []
    }
    "#);
}
