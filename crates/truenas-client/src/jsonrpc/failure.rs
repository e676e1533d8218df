//! What the errors of JSON-RPC mean.

use serde_json::Value;

use super::message::{ErrorData, RpcError, UNREADABLE};
use crate::TrueNasError;
use crate::error::{FieldError, Traceback};

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const TOO_MANY_CONCURRENT_CALLS: i64 = -32000;

/// "No such file or directory", the same number on every version that speaks JSON-RPC.
const ENOENT: i64 = 2;

impl RpcError {
    /// The error of `request`.
    pub(super) fn into_error(self, request: &str) -> TrueNasError {
        let request = request.to_owned();
        let Self {
            code,
            message,
            data,
        } = self;
        let ErrorData {
            errname,
            reason,
            trace,
            extra,
        } = data.unwrap_or_default();
        let message = reason
            .filter(|reason| !reason.is_empty())
            .unwrap_or(message);
        let errname = errname.unwrap_or_default();
        let (fields, numbers) = refused_fields(extra.as_ref());
        match (code, errname.as_str()) {
            (UNREADABLE, _) => TrueNasError::Shape {
                request,
                what: message,
                at: "the message".to_owned(),
            },
            (METHOD_NOT_FOUND, _) => TrueNasError::NotFound { request, message },
            (TOO_MANY_CONCURRENT_CALLS, _) => TrueNasError::Call {
                request,
                errname: "EBUSY".to_owned(),
                message,
                traceback: None,
            },
            (_, "ENOTAUTHENTICATED") => TrueNasError::Unauthorized { request },
            (_, "EACCES" | "EPERM") => TrueNasError::Forbidden { request },
            // Methods that act on one thing report its absence as an argument that is refused.
            _ if errname == "ENOENT"
                || !numbers.is_empty() && numbers.iter().all(|number| *number == ENOENT) =>
            {
                TrueNasError::NotFound { request, message }
            }
            (INVALID_PARAMS, _) => TrueNasError::Validation {
                request,
                message: if fields.is_empty() {
                    message
                } else {
                    String::new()
                },
                fields,
            },
            _ => TrueNasError::Call {
                request,
                errname,
                message,
                traceback: trace.and_then(traceback),
            },
        }
    }
}

fn refused_fields(extra: Option<&Value>) -> (Vec<FieldError>, Vec<i64>) {
    let entries = extra.and_then(Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| {
            let field = FieldError {
                field: entry.get(0)?.as_str()?.to_owned(),
                message: entry.get(1)?.as_str()?.to_owned(),
            };
            Some((field, entry.get(2).and_then(Value::as_i64).unwrap_or(0)))
        })
        .unzip()
}

fn traceback(trace: Value) -> Option<Traceback> {
    match trace {
        Value::Null => None,
        Value::Object(mut trace) => match trace.remove("formatted") {
            Some(Value::String(text)) => Some(Traceback(text)),
            _ => Some(Traceback(Value::Object(trace).to_string())),
        },
        other => Some(Traceback(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;
    use crate::model::task_state::tests::any_json;

    fn error(value: Value) -> TrueNasError {
        let error: RpcError = serde_json::from_value(value).unwrap();
        error.into_error("pool.query at https://nas")
    }

    fn call_error(errname: &str, reason: &str) -> Value {
        json!({"code": -32001, "message": "Method call error", "data": {
            "error": 5, "errname": errname, "reason": reason,
            "trace": {"class": "CallError", "formatted": "File \"zfs.py\""}, "extra": null,
        }})
    }

    #[test]
    fn errors_are_told_apart() {
        for (value, kind, retryable) in [
            (
                json!({"code": -32601, "message": "Method does not exist"}),
                ErrorKind::NotFound,
                false,
            ),
            (
                json!({"code": -32000, "message": "Too many"}),
                ErrorKind::Refused,
                true,
            ),
            (
                call_error("EBUSY", "Rate Limit Exceeded"),
                ErrorKind::Refused,
                true,
            ),
            (
                call_error("ENOTAUTHENTICATED", "Not authenticated"),
                ErrorKind::Denied,
                false,
            ),
            (
                call_error("EACCES", "Not authorized"),
                ErrorKind::Denied,
                false,
            ),
            (call_error("ENOENT", "gone"), ErrorKind::NotFound, false),
            (call_error("EFAULT", "boom"), ErrorKind::Refused, false),
            (
                json!({"code": -32603, "message": "Internal error"}),
                ErrorKind::Refused,
                false,
            ),
        ] {
            let error = error(value);
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (kind, retryable),
                "{error}"
            );
        }
        let failed = error(call_error("EFAULT", "boom"));
        assert!(failed.to_string().ends_with(": boom"), "{failed}");
        assert!(!failed.to_string().contains("zfs.py"));
        assert!(format!("{failed:?}").contains("zfs.py"));
    }

    #[test]
    fn arguments_that_are_refused_are_named() {
        let invalid = |extra: Value| {
            error(
                json!({"code": -32602, "message": "Invalid params", "data": {
                    "error": 22, "errname": "EINVAL", "reason": "[EINVAL] …", "trace": null, "extra": extra,
                }}),
            )
        };
        let refused = invalid(json!([["options.delay", "Input should be an integer", 22]]));
        assert!(
            matches!(&refused, TrueNasError::Validation { fields, .. } if fields[0].field == "options.delay"),
            "{refused}"
        );
        let absent = invalid(json!([["id", "ReplicationTask 9 does not exist", 2]]));
        assert!(matches!(absent, TrueNasError::NotFound { .. }), "{absent}");
        assert!(matches!(
            invalid(Value::Null),
            TrueNasError::Validation { .. }
        ));
    }

    proptest! {
        #[test]
        fn any_error_has_a_meaning(code: i64, data in any_json()) {
            let value = json!({"code": code, "message": "m", "data": {"extra": data, "trace": data}});
            prop_assert!(!error(value).to_string().is_empty());
        }
    }
}
