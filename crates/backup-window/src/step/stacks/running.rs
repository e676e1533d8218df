//! What runs, before and after (I1).

use std::collections::BTreeMap;

use docker_stacks::{Container, ContainerState, Service};

/// The containers and services that ran, by name: a container that was recreated meanwhile has
/// another identifier, but is the same to those who use it.
#[derive(Debug)]
pub(super) struct Running {
    containers: BTreeMap<String, ContainerState>,
    /// How many tasks ran of each service.
    services: BTreeMap<String, usize>,
}

impl Running {
    pub(super) fn of<'a>(
        containers: &[Container],
        services: impl Iterator<Item = &'a Service>,
    ) -> Self {
        Self {
            // A task's container comes and goes under a name of its own: its service counts.
            containers: containers
                .iter()
                .filter(|container| container.state.is_active() && !container.is_task())
                .map(|container| (container.name.clone(), container.state))
                .collect(),
            services: services
                .map(|service| (service.name.clone(), service.running().count()))
                .filter(|(_, tasks)| *tasks > 0)
                .collect(),
        }
    }

    /// How many containers ran, those of tasks counted as well.
    pub(super) fn len(&self) -> usize {
        self.containers.len() + self.services.values().sum::<usize>()
    }

    pub(super) fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// A sentence for each container and service that ran and does not do so any more.
    pub(super) fn missing_from(&self, after: &[Container], services: &[Service]) -> Vec<String> {
        let missing_services = self.services.iter().filter_map(|(name, before)| {
            let Some(now) = services.iter().find(|service| service.name == *name) else {
                return Some(format!("the service {name} ran before and is gone"));
            };
            let now = now.running().count();
            (now < *before).then(|| {
                format!(
                    "{before} tasks of {name} ran before and {now} run now; look at \
                     `docker service ps --no-trunc {name}`"
                )
            })
        });
        let after: BTreeMap<&str, &ContainerState> = after
            .iter()
            .map(|container| (container.name.as_str(), &container.state))
            .collect();
        self.containers
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
            .chain(missing_services)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use docker_stacks::{ServiceMode, testing};

    use super::*;

    fn container(name: &str, state: ContainerState) -> Container {
        let mut container = Container::new(format!("id of {name}"), name);
        container.state = state;
        container
    }

    #[test]
    fn only_what_ran_is_missed() {
        let before = Running::of(
            &[
                container("db", ContainerState::Running),
                container("app", ContainerState::Paused),
                container("old", ContainerState::Exited { code: 0 }),
            ],
            std::iter::empty(),
        );
        assert_eq!(before.len(), 2);
        let as_before = [
            container("db", ContainerState::Running),
            container("app", ContainerState::Paused),
        ];
        assert!(before.missing_from(&as_before, &[]).is_empty());
        let after = [
            container("app", ContainerState::Running),
            container("old", ContainerState::Running),
        ];
        assert_eq!(
            before.missing_from(&after, &[]),
            [
                "app was paused before and is running now",
                "db ran before and is gone"
            ]
        );
    }

    #[test]
    fn a_container_that_was_recreated_is_the_same_to_those_who_use_it() {
        let before = Running::of(
            &[container("db", ContainerState::Running)],
            std::iter::empty(),
        );
        let mut recreated = container("db", ContainerState::Exited { code: 3 });
        recreated.id = docker_stacks::ContainerId::new("another");
        assert_eq!(
            before.missing_from(&[recreated], &[]),
            ["db ran before and is exited with code 3 now; look at `docker logs db`"]
        );
    }

    #[test]
    fn of_a_service_the_number_of_tasks_counts() {
        let service = |tasks: usize| {
            let mut service = testing::service("mon_prom", ServiceMode::Global);
            for _ in 0..tasks {
                service = testing::placed(service, None);
            }
            service
        };
        let task = testing::task_container(&service(2), 0, Vec::new());
        let before = Running::of(&[task], [&service(2)].into_iter());
        assert_eq!(before.len(), 2, "its tasks, and no container of theirs");
        assert!(before.missing_from(&[], &[service(2)]).is_empty());
        assert_eq!(
            before.missing_from(&[], &[service(1)]),
            ["2 tasks of mon_prom ran before and 1 run now; look at \
                 `docker service ps --no-trunc mon_prom`"]
        );
        assert_eq!(
            before.missing_from(&[], &[]),
            ["the service mon_prom ran before and is gone"]
        );
    }
}
