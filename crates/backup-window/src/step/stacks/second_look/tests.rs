use docker_stacks::testing::{Behaviour, Call, MemoryEngine, MemoryJournal, container, volume};
use docker_stacks::{Plan, PlanRules, Volume, find_stacks, outage, plan};

use super::*;
use crate::clock::SystemClock;

/// A stack of one container whose outage is over.
struct After {
    engine: MemoryEngine,
    journal: MemoryJournal,
    before: Vec<Container>,
    plan: Plan,
    options: OutageOptions,
}

impl After {
    async fn the_outage_of(behaviour: Behaviour) -> Self {
        let engine = MemoryEngine::new();
        let data = Volume::local("wiki_data", "/srv/wiki");
        engine.add_volume(data.clone());
        let mut wiki = container("wiki");
        wiki.mounts.push(volume(&data, "/data"));
        engine.add(wiki, behaviour);
        let before = engine.containers().await.unwrap();
        let volumes = engine.volumes().await.unwrap();
        let plan = plan(
            &find_stacks(before.clone()),
            &volumes,
            &PlanRules::default(),
        );
        assert_eq!(plan.groups.len(), 1, "{plan:?}");
        let journal = MemoryJournal::default();
        let options = OutageOptions::default();
        let report = outage(
            &engine,
            &journal,
            &plan.groups[0],
            SystemClock.now(),
            &until_the_second_look(&options),
            std::future::pending(),
            async {},
        )
        .await;
        tracing::debug!(?report, "over");
        Self {
            engine,
            journal,
            before,
            plan,
            options,
        }
    }

    async fn second_look(&self) -> Vec<String> {
        let look = SecondLook {
            clock: &SystemClock,
            engine: &self.engine,
            journal: &self.journal,
            groups: &self.plan.groups,
            before: &self.before,
            options: &self.options,
        };
        look.remarks(&CancellationToken::new()).await
    }

    fn starts(&self) -> usize {
        let calls = self.engine.calls();
        let start = |call: &&Call| matches!(call, Call::Start(_));
        calls.iter().filter(start).count()
    }

    fn wiki(&self) -> Option<ContainerState> {
        self.engine.state_of("wiki")
    }
}

fn falls(times: u32, after: Duration, code: i64) -> Behaviour {
    Behaviour {
        crashing_starts: times,
        crashes_after: after,
        crash_code: code,
        ..Behaviour::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_left_alone() {
    let after = After::the_outage_of(Behaviour::default()).await;
    assert_eq!(after.second_look().await, Vec::<String>::new());
    assert_eq!(after.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_falls_after_its_first_moment_is_started_again() {
    let after = After::the_outage_of(falls(1, Duration::from_secs(2), 3)).await;
    assert_eq!(
        after.wiki(),
        Some(ContainerState::Running),
        "it was believed"
    );
    assert_eq!(
        after.second_look().await,
        [
            "wiki fell some time after its start: it was exited with code 3, and was started again; \
             look at `docker logs wiki`"
        ]
    );
    assert_eq!(after.wiki(), Some(ContainerState::Running));
    assert_eq!(after.starts(), 2);
    assert_eq!(
        after.journal.read().await.unwrap(),
        None,
        "nothing is owed any more"
    );
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_falling_is_named_and_stays_owed() {
    let after = After::the_outage_of(falls(100, Duration::from_secs(2), 3)).await;
    let remarks = after.second_look().await;
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(remarks[1].starts_with("wiki does not run: "), "{remarks:?}");
    let owed = after.journal.read().await.unwrap().unwrap();
    assert_eq!(owed.containers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_started_was_tried_often_enough() {
    let after = After::the_outage_of(falls(100, Duration::ZERO, 3)).await;
    let starts = after.starts();
    assert_eq!(after.second_look().await, Vec::<String>::new());
    assert_eq!(after.starts(), starts);
}

#[tokio::test(start_paused = true)]
async fn what_ended_well_has_done_its_work() {
    let after = After::the_outage_of(falls(1, Duration::from_secs(2), 0)).await;
    assert_eq!(after.second_look().await, Vec::<String>::new());
    assert_eq!(after.starts(), 1);
}
