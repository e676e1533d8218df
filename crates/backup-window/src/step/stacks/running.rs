//! What runs, before and after (I1).

use std::collections::BTreeMap;

use docker_stacks::{Container, ContainerState};

/// The containers that ran, by name: a container that was recreated meanwhile has another
/// identifier, but is the same to those who use it.
#[derive(Debug)]
pub(super) struct Running(BTreeMap<String, ContainerState>);

impl Running {
    pub(super) fn of(containers: &[Container]) -> Self {
        Self(
            containers
                .iter()
                .filter(|container| is_up(&container.state))
                .map(|container| (container.name.clone(), container.state.clone()))
                .collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A sentence for each container that ran and does not do so any more.
    pub(super) fn missing_from(&self, after: &[Container]) -> Vec<String> {
        let after: BTreeMap<&str, &ContainerState> = after
            .iter()
            .map(|container| (container.name.as_str(), &container.state))
            .collect();
        self.0
            .iter()
            .filter_map(|(name, before)| match after.get(name.as_str()) {
                None => Some(format!("{name} ran before and is gone")),
                Some(now) if is_up(now) => (std::mem::discriminant(*now)
                    != std::mem::discriminant(before)
                    && matches!(before, ContainerState::Paused))
                .then(|| format!("{name} was paused before and is {now} now")),
                Some(now) => Some(format!(
                    "{name} ran before and is {now} now; look at `docker logs {name}`"
                )),
            })
            .collect()
    }
}

fn is_up(state: &ContainerState) -> bool {
    matches!(
        state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    )
}
