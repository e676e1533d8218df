mod disturbances;
mod ends;
mod hooks;
mod matrix;
mod order;
mod recovery;
mod services;
mod starts;

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;

use super::*;
use crate::{
    engine::Stopped,
    find::find_stacks,
    model::{Container, ContainerState, StackName},
    plan::{PlanRules, plan},
    testing::{
        Behaviour, Call, ExecBehaviour, HealthBehaviour, MemoryEngine, MemoryJournal, bind,
        container, depending_on, in_network_of, in_project,
    },
};

const SECOND: Duration = Duration::from_secs(1);
const BEGUN_AT: Timestamp = Timestamp::constant(1_735_700_000, 0);

/// Three containers of one project, stopped in the order of their names.
struct Lab {
    engine: Arc<MemoryEngine>,
    journal: MemoryJournal,
    options: OutageOptions,
}

impl Lab {
    fn new() -> Self {
        let lab = Self::empty();
        for name in ["a", "b", "c"] {
            lab.add(name, ContainerState::Running, Behaviour::default());
        }
        lab
    }

    fn empty() -> Self {
        Self {
            engine: Arc::new(MemoryEngine::new()),
            journal: MemoryJournal::default(),
            options: OutageOptions::default(),
        }
    }

    /// One project of these containers, which have data and do nothing out of the ordinary.
    fn of(containers: impl IntoIterator<Item = Container>) -> Self {
        let lab = Self::empty();
        for container in containers {
            lab.engine.add(container, Behaviour::default());
        }
        lab
    }

    fn add(&self, name: &str, state: ContainerState, behaviour: Behaviour) {
        let mut container = in_project(container(name), "shop", name);
        container.state = state;
        container.mounts = vec![bind(format!("/data/{name}"), "/data")];
        self.engine.add(container, behaviour);
    }

    fn behave(&self, name: &str, behaviour: &Behaviour) {
        self.engine.behave(name, behaviour);
    }

    /// The plan for what is there now.
    async fn group(&self) -> GroupPlan {
        let stacks = find_stacks(self.engine.containers().await.unwrap());
        let mut plan = plan(&stacks, &[], &PlanRules::default());
        assert_eq!(plan.groups.len(), 1);
        plan.groups.remove(0)
    }

    async fn outage<T>(&self, work: impl Future<Output = T>) -> OutageReport<T> {
        self.outage_until(pending(), work).await
    }

    async fn outage_until<T>(
        &self,
        cancelled: impl Future<Output = ()>,
        work: impl Future<Output = T>,
    ) -> OutageReport<T> {
        let group = self.group().await;
        outage(
            &*self.engine,
            &self.journal,
            &group,
            BEGUN_AT,
            &self.options,
            cancelled,
            work,
        )
        .await
    }

    async fn recover(&self) -> Option<RecoveryReport> {
        recover(&*self.engine, &self.journal, &self.options)
            .await
            .unwrap()
    }

    /// Runs an outage and drops it after `alive`, as the end of the process does.
    async fn die_after(&self, alive: Duration) {
        let outage = self.outage(sleep(600 * SECOND));
        assert!(tokio::time::timeout(alive, outage).await.is_err());
    }

    fn states(&self) -> Vec<ContainerState> {
        ["a", "b", "c"]
            .iter()
            .filter_map(|name| self.engine.state_of(name))
            .collect()
    }

    fn all_run(&self) -> bool {
        self.states() == [ContainerState::Running; 3]
    }

    /// The changing calls, in few letters.
    fn calls(&self) -> String {
        let calls: Vec<String> = self
            .engine
            .calls()
            .into_iter()
            .map(|call| match call {
                Call::Stop(name, _) | Call::Halt(name) => format!("-{name}"),
                Call::Start(name) | Call::Resume(name) => format!("+{name}"),
                Call::Pause(name) => format!("p{name}"),
                Call::Unpause(name) => format!("u{name}"),
                Call::Exec(name, command) => format!("{name}:{command}"),
            })
            .collect();
        calls.join(" ")
    }

    /// The containers that the journal still names.
    fn owed(&self) -> Vec<String> {
        let record = self.journal.record();
        record
            .map(|record| record.containers)
            .unwrap_or_default()
            .into_iter()
            .map(|recorded| recorded.container.name)
            .collect()
    }
}

/// A service of the project, with data.
fn service(name: &str) -> Container {
    let mut container = in_project(container(name), "shop", name);
    container.mounts = vec![bind(format!("/data/{name}"), "/data")];
    container
}

fn ends<T>(report: &OutageReport<T>) -> Vec<&StartEnd> {
    report.containers.iter().map(|c| &c.start).collect()
}
