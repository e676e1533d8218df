//! Which stacks must be down together.

use super::{MountDecision, data, decide::Decided};

/// Sorts stacks (by their place in the slice) into groups: each is in exactly one.
pub(super) fn group(decided: &[Decided<'_>]) -> Vec<Vec<usize>> {
    let mut union = Union::new(decided.len());
    for (index, stack) in decided.iter().enumerate() {
        for (other_index, other) in decided.iter().enumerate().skip(index + 1) {
            if share_data(stack, other) || refer(stack, other) || refer(other, stack) {
                union.join(index, other_index);
            }
        }
    }
    union.into_groups()
}

fn share_data(a: &Decided<'_>, b: &Decided<'_>) -> bool {
    let sources = |stack: &Decided<'_>| {
        let plan = &stack.plan;
        plan.mounts
            .iter()
            .filter(|mount| plan.decision.copies() && mount.decision == MountDecision::Copy)
            .map(|mount| mount.mount.source.clone())
            .collect::<Vec<_>>()
    };
    let of_b = sources(b);
    sources(a)
        .iter()
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
