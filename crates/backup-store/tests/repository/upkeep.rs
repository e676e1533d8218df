//! Forgetting, pruning and checking share by share, in real repositories.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use backup_store::{
    CheckDepth, Chunks, InitOptions, Keep, OpenOptions, PruneOptions, RetentionRules, RusticStore,
    Store, StoreError, retain,
};
use jiff::{Timestamp, tz::TimeZone};

use crate::scene::{Scene, noise, password};

const ALL: CheckDepth = CheckDepth::ReadData { percent: 100 };

/// Everything unused goes, and what is marked at the next time.
fn thorough() -> PruneOptions {
    PruneOptions {
        max_unused_percent: 0,
        max_repack_percent: 100,
        keep_marked: Duration::ZERO,
    }
}

async fn assert_whole(store: &RusticStore) {
    let report = store.check(ALL).await.unwrap();
    assert!(report.is_ok(), "{:?}", report.findings);
}

fn flip_a_byte(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 40).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], 40).unwrap();
}

fn stored_bytes(scene: &Scene) -> u64 {
    let packs = scene.objects("data");
    packs
        .iter()
        .map(|pack| fs::metadata(pack).unwrap().len())
        .sum()
}

#[tokio::test]
async fn what_is_forgotten_is_gone_after_two_prunes() {
    let scene = Scene::new().await;
    for night in 1..=4_u64 {
        fs::write(scene.path("data/file"), noise(night, 700_000)).unwrap();
        fs::write(
            scene.path(&format!("data/stays-{night}")),
            noise(night + 9, 9_000),
        )
        .unwrap();
        scene.back_up(&format!("2026-03-0{night}T03:00:00Z")).await;
    }
    let full_bytes = stored_bytes(&scene);

    let snapshots = scene.store.snapshots().await.unwrap();
    let rules = RetentionRules::new("docker01", Keep::default(), TimeZone::UTC);
    let forgotten = retain(&snapshots, &rules, Timestamp::UNIX_EPOCH).forgotten();
    assert_eq!(forgotten.len(), 3);
    scene.store.forget(forgotten.clone()).await.unwrap();
    // Once more is fine: a run that was killed does it again.
    scene.store.forget(forgotten).await.unwrap();
    let left = scene.store.snapshots().await.unwrap();
    assert_eq!(left, snapshots[3..]);

    let first = scene.store.prune(thorough()).await.unwrap();
    assert!(first.marked_bytes >= 3 * 700_000, "{first:?}");
    assert_eq!(first.deleted_bytes, 0);
    assert!(stored_bytes(&scene) >= full_bytes, "nothing is deleted yet");
    assert_whole(&scene.store).await;
    let second = scene.store.prune(thorough()).await.unwrap();
    assert!(second.deleted_bytes >= 3 * 700_000, "{second:?}");
    assert!(stored_bytes(&scene) < full_bytes / 2);
    assert_whole(&scene.store).await;

    // Also by one who had the index in memory, and backs up again what was pruned.
    fs::write(scene.path("data/file"), noise(1, 700_000)).unwrap();
    scene.back_up("2026-03-05T03:00:00Z").await;
    assert_whole(&scene.store).await;
    scene.restore(left[0].id, "restored").await;
    assert_eq!(
        fs::read(scene.path("restored/volumes/data/file")).unwrap(),
        noise(4, 700_000)
    );
}

#[tokio::test]
async fn data_that_is_needed_again_before_it_is_deleted_stays() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/file"), noise(1, 700_000)).unwrap();
    let first = scene.back_up("2026-03-01T03:00:00Z").await;
    scene.store.forget(vec![first.snapshot]).await.unwrap();
    scene.store.prune(thorough()).await.unwrap();
    let again = scene.back_up("2026-03-02T03:00:00Z").await;
    scene.store.prune(PruneOptions::default()).await.unwrap();
    assert_whole(&scene.store).await;
    scene.restore(again.snapshot, "restored").await;
}

