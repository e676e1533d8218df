//! A NAS that is switched off and on again.

use std::net::{Ipv4Addr, SocketAddr};

use lab::truenas::Simulator;
use truenas_client::{SnapshotQuery, TaskState, TrueNas};

use crate::{backup, client, is_finished, primary, task, until_task};

#[tokio::test]
async fn a_switched_off_nas_receives_nothing_and_comes_back_with_what_it_had() {
    let (primary, backup) = (primary().await, backup().await);
    backup.control().take_snapshot("dozer/docker", "old");
    let (disks, key, pin) = (
        backup.control(),
        backup.api_key(),
        backup.certificate_sha256(),
    );
    primary.control().replicate_to(disks.clone());
    drop(backup);
    assert!(!disks.is_on());
    let sender = client(&primary);
    sender.run_snapshot_task(1).await.unwrap();
    until_task(&sender, "failed", |task| {
        matches!(task.state, TaskState::Error { .. })
    })
    .await;
    assert_eq!(disks.snapshots("dozer/docker").len(), 1);

    let backup = Simulator::boot(disks, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    assert_eq!((backup.api_key(), backup.certificate_sha256()), (key, pin));
    sender.run_replication_task(5).await.unwrap();
    until_task(&sender, "finished", is_finished).await;
    assert_eq!(
        client(&backup)
            .snapshots(&SnapshotQuery::of("dozer/docker"))
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_restart_forgets_jobs_and_changes_the_boot_id() {
    let nas = primary().await;
    let first = client(&nas);
    let boot_id = first.system().await.unwrap().boot_id;
    let job = first.run_replication_task(5).await.unwrap();
    assert!(first.job(job).await.unwrap().is_some());
    let control = nas.control();
    drop(nas);
    let nas = Simulator::boot(control, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    let second = client(&nas);
    assert_ne!(second.system().await.unwrap().boot_id, boot_id);
    assert_eq!(second.job(job).await.unwrap(), None);
    assert_eq!(task(&second).await.state, TaskState::Pending);
}
