//! Commands in containers, and the events of starts.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::{Fixture, find};
use crate::{
    engine::{Engine, EngineErrorKind, ExecCommand, ExecEnd},
    model::ContainerId,
    testing::ExecBehaviour,
};

fn shell(script: &str, limit: Duration) -> ExecCommand {
    ExecCommand {
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        user: None,
        limit,
    }
}

pub(super) fn says_a_word() -> ExecCommand {
    shell("echo word; exit 3", Duration::from_secs(30))
}

fn takes_long(limit: Duration) -> ExecCommand {
    shell("echo begun; sleep 1000", limit)
}

/// What the commands of these checks come to, for
/// [`MemoryEngine::on_exec`](crate::testing::MemoryEngine::on_exec).
#[must_use]
pub fn exec_behaviour(_container: &str, command: &ExecCommand) -> ExecBehaviour {
    let of = |takes, code, output: &str| ExecBehaviour {
        takes,
        code,
        output: output.to_owned(),
    };
    if *command == says_a_word() {
        of(Duration::ZERO, 3, "word")
    } else if *command == takes_long(command.limit) {
        of(Duration::from_secs(1000), 0, "begun")
    } else {
        of(Duration::ZERO, 127, "not found")
    }
}

/// A command is run where a container runs, and its end, its words and its limit are told.
///
/// # Panics
///
/// If not so.
pub async fn runs_commands(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.obedient).await.id;
    let end = engine.exec(&id, &says_a_word()).await;
    assert_eq!(
        end.expect("it can be run"),
        ExecEnd::Exited {
            code: 3,
            output: "word".to_owned()
        }
    );
    let missing = ExecCommand {
        command: vec!["/no/such/program".to_owned()],
        ..says_a_word()
    };
    match engine.exec(&id, &missing).await.expect("that is an end") {
        ExecEnd::Exited { code, .. } => assert!(matches!(code, 126 | 127), "{code}"),
        ExecEnd::StillRuns { .. } => panic!("a program that does not exist runs"),
    }
    is_left_alone_after_its_limit(engine, &id).await;

    let ended = find(engine, &fixture.ended).await.id;
    let refused = engine.exec(&ended, &says_a_word()).await;
    let refused = refused.expect_err("it does not run");
    assert_eq!(refused.kind(), EngineErrorKind::Refused);
    engine.pause(&id).await.expect("it can be paused");
    let refused = engine.exec(&id, &says_a_word()).await;
    assert_eq!(
        refused.expect_err("it is paused").kind(),
        EngineErrorKind::Refused
    );
    engine.unpause(&id).await.expect("it can go on");
}

async fn is_left_alone_after_its_limit(engine: &dyn Engine, id: &ContainerId) {
    let mut limit = Duration::from_secs(1);
    loop {
        let begun = Instant::now();
        let end = engine.exec(id, &takes_long(limit)).await;
        assert!(begun.elapsed() >= limit);
        let ExecEnd::StillRuns { output } = end.expect("it can be run") else {
            panic!("it ended");
        };
        if output == "begun" {
            return;
        }
        // The way to the engine counts as well, and takes seconds on a machine that is busy.
        assert_eq!(output, "");
        limit *= 4;
        assert!(limit < Duration::from_mins(2), "it has not begun in time");
    }
}

/// Whoever watches is told of a start.
///
/// # Panics
///
/// If not so.
pub async fn tells_of_starts(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.obedient).await.id;
    let mut starts = engine.starts().await.expect("it tells");
    let grace = Duration::from_secs(10);
    engine.stop(&id, grace).await.expect("it can be stopped");
    engine.start(&id).await.expect("it can be started");
    let told = timeout(Duration::from_secs(30), starts.next()).await;
    assert_eq!(told.expect("it tells in time"), Some(id));
}
