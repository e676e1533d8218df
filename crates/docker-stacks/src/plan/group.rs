//! Which stacks must be down together.

use std::path::PathBuf;

use super::{MountDecision, data, decide::Decided};
use crate::host::HostFacts;

/// Sorts stacks (by their place in the slice) into groups: each is in exactly one.
pub(super) fn group(decided: &[Decided<'_>], host: &HostFacts) -> Vec<Vec<usize>> {
    let sources: Vec<Vec<PathBuf>> = decided.iter().map(|stack| copied(stack, host)).collect();
    let mut union = Union::new(decided.len());
    for (index, stack) in decided.iter().enumerate() {
        for (other_index, other) in decided.iter().enumerate().skip(index + 1) {
            let share_data = share_data(&sources[index], &sources[other_index]);
            if share_data || refer(stack, other) || refer(other, stack) {
                union.join(index, other_index);
            }
        }
    }
    union.into_groups()
}

/// Where the data is that a stack has copied, without symbolic links where they are known.
fn copied(stack: &Decided<'_>, host: &HostFacts) -> Vec<PathBuf> {
    let plan = &stack.plan;
    plan.mounts
        .iter()
        .filter(|mount| plan.decision.copies() && mount.decision == MountDecision::Copy)
        .map(|mount| host.real(&mount.mount.source).to_owned())
        .collect()
}

fn share_data(of_a: &[PathBuf], of_b: &[PathBuf]) -> bool {
    of_a.iter()
        .any(|source| of_b.iter().any(|other| data::overlap(source, other)))
}

/// Does a container that is stopped name one of the other stack that is stopped too?
fn refer(from: &Decided<'_>, to: &Decided<'_>) -> bool {
    from.plan.decision.stops()
        && to.plan.decision.stops()
        && from
            .to_stop
            .iter()
            .flat_map(|container| container.references())
            .any(|key| to.to_stop.iter().any(|other| key.names(other)))
}

/// Disjoint sets, by the usual forest.
#[derive(Debug)]
struct Union {
    parents: Vec<usize>,
}

impl Union {
    fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    fn root(&self, mut index: usize) -> usize {
        while self.parents[index] != index {
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }

    fn into_groups(self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.parents.len()];
        for index in 0..self.parents.len() {
            groups[self.root(index)].push(index);
        }
        groups.retain(|group| !group.is_empty());
        groups
    }
}
