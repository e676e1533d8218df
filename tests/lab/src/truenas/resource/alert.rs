//! Alerts: what was set up by hand, and what follows from how the NAS is doing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::truenas::keys::KeyState;
use crate::truenas::records::KeySeen;
use crate::truenas::world::{Alert, World, millis};

pub(in crate::truenas) fn alerts(world: &World) -> Vec<Value> {
    let mut alerts = world.alerts.clone();
    let mut add = |level: &str, class: &str, text: String, at: Timestamp| {
        alerts.push(Alert {
            level: level.to_owned(),
            class: class.to_owned(),
            text,
            at,
        });
    };
    // Only tasks that are enabled are looked at. That one is stale is no alert.
    for task in &world.replications {
        let name = &task.options.name;
        match task.last_end() {
            Some((at, Some(error))) if task.options.enabled => {
                let text = format!("Replication \"{name}\" failed: {error}.");
                add("CRITICAL", "ReplicationFailed", text, at);
            }
            Some((at, None)) if task.options.enabled => {
                let text = format!("Replication \"{name}\" succeeded.");
                add("INFO", "ReplicationSuccess", text, at);
            }
            _ => {}
        }
    }
    if let KeyState::Revoked(reason) = &world.keys.state {
        let because = reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(" Revoke reason: {reason}."));
        let text = format!(
            "backup: API key has been revoked and must either be renewed or deleted.{because}"
        );
        add("WARNING", "ApiKeyRevoked", text, world.booted);
    }
    let by_rest = world
        .records
        .requests
        .iter()
        .filter(|request| request.key == KeySeen::Right);
    let by_rest = by_rest.count();
    if by_rest > 0 && world.options.version.grumbles_about_rest() {
        let text = format!(
            "The deprecated REST API was used to authenticate {by_rest} times in the last 24 hours \
             from the following IP addresses: 127.0.0.1. The REST API will be removed in version 26.04."
        );
        add("WARNING", "RESTAPIUsage", text, world.booted);
    }
    let mut seen = BTreeSet::new();
    alerts
        .iter()
        .map(|entry| {
            // One of a kind has the same name every time it is looked at.
            let mut number = 1;
            while !seen.insert((entry.class.clone(), number)) {
                number += 1;
            }
            alert(entry, number)
        })
        .collect()
}

fn alert(alert: &Alert, number: u32) -> Value {
    let Alert {
        level,
        class,
        text,
        at,
    } = alert;
    let uuid = format!("{class}-{number}");
    json!({
        "id": uuid,
        "uuid": uuid,
        "source": class.strip_suffix("Failed").or(class.strip_suffix("Success")).unwrap_or_default(),
        "klass": class,
        "args": null,
        "node": "Controller A",
        "key": format!("[\"{class}\", {number}]"),
        "datetime": millis(*at),
        "last_occurrence": millis(*at),
        "dismissed": false,
        "mail": null,
        "text": text,
        "level": level,
        "formatted": text,
        "one_shot": class.starts_with("Replication"),
    })
}
