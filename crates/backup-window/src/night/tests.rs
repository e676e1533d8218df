//! Whole nights in memory, on a paused clock: the same code, with a house that can be told what goes
//! wrong.

mod house;

use std::time::Duration;

use docker_stacks::ContainerState;
use docker_stacks::testing::Call;
use jiff::Timestamp;
use remote_shutdown::Outcome as ShutdownOutcome;
use tokio_util::sync::CancellationToken;
use truenas_client::TaskState;

use self::house::{House, night};
use super::*;
use crate::evidence::Fact;
use crate::exit::Exit;

/// How each step ended, in a line.
fn ends(report: &NightReport) -> String {
    report
        .steps
        .iter()
        .map(|record| format!("{} {:?}", record.step, record.end))
        .collect::<Vec<_>>()
        .join(", ")
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_night_is_proven_from_end_to_end() {
    let house = House::asleep();
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate Done, evidence Done, guard Done, shut down Done, confirm Done");
    assert_eq!(report.exit, Exit::Done);
    assert!(
        report
            .steps
            .iter()
            .all(|record| !record.evidence.is_empty())
    );
    assert!(!house.nas_is_up());
    assert_eq!(house.state_of("wiki"), ContainerState::Running);
    let known = house.history().read(night().date).unwrap().unwrap();
    assert_eq!(known.records, report.steps);
    assert_eq!(known.exit(), Exit::Done);
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_was_already_up_is_left_up() {
    let house = House::awake();
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate Done, evidence Done, guard NotNeeded, shut down NotNeeded, confirm NotNeeded");
    assert_eq!(report.exit, Exit::Done);
    assert!(house.nas_is_up());
    assert_eq!(house.packets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_does_not_wake_does_not_keep_the_stacks_from_being_saved() {
    let house = House::asleep();
    house.never_wakes();
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake DeadlinePassed, stacks Done, replicate NotReached, evidence NotReached, guard NotNeeded, shut down NotNeeded, confirm Done");
    assert_eq!(report.exit, Exit::DeadlinePassed);
    assert_eq!(house.saved(), ["wiki"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_cannot_be_saved_runs_again_and_the_nas_is_off_at_the_end() {
    let house = House::asleep();
    house.store_fails();
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Failed, replicate NotReached, evidence NotReached, guard Done, shut down Done, confirm Done");
    assert_eq!(report.exit, Exit::Failed);
    assert_eq!(house.state_of("wiki"), ContainerState::Running);
    assert!(!house.nas_is_up());
}

#[tokio::test(start_paused = true)]
async fn a_replication_that_does_not_end_keeps_the_nas_on() {
    let house = House::asleep();
    house.replication(|now| TaskState::Running {
        at: Some(now),
        progress: None,
    });
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate DeadlinePassed, evidence NotReached, guard Refused, shut down NotReached, confirm NotReached");
    assert_eq!(report.exit, Exit::DeadlinePassed);
    assert!(house.nas_is_up());
    assert!(
        report.ended >= night().end,
        "it waited until the window closed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replication_that_fails_is_no_reason_to_leave_the_nas_on() {
    let house = House::asleep();
    house.replication(|now| TaskState::Error {
        at: Some(now),
        error: "no space left".to_owned(),
    });
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate Failed, evidence NotReached, guard Done, shut down Done, confirm Done");
    assert_eq!(report.exit, Exit::Failed);
    assert!(!house.nas_is_up());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_on_the_backup_nas_is_no_evidence() {
    let house = House::asleep();
    house.nothing_arrives();
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate Done, evidence Failed, guard Done, shut down Done, confirm Done");
    assert_eq!(report.exit, Exit::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_restarts_is_not_taken_for_one_that_is_off() {
    let house = House::asleep();
    house.reboots_instead_of_going_off(Duration::from_mins(1));
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Done, replicate Done, evidence Done, guard Done, shut down Done, confirm Failed");
    assert_eq!(report.exit, Exit::Failed);
    let confirm = report.steps.last().unwrap();
    assert!(confirm.summary.contains("rebooted"), "{}", confirm.summary);
    let reboot = confirm.evidence.iter().find_map(|seen| match &seen.fact {
        Fact::Rebooted(reboot) => Some(reboot),
        _ => None,
    });
    let reboot = reboot.unwrap();
    let silence = reboot.answered_at.duration_since(reboot.silent_from);
    assert!((55..=65).contains(&silence.as_secs()), "{reboot:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_during_the_power_off_is_judged_by_the_silence() {
    let house = House::asleep();
    house.shutdown_answers(|| {
        Ok(ShutdownOutcome::SentUnknown {
            why: "the connection was closed".to_owned(),
        })
    });
    let report = house.run().await;
    assert_eq!(report.exit, Exit::Done, "{}", ends(&report));
    assert!(!house.nas_is_up());
}

#[tokio::test(start_paused = true)]
async fn outside_the_window_nothing_is_stopped() {
    let mut house = House::asleep();
    house.begins("2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap());
    let report = house.run().await;
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Refused, replicate NotReached, evidence NotReached, guard Done, shut down Done, confirm Done");
    assert_eq!(report.exit, Exit::Refused);
    assert!(house.calls().is_empty(), "{:?}", house.calls());
    assert!(!house.nas_is_up());
}

#[tokio::test(start_paused = true)]
async fn a_nas_path_that_is_not_mounted_is_not_written_to() {
    let house = House::asleep();
    house.is_not_mounted();
    let report = house.run().await;
    assert_eq!(report.exit, Exit::Refused, "{}", ends(&report));
    assert!(house.calls().is_empty(), "{:?}", house.calls());
    assert!(house.saved().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_night_with_everything_running_and_the_nas_on() {
    let house = House::asleep();
    house.saving_takes(Duration::from_mins(10));
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let (report, ()) = tokio::join!(house.run_until(&cancel), async move {
        // The NAS is up by now, and the wiki is down.
        tokio::time::sleep(Duration::from_mins(2)).await;
        stop.cancel();
    });
    insta::assert_snapshot!(ends(&report), @"wake Done, stacks Cancelled, replicate NotReached, evidence NotReached, guard NotReached, shut down NotReached, confirm NotReached");
    assert_eq!(house.state_of("wiki"), ContainerState::Running);
    assert!(house.saved().is_empty());
    assert!(house.nas_is_up());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_a_killed_run_left_is_ended_first() {
    let house = House::asleep();
    house.was_killed_during_an_outage().await;
    assert_ne!(house.state_of("wiki"), ContainerState::Running);
    let report = house.run().await;
    assert_eq!(report.exit, Exit::Attention, "{}", ends(&report));
    assert_eq!(house.state_of("wiki"), ContainerState::Running);
    assert_eq!(house.saved(), ["wiki"]);
}

#[tokio::test(start_paused = true)]
async fn the_volumes_of_an_engine_elsewhere_are_read_through_it() {
    let mut house = House::asleep();
    house.has_its_engine_elsewhere();
    house.was_killed_during_an_outage().await;
    let before = house.calls().len();
    let report = house.run().await;
    let record = &report.steps[1];
    assert_eq!(
        (record.step, record.end),
        (Step::Stacks, StepEnd::Attention)
    );
    insta::assert_snapshot!(record.summary, @"1 stack saved; the longest outage took 5.0 s; read through the engine, which is slower, all of the data while the stack is down");
    assert_eq!(house.saved(), ["wiki"]);
    // What an earlier run left stopped is started first, wherever the engine is.
    assert_eq!(house.calls()[before], Call::Start("wiki".to_owned()));
    assert_eq!(house.state_of("wiki"), ContainerState::Running);
}
