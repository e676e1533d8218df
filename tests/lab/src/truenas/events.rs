//! What has changed, in the order in which it did, for those who have subscribed to it.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// How many changes are remembered. Who is further behind misses some.
const REMEMBERED: usize = 4096;

/// Something in a collection has changed.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) collection: &'static str,
    /// `added` or `changed`.
    pub(super) kind: &'static str,
    pub(super) id: i64,
    pub(super) fields: Value,
}

#[derive(Debug, Default)]
pub(super) struct Events {
    /// How many have happened.
    happened: u64,
    last: VecDeque<Event>,
    shown: HashMap<(&'static str, i64), Value>,
}

impl Events {
    /// How many changes there have been.
    pub(super) fn happened(&self) -> u64 {
        self.happened
    }

    /// This is what it looks like now: an event if it has looked otherwise.
    pub(super) fn changed(&mut self, collection: &'static str, id: i64, fields: Value) {
        let before = self.shown.insert((collection, id), fields.clone());
        let kind = match (collection, before) {
            (_, Some(before)) if before == fields => return,
            (_, Some(_)) => "changed",
            // Jobs come into being. Everything else has always been there.
            ("core.get_jobs", None) => "added",
            (_, None) => return,
        };
        self.happened += 1;
        self.last.push_back(Event {
            collection,
            kind,
            id,
            fields,
        });
        if self.last.len() > REMEMBERED {
            self.last.pop_front();
        }
    }

    /// The changes after the first `seen` ones, as far as they are remembered.
    pub(super) fn since(&self, seen: u64) -> Vec<Event> {
        let missing = usize::try_from(self.happened.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skipped = self.last.len().saturating_sub(missing);
        self.last.iter().skip(skipped).cloned().collect()
    }

    /// Jobs of the same numbers will be others.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_changes_are_events() {
        let mut events = Events::default();
        events.changed("replication.query", 1, json!("a"));
        assert_eq!(events.happened(), 0, "that is how it has always been");
        events.changed("replication.query", 1, json!("a"));
        events.changed("replication.query", 1, json!("b"));
        events.changed("core.get_jobs", 1, json!("c"));
        let kinds: Vec<_> = events.since(0).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["changed", "added"]);
        assert_eq!(events.since(1).len(), 1);
        assert!(events.since(2).is_empty());
    }

    #[test]
    fn who_is_too_far_behind_misses_some() {
        let mut events = Events::default();
        for number in 0..=REMEMBERED {
            events.changed("core.get_jobs", 1, json!(number));
        }
        assert_eq!(events.since(0).len(), REMEMBERED);
        assert_eq!(events.since(0)[0].fields, json!(1));
    }
}
