use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{find::COMPOSE_DEPENDS_ON, model::ContainerState, testing::bind};

/// What a random container is made of.
#[derive(Debug, Clone)]
struct Seed {
    project: Option<usize>,
    state: ContainerState,
    auto_remove: bool,
    sources: Vec<&'static str>,
    network_of: Option<usize>,
    depends_on: Option<usize>,
}

const SOURCES: [&str; 7] = [
    "/d/a", "/d/a/b", "/d/a/b/c", "/d/e", "/d/ef", "/g", "/proc/x",
];

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let state = select(vec![
        ContainerState::Running,
        ContainerState::Running,
        ContainerState::Paused,
        ContainerState::Restarting,
        ContainerState::Exited { code: 0 },
        ContainerState::Created,
    ]);
    let seed = (
        option::weighted(0.8, 0..4_usize),
        state,
        prop::bool::weighted(0.1),
        vec(select(SOURCES.to_vec()), 0..3),
        option::weighted(0.3, 0..10_usize),
        option::weighted(0.4, 0..10_usize),
    );
    let seed = seed.prop_map(
        |(project, state, auto_remove, sources, network_of, depends_on)| Seed {
            project,
            state,
            auto_remove,
            sources,
            network_of,
            depends_on,
        },
    );
    vec(seed, 0..10)
}

fn build(seeds: &[Seed]) -> Vec<Container> {
    seeds
        .iter()
        .enumerate()
        .map(|(index, seed)| {
            let mut made = container(&format!("c{index}"));
            if let Some(project) = seed.project {
                made = in_project(made, &format!("p{project}"), &format!("s{index}"));
            }
            made.state = seed.state;
            made.auto_remove = seed.auto_remove;
            made.mounts = seed
                .sources
                .iter()
                .enumerate()
                .map(|(place, source)| bind(*source, format!("/m{place}")))
                .collect();
            if let Some(other) = seed.network_of {
                made = in_network_of(made, &format!("c{other}"));
            }
            if let Some(other) = seed.depends_on {
                made.labels.insert(
                    COMPOSE_DEPENDS_ON.into(),
                    format!("s{other}:service_started:true"),
                );
            }
            made
        })
        .collect()
}

/// Does the first need the second, as the seeds say?
fn needs(seeds: &[Seed], a: usize, b: usize) -> bool {
    a != b
        && (seeds[a].network_of == Some(b)
            || (seeds[a].depends_on == Some(b)
                && seeds[a].project.is_some()
                && seeds[a].project == seeds[b].project))
}

proptest! {
    #[test]
    fn plans_hold_what_they_promise(
        seeds in seeds(),
        excluded in vec(select(vec!["stack:p0", "container:c1", "c2", "p3"]), 0..2),
    ) {
        let containers = build(&seeds);
        let plan = plan_of(containers.clone(), &[], &excluded);
        let rules: Vec<Exclusion> = excluded.iter().map(|text| text.parse().unwrap()).collect();

        // The groups hold every stack once.
        let stacks = find_stacks(containers.clone());
        let mut planned: Vec<&StackName> =
            plan.groups.iter().flat_map(|g| &g.stacks).map(|s| &s.name).collect();
        planned.sort();
        let found: Vec<&StackName> = stacks.iter().map(|s| &s.name).collect();
        prop_assert_eq!(planned, found);

        // What is stopped is what may be, of the stacks that say so: each once.
        let decisions: BTreeMap<&str, StackDecision> = plan
            .groups
            .iter()
            .flat_map(|g| &g.stacks)
            .map(|s| (s.name.as_str(), s.decision))
            .collect();
        let expected: BTreeSet<&str> = stacks
            .iter()
            .filter(|stack| decisions[stack.name.as_str()].stops())
            .flat_map(|stack| &stack.containers)
            .filter(|c| c.state.is_active() && !c.auto_remove)
            .filter(|c| !rules.iter().any(|rule| rule.matches_container(c)))
            .map(|c| c.name.as_str())
            .collect();
        let order: Vec<&str> = stops(&plan).concat();
        let once: BTreeSet<&str> = order.iter().copied().collect();
        prop_assert_eq!(once.len(), order.len());
        prop_assert_eq!(&once, &expected);

        // What waits for another is started after it, so that no wait is for ever.
        for group in &plan.groups {
            let place = |wanted: &ContainerRef| group.stop_order.iter().position(|c| c == wanted);
            for edge in &group.dependencies {
                let (dependent, needed) = (place(&edge.container), place(&edge.needs));
                prop_assert!(dependent.is_some() && needed.is_some() && dependent < needed);
            }
        }

        // Dependents first, in one group with what they need; a circle has none.
        let places: BTreeMap<&str, usize> =
            order.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        let circle = plan.warnings.iter().any(|warning| warning.contains("circle"));
        for a in 0..seeds.len() {
            for b in 0..seeds.len() {
                let (name_a, name_b) = (format!("c{a}"), format!("c{b}"));
                if let (Some(place_a), Some(place_b)) =
                    (places.get(name_a.as_str()), places.get(name_b.as_str()))
                    && needs(&seeds, a, b)
                {
                    prop_assert!(circle || place_a < place_b, "{name_a} needs {name_b}");
                    let group = |name: &str| {
                        plan.groups
                            .iter()
                            .position(|g| g.stop_order.iter().any(|c| c.name == name))
                    };
                    prop_assert_eq!(group(&name_a), group(&name_b));
                }
            }
        }

        // No two groups copy the same data, and no stack copies it twice.
        let mut all: Vec<(usize, &StackName, &PathBuf)> = Vec::new();
        for (index, group) in plan.groups.iter().enumerate() {
            for stack in &group.stacks {
                for mount in &stack.mounts {
                    if mount.decision == MountDecision::Copy {
                        prop_assert!(stack.decision.copies());
                        let source = &mount.mount.source;
                        for (other_index, other_stack, other) in &all {
                            let overlap = source.starts_with(other) || other.starts_with(source);
                            prop_assert!(!overlap || *other_index == index);
                            prop_assert!(!overlap || *other_stack != &stack.name);
                        }
                        all.push((index, &stack.name, source));
                    }
                }
            }
        }

        // Who lives in the network of something that is stopped is stopped too, or spoken of.
        for (a, seed) in seeds.iter().enumerate() {
            let name = format!("c{a}");
            if let Some(other) = seed.network_of
                && other != a
                && once.contains(format!("c{other}").as_str())
                && seed.state.is_active()
                && !once.contains(name.as_str())
            {
                let spoken_of = plan
                    .warnings
                    .iter()
                    .any(|w| w.starts_with(&format!("container {name} is not stopped")));
                prop_assert!(spoken_of, "{name}: {:?}", plan.warnings);
            }
        }
    }
}
