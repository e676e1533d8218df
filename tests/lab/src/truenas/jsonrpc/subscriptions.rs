//! Who wants to be told of what.

use serde_json::{Value, json};

use super::session::Session;
use crate::truenas::events::Event;
use crate::truenas::options::KeyRole;

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    made: u64,
    /// The name of the subscription, and of the collection: `*` is all of them.
    all: Vec<(String, String)>,
    /// How many changes have been told of, or would not have been wanted.
    seen: u64,
}

impl Subscriptions {
    pub(super) fn after(seen: u64) -> Self {
        Self {
            seen,
            ..Self::default()
        }
    }

    /// Adds one, and returns its name.
    pub(super) fn add(&mut self, collection: &str) -> String {
        self.made += 1;
        let name = format!("subscription-{}", self.made);
        self.all.push((name.clone(), collection.to_owned()));
        name
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.all.retain(|(known, _)| known != name);
    }

    fn want(&self, event: &Event) -> bool {
        self.all
            .iter()
            .any(|(_, collection)| collection == "*" || collection == event.collection)
    }
}

impl Session {
    /// The notifications that are due.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut state = self.state();
        let seen = state.subscriptions.seen;
        let (happened, events, own_only) = self.control.look(|world, _| {
            let own_only = world.keys.role == KeyRole::ReadOnly;
            (world.events.happened(), world.events.since(seen), own_only)
        });
        state.subscriptions.seen = happened;
        events
            .iter()
            .filter(|event| state.subscriptions.want(event))
            .filter(|event| {
                let foreign = event.collection == "core.get_jobs"
                    && event.fields.get("credentials").is_none_or(Value::is_null);
                !(own_only && foreign)
            })
            .map(|event| notice(event).to_string())
            .collect()
    }
}

fn notice(event: &Event) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "collection_update",
        "params": {
            "msg": event.kind,
            "collection": event.collection,
            "id": event.id,
            "fields": event.fields,
        },
    })
}