#[tokio::test]
async fn every_damage_is_found_within_the_set_number_of_nights() {
    const NIGHTS: u32 = 3;
    let scene = Scene::new().await;
    for night in 1..=5_u64 {
        fs::write(scene.path("data/file"), noise(night, 60_000)).unwrap();
        scene.back_up(&format!("2026-03-0{night}T03:00:00Z")).await;
    }
    // Whichever data file it is: the others are whole.
    let data: Vec<_> = scene
        .objects("data")
        .into_iter()
        .filter(|pack| fs::metadata(pack).unwrap().len() > 50_000)
        .collect();
    assert!(data.len() >= 5, "{data:?}");
    for pack in data {
        flip_a_byte(&pack);
        let mut found = 0;
        for share in 0..NIGHTS {
            let depth = CheckDepth::ReadShare { share, of: NIGHTS };
            let report = scene.store.check(depth).await.unwrap();
            found += u32::from(!report.is_ok());
        }
        assert_eq!(found, 1, "{}: in one share and no other", pack.display());
        flip_a_byte(&pack);
    }
    assert_whole(&scene.store).await;
}

#[tokio::test]
async fn a_damaged_snapshot_keeps_a_prune_from_taking_what_it_may_need() {
    let scene = Scene::new().await;
    for night in 1..=2_u64 {
        fs::write(scene.path("data/file"), noise(night, 300_000)).unwrap();
        scene.back_up(&format!("2026-03-0{night}T03:00:00Z")).await;
    }
    let before = scene.objects("data");
    flip_a_byte(&scene.objects("snapshots")[0]);
    let error = scene.store.prune(thorough()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(scene.objects("data"), before);
}

#[tokio::test]
async fn a_prune_that_is_given_up_leaves_the_repository_whole() {
    let scene = Scene::new().await;
    let mut snapshots = Vec::new();
    for night in 1..=6_u64 {
        for (file, length) in (0..20_u64).zip([20_000, 40_000, 60_000].into_iter().cycle()) {
            let name = format!("data/file-{file}");
            fs::write(scene.path(&name), noise(night * 100 + file, length)).unwrap();
        }
        snapshots.push(
            scene
                .back_up(&format!("2026-03-0{night}T03:00:00Z"))
                .await
                .snapshot,
        );
    }
    scene.store.forget(snapshots[..5].to_vec()).await.unwrap();
    // It begins at the first poll, and is dropped after anything from nothing to all of it.
    for milliseconds in [0, 1, 3, 10, 30, 100] {
        {
            let mut prune = pin!(scene.store.prune(thorough()));
            let mut context = Context::from_waker(Waker::noop());
            assert!(matches!(
                prune.as_mut().poll(&mut context),
                Poll::Pending | Poll::Ready(_)
            ));
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        // It waits for the thread that still works.
        scene.store.forget(Vec::new()).await.unwrap();
        assert_whole(&scene.store).await;
    }
    scene.store.prune(thorough()).await.unwrap();
    scene.store.prune(thorough()).await.unwrap();
    assert_whole(&scene.store).await;
    scene.restore(snapshots[5], "restored").await;
}

#[tokio::test]
async fn any_kind_of_chunks_comes_back_as_it_was() {
    for chunks in ["content-64KiB", "content-1024KiB", "fixed-128KiB"] {
        let chunks: Chunks = chunks.parse().unwrap();
        let scene = Scene::new().await;
        let path = scene.path("chunks");
        let options = InitOptions {
            chunks,
            ..InitOptions::default()
        };
        RusticStore::init(&path, &password(), options)
            .await
            .unwrap();
        let store = RusticStore::open(&path, &password(), OpenOptions::default())
            .await
            .unwrap();
        // More than the largest chunk, which is 8 MiB: where a repository cuts is random.
        let content = noise(3, 12_000_000);
        fs::write(scene.path("data/file"), &content).unwrap();
        store
            .back_up(scene.request("2026-03-01T03:00:00Z"))
            .await
            .unwrap();
        fs::write(scene.path("data/file"), [&content[..], b"more"].concat()).unwrap();
        let more = store
            .back_up(scene.request("2026-03-02T03:00:00Z"))
            .await
            .unwrap();
        assert!(
            more.added_bytes < 11_000_000,
            "{chunks}: the beginning is known"
        );
        assert_whole(&store).await;
    }
}

#[tokio::test]
async fn chunks_that_cannot_be_had_make_no_repository() {
    let scene = Scene::new().await;
    let options = InitOptions {
        chunks: Chunks::Fixed { kibibytes: 1 },
        ..InitOptions::default()
    };
    let path = scene.path("never");
    let error = RusticStore::init(&path, &password(), options)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::InvalidRequest { .. }),
        "{error:?}"
    );
    assert!(!path.exists());
}
