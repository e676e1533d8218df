//! Reading files through an engine.

use std::{path::Path, time::Duration};

use futures_util::StreamExt;

use super::{Fixture, find};
use crate::{
    engine::{Engine, EngineErrorKind},
    model::{ContainerId, ContainerState},
};

/// A mount can be read as an archive that is whole, whether its container runs or not; what is not
/// there is an error at once.
///
/// # Panics
///
/// If not so.
pub async fn reads_archives(engine: &dyn Engine, fixture: &Fixture) {
    let obedient = find(engine, &fixture.obedient).await;
    let at = &obedient.mounts[0].destination;
    let running = read(engine, &obedient.id, at).await;
    let grace = Duration::from_secs(10);
    engine.stop(&obedient.id, grace).await.expect("it stops");
    let stopped = read(engine, &obedient.id, at).await;
    for archive in [running, stopped] {
        assert_eq!(
            &archive[257..262],
            b"ustar",
            "the header of the folder itself"
        );
        assert_eq!(archive.len() % 512, 0, "whole blocks");
        let end = &archive[archive.len() - 1024..];
        assert!(end.iter().all(|byte| *byte == 0), "no end of the archive");
    }
    for (id, path) in [
        (&obedient.id, "/no/such/path"),
        (&ContainerId::new("0123456789ab"), "/"),
    ] {
        let error = engine.archive(id, path.as_ref()).await.err();
        let kind = error.map(|error| error.kind());
        assert_eq!(kind, Some(EngineErrorKind::NotFound), "{path}");
    }
    engine.start(&obedient.id).await.expect("it starts");
    let obedient = find(engine, &fixture.obedient).await;
    assert_eq!(obedient.state, ContainerState::Running);
}

async fn read(engine: &dyn Engine, id: &ContainerId, path: &Path) -> Vec<u8> {
    let mut parts = engine.archive(id, path).await.expect("it can be read");
    let mut archive = Vec::new();
    while let Some(part) = parts.next().await {
        archive.extend_from_slice(&part.expect("it is read to its end"));
    }
    archive
}
