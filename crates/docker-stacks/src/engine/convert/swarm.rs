//! Nodes and tasks, from the Engine API's answers.

use std::collections::BTreeMap;

use bollard::models::{Node, NodeState, Task as ApiTask, TaskState};

use crate::model::{ContainerId, Task};

/// The nodes of a swarm, by their identifiers.
#[derive(Debug)]
pub(in crate::engine) struct Nodes {
    nodes: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    name: String,
    is_this: bool,
    is_down: bool,
}

impl Nodes {
    pub(in crate::engine) fn new(nodes: Vec<Node>, this: Option<&str>) -> Self {
        let nodes = nodes.into_iter().filter_map(|node| {
            let id = node.id?;
            let known = Known {
                name: node
                    .description
                    .and_then(|description| description.hostname)
                    .unwrap_or_else(|| id.clone()),
                is_this: this == Some(id.as_str()),
                is_down: node.status.and_then(|status| status.state) == Some(NodeState::DOWN),
            };
            Some((id, known))
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// The names of all nodes but the one that was asked.
    pub(in crate::engine) fn others(&self) -> Vec<String> {
        let others = self.nodes.values().filter(|node| !node.is_this);
        let mut names: Vec<String> = others.map(|node| node.name.clone()).collect();
        names.sort();
        names
    }

    /// The tasks that have not ended, under the identifiers of their services.
    pub(in crate::engine) fn tasks_by_service(
        &self,
        tasks: Vec<ApiTask>,
    ) -> BTreeMap<String, Vec<Task>> {
        let mut by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        for task in tasks {
            let Some(service) = task.service_id.clone() else {
                continue;
            };
            by_service
                .entry(service)
                .or_default()
                .extend(self.task(task));
        }
        for tasks in by_service.values_mut() {
            tasks.sort_by(|a, b| a.id.cmp(&b.id));
        }
        by_service
    }

    fn task(&self, task: ApiTask) -> Option<Task> {
        let status = task.status?;
        let node = task.node_id.and_then(|id| self.nodes.get(&id));
        let wanted = !matches!(
            task.desired_state,
            Some(TaskState::SHUTDOWN | TaskState::REMOVE)
        );
        let alive = match status.state? {
            // It has no container yet, and if it is no longer wanted it never gets one.
            TaskState::NEW | TaskState::ALLOCATED | TaskState::PENDING => wanted,
            TaskState::ASSIGNED
            | TaskState::ACCEPTED
            | TaskState::PREPARING
            | TaskState::READY
            | TaskState::STARTING
            | TaskState::RUNNING => true,
            TaskState::COMPLETE
            | TaskState::SHUTDOWN
            | TaskState::FAILED
            | TaskState::REJECTED
            | TaskState::REMOVE
            | TaskState::ORPHANED => false,
        };
        // What a node said last that is down is no news: its tasks are given to others.
        if !alive || node.is_some_and(|node| node.is_down) {
            return None;
        }
        Some(Task {
            id: task.id?,
            running: wanted && status.state == Some(TaskState::RUNNING),
            node: node.map(|node| node.name.clone()),
            here: node.is_some_and(|node| node.is_this),
            container: status
                .container_status
                .and_then(|container| container.container_id)
                .filter(|id| !id.is_empty())
                .map(ContainerId::new),
            error: status.err.filter(|error| !error.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerStatus, NodeDescription, NodeStatus, TaskStatus};

    use super::*;

    fn node(id: &str, state: NodeState) -> Node {
        Node {
            id: Some(id.to_owned()),
            description: Some(NodeDescription {
                hostname: Some(format!("host-{id}")),
                ..NodeDescription::default()
            }),
            status: Some(NodeStatus {
                state: Some(state),
                ..NodeStatus::default()
            }),
            ..Node::default()
        }
    }

    fn task(id: &str, node: &str, state: TaskState, desired: TaskState) -> ApiTask {
        ApiTask {
            id: Some(id.to_owned()),
            service_id: Some("s".to_owned()),
            node_id: Some(node.to_owned()),
            desired_state: Some(desired),
            status: Some(TaskStatus {
                state: Some(state),
                container_status: Some(ContainerStatus {
                    container_id: Some(format!("container of {id}")),
                    ..ContainerStatus::default()
                }),
                ..TaskStatus::default()
            }),
            ..ApiTask::default()
        }
    }

    #[test]
    fn only_what_may_run_is_a_task() {
        let nodes = vec![
            node("a", NodeState::READY),
            node("b", NodeState::READY),
            node("c", NodeState::DOWN),
        ];
        let nodes = Nodes::new(nodes, Some("a"));
        assert_eq!(nodes.others(), ["host-b", "host-c"]);
        let tasks = vec![
            task("1", "a", TaskState::RUNNING, TaskState::RUNNING),
            task("2", "b", TaskState::STARTING, TaskState::RUNNING),
            task("3", "b", TaskState::RUNNING, TaskState::REMOVE),
            task("4", "a", TaskState::PENDING, TaskState::SHUTDOWN),
            task("5", "a", TaskState::PENDING, TaskState::RUNNING),
            task("6", "c", TaskState::RUNNING, TaskState::SHUTDOWN),
            task("7", "a", TaskState::FAILED, TaskState::SHUTDOWN),
        ];
        let found = nodes.tasks_by_service(tasks).remove("s").unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|t| (t.id.as_str(), t.running, t.here, t.node.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("1", true, true, Some("host-a")),
                ("2", false, false, Some("host-b")),
                ("3", false, false, Some("host-b")),
                ("5", false, true, Some("host-a")),
            ]
        );
    }
}
