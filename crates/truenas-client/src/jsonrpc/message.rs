//! The messages of JSON-RPC 2.0, as TrueNAS writes them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ReplicationChange;
use crate::model::task_state::{TaskState, last_snapshot};

/// A call, as text. TrueNAS takes arguments in a list only.
pub(super) fn call(id: u64, method: &str, arguments: &[Value]) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": arguments }).to_string()
}

/// A message of the NAS.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// The answer to a call.
    Answer {
        id: u64,
        result: Result<Value, RpcError>,
    },
    /// Something has happened to a replication task.
    Change(ReplicationChange),
    /// Something else has happened, which nobody asked for.
    Other,
    /// Nothing that JSON-RPC knows.
    Unreadable(String),
}

/// The error object of JSON-RPC.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Option<ErrorData>,
}

impl RpcError {
    /// Stands for an answer that is none.
    pub(super) fn unreadable(what: &str) -> Self {
        Self {
            code: UNREADABLE,
            message: what.to_owned(),
            data: None,
        }
    }
}

/// Not a code that any NAS uses: JSON-RPC leaves those above -32000 to applications.
pub(super) const UNREADABLE: i64 = 1;

/// What TrueNAS says about an error of one of its methods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct ErrorData {
    #[serde(default)]
    pub(super) errname: Option<String>,
    #[serde(default)]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) trace: Option<Value>,
    /// For arguments that are refused, `[[FIELD, MESSAGE, ERRNO], …]`.
    #[serde(default)]
    pub(super) extra: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<RpcError>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
}

/// How much of a message that cannot be read is told.
const EXCERPT_CHARS: usize = 200;

impl Message {
    pub(super) fn read(text: &str) -> Self {
        let envelope: Envelope = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                let excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
                return Self::Unreadable(format!("{error}: {excerpt}"));
            }
        };
        if let Some(method) = envelope.method {
            return match method.as_str() {
                "collection_update" => Self::update(&envelope.params),
                _ => Self::Other,
            };
        }
        match (envelope.id.as_ref().and_then(Value::as_u64), envelope.error) {
            (Some(id), Some(error)) => Self::Answer {
                id,
                result: Err(error),
            },
            (Some(id), None) => Self::Answer {
                id,
                result: Ok(envelope.result.unwrap_or_default()),
            },
            // What it could not read, it answers without saying to what.
            (None, Some(error)) => Self::Unreadable(error.message),
            (None, None) => Self::Other,
        }
    }

    fn update(params: &Value) -> Self {
        if params.get("collection").and_then(Value::as_str) != Some("replication.query") {
            return Self::Other;
        }
        let Some(id) = params.get("id").and_then(Value::as_i64) else {
            return Self::Other;
        };
        let change = ReplicationChange::new(id);
        // Of a change of state, the fields are the state alone; of other changes, all of them.
        let state = params.get("fields").and_then(|fields| fields.get("state"));
        Self::Change(match state {
            Some(state) => change.state(TaskState::from_json(state), last_snapshot(state)),
            None => change,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::task_state::tests::any_json;

    #[test]
    fn calls_have_their_arguments_in_a_list() {
        let text = call(7, "core.get_jobs", &[json!([["id", "=", 3]])]);
        let sent: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            sent,
            json!({"jsonrpc": "2.0", "id": 7, "method": "core.get_jobs", "params": [[["id", "=", 3]]]})
        );
    }

    #[test]
    fn answers_and_errors_are_read() {
        assert_eq!(
            Message::read(r#"{"jsonrpc": "2.0", "id": 3, "result": null}"#),
            Message::Answer {
                id: 3,
                result: Ok(Value::Null)
            }
        );
        let error = r#"{"jsonrpc": "2.0", "id": 3, "error": {"code": -32001, "message": "Method call error",
            "data": {"error": 16, "errname": "EBUSY", "reason": "Rate Limit Exceeded", "trace": null, "extra": null}}}"#;
        let Message::Answer {
            id: 3,
            result: Err(error),
        } = Message::read(error)
        else {
            panic!("not an error");
        };
        assert_eq!(error.code, -32001);
        assert_eq!(error.data.unwrap().errname.as_deref(), Some("EBUSY"));
        for text in [
            "",
            "{",
            r#"{"error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
        ] {
            assert!(
                matches!(Message::read(text), Message::Unreadable(_)),
                "{text}"
            );
        }
        assert_eq!(Message::read("{}"), Message::Other);
        assert_eq!(Message::read("[]"), Message::Other);
    }

    #[test]
    fn changes_of_replication_tasks_are_read() {
        let update = |params: Value| {
            Message::read(
                &json!({"jsonrpc": "2.0", "method": "collection_update", "params": params})
                    .to_string(),
            )
        };
        let change = update(json!({
            "msg": "changed", "collection": "replication.query", "id": 3,
            "fields": {"state": {
                "state": "FINISHED", "datetime": {"$date": 1_735_700_400_000_i64}, "warnings": [],
                "job": {"id": 4}, "last_snapshot": "tank/a@auto-1",
            }},
        }));
        let Message::Change(change) = change else {
            panic!("not a change");
        };
        assert_eq!(change.id, 3);
        assert!(matches!(change.state, Some(TaskState::Finished { .. })));
        assert_eq!(change.last_snapshot.unwrap().name, "auto-1");
        assert_eq!(
            update(json!({"msg": "removed", "collection": "replication.query", "id": 3})),
            Message::Change(ReplicationChange::new(3))
        );
        assert_eq!(
            update(json!({"msg": "changed", "collection": "core.get_jobs", "id": 3})),
            Message::Other
        );
        assert_eq!(
            Message::read(r#"{"method": "notify_unsubscribed"}"#),
            Message::Other
        );
    }

    proptest! {
        #[test]
        fn no_message_panics(text in ".*", value in any_json()) {
            Message::read(&text);
            Message::read(&value.to_string());
            let update = json!({"method": "collection_update", "params": {"collection": "replication.query", "id": 1, "fields": value}});
            Message::read(&update.to_string());
        }
    }
}
