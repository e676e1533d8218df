//! The same scenarios over every transport of every version of TrueNAS, simulated.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests to everyone but clippy"
)]

mod access;
mod evidence;
mod faults;
mod house;
mod states;
mod traps;

use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt as _;

use house::Tongue;

type Play = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A scenario: its name, and how it is played.
struct Scenario {
    name: &'static str,
    play: fn(Tongue) -> Play,
}

macro_rules! scenarios {
    ($($module:ident: $($name:ident)*;)*) => {
        vec![$($(Scenario {
            name: concat!(stringify!($module), "::", stringify!($name)),
            play: |tongue| Box::pin($module::$name(tongue)),
        },)*)*]
    };
}

fn all() -> Vec<Scenario> {
    scenarios! {
        traps: finished_may_be_yesterdays
            finished_with_nothing_sent
            a_state_without_its_word
            a_disabled_task_is_disabled
            a_remote_that_is_off_is_running_and_then_an_error
            a_key_is_never_sent_in_clear
            words_that_would_become_filters_are_not_used
            each_version_runs_a_replication_in_its_way
            refusals_are_in_the_job
            no_health_comes_from_a_job;
        states: every_state_has_its_verdict
            what_is_new_is_unknown
            a_global_failure_fails_every_task
            warnings_degrade
            a_run_that_stands_still_is_seen_to
            names_are_read_in_the_time_zone_of_the_nas
            snapshot_tasks_tell_what_their_version_tells;
        evidence: a_snapshot_on_both_nas_is_proven_with_its_children
            a_child_that_did_not_arrive_is_missed
            a_large_nas_costs_no_more
            pools_and_alerts_are_told
            changes_are_told_over_json_rpc_alone;
        access: another_certificate_gets_no_key
            a_host_without_tls_gets_no_key
            a_redirect_is_not_followed
            a_wrong_key_is_denied
            a_revoked_key_is_explained
            a_user_who_may_only_read_reads_over_json_rpc
            the_transport_is_what_the_nas_says
            a_failure_is_no_reason_for_rest;
        faults: a_busy_nas_is_asked_again
            a_cut_question_is_asked_again_and_an_order_is_not
            a_middleware_that_restarts_is_waited_for
            answers_that_make_no_sense_are_errors
            an_inner_failure_hides_its_traceback
            a_slow_nas_has_its_deadline
            it_is_switched_off_with_a_reason;
    }
}

/// How many are played at once: they wait for each other's machines more than for themselves.
const AT_ONCE: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_over_every_transport_of_every_version() {
    let (scenarios, tongues) = (all(), Tongue::all());
    let plays = scenarios.iter().flat_map(|scenario| {
        tongues.iter().map(move |&tongue| {
            let played = tokio::spawn((scenario.play)(tongue));
            async move { (scenario.name, tongue, played.await) }
        })
    });
    // Only those that are polled have been spawned.
    let played: Vec<_> = futures_util::stream::iter(plays)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<String> = played
        .iter()
        .filter(|(_, _, ended)| ended.is_err())
        .map(|(name, tongue, _)| format!("{name} with {tongue:?}"))
        .collect();
    println!(
        "{} scenarios over {} pairs of version and transport: {} played, {} failed",
        scenarios.len(),
        tongues.len(),
        played.len(),
        failed.len()
    );
    assert_eq!(
        tongues.len(),
        7,
        "four versions over REST, three over JSON-RPC"
    );
    assert!(failed.is_empty(), "failed: {failed:#?}");
}
