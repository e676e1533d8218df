//! A swarm in memory: services, and tasks that come and go.

use std::time::Duration;

use tokio::time::Instant;

use super::{super::service, Call, ENDPOINT, MemoryEngine, State};
use crate::engine::EngineError;
use crate::model::{Service, ServiceId, ServiceMode, ServiceSpec, Task};

/// How a service in memory behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceBehaviour {
    /// How long its tasks take to end after a halt.
    pub ends_after: Duration,
    /// How long its tasks take from their creation until they run.
    pub runs_after: Duration,
    /// How many times, from now on, its tasks are created only to fail.
    pub failing_resumes: u32,
    /// How many changes of it the swarm refuses.
    pub refused_changes: u32,
}

impl MemoryEngine {
    /// Adds a service, which makes the engine the manager of a swarm. Unless it has tasks, those
    /// that it is to have run at once, on this node.
    pub fn add_service(&self, service: Service, behaviour: ServiceBehaviour) {
        let item = ServiceItem::new(service, behaviour, Instant::now());
        self.lock().services.push(item);
    }

    /// Does to a service what somebody else might: changes how it behaves.
    pub fn service_behaves(&self, name: &str, behaviour: &ServiceBehaviour) {
        self.each_service(name, |item, _| item.behave(behaviour.clone()));
    }

    /// Does to a service what somebody else might: changes its specification.
    pub fn edit_service(&self, name: &str, edit: impl Fn(&mut serde_json::Value)) {
        self.each_service(name, |item, now| item.edit(now, &edit));
    }

    /// Does to a service what somebody else might: deletes it.
    pub fn remove_service(&self, name: &str) {
        let now = Instant::now();
        self.lock().services.retain(|item| item.name(now) != name);
    }

    fn each_service(&self, name: &str, mut change: impl FnMut(&mut ServiceItem, Instant)) {
        let now = Instant::now();
        let mut state = self.lock();
        let named = state.services.iter_mut().filter(|s| s.name(now) == name);
        named.for_each(|item| change(item, now));
    }

    /// Does something with one service.
    pub(super) fn with_service<T>(
        &self,
        operation: &str,
        id: &ServiceId,
        act: impl FnOnce(&mut ServiceItem, Instant, &mut Vec<Call>) -> Result<T, String>,
    ) -> Result<T, EngineError> {
        let now = Instant::now();
        let mut state = self.lock();
        let State {
            services, calls, ..
        } = &mut *state;
        let operation = format!("{operation} service {id}");
        let Some(item) = services.iter_mut().find(|item| item.id() == id) else {
            return Err(EngineError::NotFound {
                endpoint: ENDPOINT.to_owned(),
                operation,
            });
        };
        act(item, now, calls).map_err(|message| EngineError::Refused {
            endpoint: ENDPOINT.to_owned(),
            operation,
            status: 500,
            message,
        })
    }
}

#[derive(Debug)]
pub(super) struct ServiceItem {
    id: ServiceId,
    spec: ServiceSpec,
    behaviour: ServiceBehaviour,
    other_nodes: Vec<String>,
    tasks: Vec<TaskItem>,
    created: usize,
}

#[derive(Debug)]
struct TaskItem {
    task: Task,
    runs_from: Option<Instant>,
    ends_at: Option<Instant>,
}

impl ServiceItem {
    pub(super) fn new(service: Service, behaviour: ServiceBehaviour, now: Instant) -> Self {
        let mut item = Self {
            created: service.tasks.len(),
            tasks: service
                .tasks
                .into_iter()
                .map(|task| TaskItem {
                    runs_from: task.running.then_some(now),
                    ends_at: None,
                    task,
                })
                .collect(),
            id: service.id,
            spec: service.spec,
            behaviour,
            other_nodes: service.other_nodes,
        };
        if item.tasks.is_empty() {
            item.reconcile(now, Duration::ZERO);
        }
        item
    }

    pub(super) fn id(&self) -> &ServiceId {
        &self.id
    }

    pub(super) fn name(&self, now: Instant) -> String {
        self.view(now).name
    }

    pub(super) fn behave(&mut self, behaviour: ServiceBehaviour) {
        self.behaviour = behaviour;
    }

    pub(super) fn view(&self, now: Instant) -> Service {
        let tasks = self
            .tasks
            .iter()
            .filter(|item| item.ends_at.is_none_or(|at| now < at))
            .map(|item| Task {
                running: item.ends_at.is_none() && item.runs_from.is_some_and(|at| at <= now),
                ..item.task.clone()
            })
            .collect();
        service::read(
            self.id.clone(),
            self.spec.clone(),
            tasks,
            self.other_nodes.clone(),
        )
    }

    /// Changes the specification, and the tasks with it.
    pub(super) fn change(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut ServiceSpec) -> Result<bool, String>,
    ) -> Result<(), String> {
        if self.behaviour.refused_changes > 0 {
            self.behaviour.refused_changes -= 1;
            return Err("the swarm does as the test asked for".to_owned());
        }
        if change(&mut self.spec)? {
            self.reconcile(now, self.behaviour.runs_after);
        }
        Ok(())
    }

    /// Does what somebody else might: writes another specification.
    pub(super) fn edit(&mut self, now: Instant, edit: impl FnOnce(&mut serde_json::Value)) {
        self.spec = self.spec.edited(edit);
        self.reconcile(now, self.behaviour.runs_after);
    }

    /// Gives the service the tasks that it is to have.
    fn reconcile(&mut self, now: Instant, runs_after: Duration) {
        let service = self.view(now);
        let wanted = match service.mode {
            ServiceMode::Replicated { replicas } => usize::try_from(replicas).unwrap_or(usize::MAX),
            ServiceMode::Global if service.is_halted() => 0,
            ServiceMode::Global => 1,
            ServiceMode::Job => return,
        };
        let ends_at = now + self.behaviour.ends_after;
        let lasting = self.tasks.iter_mut().filter(|item| item.ends_at.is_none());
        let mut kept = 0;
        for item in lasting {
            if kept < wanted {
                kept += 1;
            } else {
                item.ends_at = Some(ends_at);
            }
        }
        if kept == wanted {
            return;
        }
        let fails = self.behaviour.failing_resumes > 0;
        self.behaviour.failing_resumes = self.behaviour.failing_resumes.saturating_sub(1);
        for _ in kept..wanted {
            self.created += 1;
            let mut task = service::task(&service.name, self.created, None);
            if fails {
                task.error = Some("task: non-zero exit (1)".to_owned());
            }
            self.tasks.push(TaskItem {
                task,
                runs_from: (!fails).then(|| now + runs_after),
                ends_at: None,
            });
        }
    }
}
