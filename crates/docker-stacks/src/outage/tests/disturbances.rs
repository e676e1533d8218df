//! Who starts containers in the middle of an outage is found out.

use super::*;
use crate::model::Mount;

async fn disturbed(lab: &Lab, disturb: impl FnOnce()) -> (Vec<String>, Vec<String>) {
    let report = lab
        .outage(async {
            sleep(SECOND).await;
            disturb();
            sleep(SECOND).await;
        })
        .await;
    assert!(lab.all_run());
    let names: Vec<String> = report
        .disturbed()
        .map(|c| c.container.name.clone())
        .collect();
    let others: Vec<String> = report
        .others_started
        .iter()
        .map(|c| c.name.clone())
        .collect();
    assert_eq!(
        report.is_disturbed(),
        !names.is_empty() || !others.is_empty()
    );
    (names, others)
}

#[tokio::test(start_paused = true)]
async fn a_container_that_runs_at_the_end_of_the_work_was_started() {
    let lab = Lab::new();
    let (own, others) = disturbed(&lab, || lab.engine.start_behind_the_back("b")).await;
    assert_eq!((own.concat(), others.concat()), ("b".into(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ran_for_a_moment_is_seen_as_well() {
    let lab = Lab::new();
    let (own, _) = disturbed(&lab, || {
        lab.engine.start_behind_the_back("c");
        lab.engine.end("c", 0);
    })
    .await;
    assert_eq!(own, ["c"]);
}

/// A container outside of the group that was planned, with this mount.
fn newcomer(lab: &Lab, mount: Mount) {
    let mut container = container("newcomer");
    container.mounts = vec![mount];
    container.state = ContainerState::Created;
    lab.engine.add(container, Behaviour::default());
    lab.engine.start_behind_the_back("newcomer");
}

#[tokio::test(start_paused = true)]
async fn another_container_on_the_same_data_is_seen() {
    for source in ["/data/a", "/data", "/data/a/sub/../b", "/"] {
        let lab = Lab::new();
        let (own, others) = disturbed(&lab, || newcomer(&lab, bind(source, "/x"))).await;
        assert!(own.is_empty());
        assert_eq!(others, ["newcomer"], "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_container_elsewhere_or_that_only_reads_disturbs_nobody() {
    let reads = Mount {
        read_only: true,
        ..bind("/data/a", "/x")
    };
    for mount in [bind("/data-of-others", "/x"), reads] {
        let lab = Lab::new();
        let (own, others) = disturbed(&lab, || newcomer(&lab, mount)).await;
        assert!(own.is_empty() && others.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_meanwhile_is_watched_again() {
    let lab = Lab::new();
    let report = lab
        .outage(async {
            lab.engine.go_away_for(2);
            sleep(10 * SECOND).await;
            newcomer(&lab, bind("/data/a", "/x"));
            sleep(SECOND).await;
        })
        .await;
    assert_eq!(report.others_started.len(), 1);
}
