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
                .filter(|container| container.state.is_active())
                .map(|container| (container.name.clone(), container.state))
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
                Some(now) if now.is_active() => (std::mem::discriminant(*now)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, state: ContainerState) -> Container {
        let mut container = Container::new(format!("id of {name}"), name);
        container.state = state;
        container
    }

    #[test]
    fn only_what_ran_is_missed() {
        let before = Running::of(&[
            container("db", ContainerState::Running),
            container("app", ContainerState::Paused),
            container("old", ContainerState::Exited { code: 0 }),
        ]);
        assert_eq!(before.len(), 2);
        let as_before = [
            container("db", ContainerState::Running),
            container("app", ContainerState::Paused),
        ];
        assert!(before.missing_from(&as_before).is_empty());
        let after = [
            container("app", ContainerState::Running),
            container("old", ContainerState::Running),
        ];
        assert_eq!(
            before.missing_from(&after),
            [
                "app was paused before and is running now",
                "db ran before and is gone"
            ]
        );
    }

    #[test]
    fn a_container_that_was_recreated_is_the_same_to_those_who_use_it() {
        let before = Running::of(&[container("db", ContainerState::Running)]);
        let mut recreated = container("db", ContainerState::Exited { code: 3 });
        recreated.id = docker_stacks::ContainerId::new("another");
        assert_eq!(
            before.missing_from(&[recreated]),
            ["db ran before and is exited with code 3 now; look at `docker logs db`"]
        );
    }
}
