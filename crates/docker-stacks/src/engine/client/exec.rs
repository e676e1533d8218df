//! Running a command in a container, by the engine's three calls for it.

use std::time::Duration;

use bollard::{
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::{BollardEngine, STATE_POLL};
use crate::{
    engine::{EngineError, ExecCommand, ExecEnd, Tail},
    model::ContainerId,
};

pub(super) async fn exec(
    engine: &BollardEngine,
    id: &ContainerId,
    command: &ExecCommand,
) -> Result<ExecEnd, EngineError> {
    let config = ExecConfig {
        cmd: Some(command.command.clone()),
        user: command.user.clone(),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let verb = "run a command in";
    let created = engine
        .about(verb, id, Duration::ZERO, |docker| async move {
            docker.create_exec(id.as_str(), config).await
        })
        .await?
        .id;
    let until = Instant::now() + command.limit;
    let mut tail = Tail::default();
    // The streams end with the command's, but a child of it may hold them open for ever.
    let printed = timeout_at(until, print(engine, id, &created, command.limit, &mut tail)).await;
    if let Ok(Err(error)) = printed {
        return Err(error);
    }
    loop {
        let looked = engine
            .about("look at a command in", id, Duration::ZERO, |docker| {
                let created = created.clone();
                async move { docker.inspect_exec(&created).await }
            })
            .await?;
        if looked.running != Some(true) {
            return Ok(ExecEnd::Exited {
                code: looked.exit_code.unwrap_or_default(),
                output: tail.into_text(),
            });
        }
        if Instant::now() >= until {
            return Ok(ExecEnd::StillRuns {
                output: tail.into_text(),
            });
        }
        sleep(STATE_POLL).await;
    }
}

async fn print(
    engine: &BollardEngine,
    id: &ContainerId,
    exec: &str,
    limit: Duration,
    tail: &mut Tail,
) -> Result<(), EngineError> {
    engine
        .about("run a command in", id, limit, |docker| async move {
            let started = docker.start_exec(exec, None::<StartExecOptions>).await?;
            if let StartExecResults::Attached { mut output, .. } = started {
                while let Some(piece) = output.next().await {
                    tail.push(&piece?.into_bytes());
                }
            }
            Ok(())
        })
        .await
}
