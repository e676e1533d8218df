//! What a restore in place left behind that was killed, or whose stack did not run well.

use backup_window::exit::Exit;
use backup_window::restore::{Leftover, settle, undo};
use backup_window::state::StateDir;
use docker_stacks::{Container, ContainerState, Engine, Health, find_stacks};

use crate::failure::{Failure, failed_to};

/// Undoes half a restore, before anything is started that uses its data.
pub(crate) async fn undo_leftovers(state: &StateDir) -> Result<Option<Leftover>, Failure> {
    let leftover = undo(&state.swap_journal()).await?;
    if let Some(leftover) = &leftover {
        tracing::warn!("{}", leftover.describe());
    }
    Ok(leftover)
}

/// The same before another restore. What an earlier one replaced is in its snapshot, and is kept no
/// longer.
pub(super) async fn clear(state: &StateDir) -> Result<(), Failure> {
    match undo_leftovers(state).await? {
        Some(leftover) if !leftover.undone => {
            Ok(settle(&state.swap_journal(), &leftover.record).await?)
        }
        _ => Ok(()),
    }
}

/// Removes what a restore replaced, as soon as its stack is seen to run well.
pub(crate) async fn settle_if_well(
    state: &StateDir,
    engine: &dyn Engine,
    leftover: Option<&Leftover>,
) -> Result<(), Failure> {
    let Some(leftover) = leftover.filter(|leftover| !leftover.undone) else {
        return Ok(());
    };
    let containers = engine
        .containers()
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    let stacks = find_stacks(containers);
    let mut stacks = stacks.iter();
    let stack = stacks.find(|stack| stack.name.as_str() == leftover.record.stack);
    let runs_well = stack.is_some_and(|stack| {
        let mut running = stack.containers.iter().filter(|it| it.state.is_active());
        stack
            .containers
            .iter()
            .any(|it| it.state == ContainerState::Running)
            && running.all(is_well)
    });
    if !runs_well {
        return Ok(());
    }
    settle(&state.swap_journal(), &leftover.record).await?;
    tracing::warn!(
        "{} runs well with its restored data: what was there before is removed",
        leftover.record.stack
    );
    Ok(())
}

fn is_well(container: &Container) -> bool {
    matches!(container.health, None | Some(Health::Healthy))
}
