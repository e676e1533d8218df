//! Why a request is not answered, in the words of both APIs.

use std::fmt;

use serde_json::{Value, json};

pub(super) const EPERM: i64 = 1;
pub(super) const ENOENT: i64 = 2;
pub(super) const EACCES: i64 = 13;
pub(super) const EFAULT: i64 = 14;
pub(super) const EBUSY: i64 = 16;
pub(super) const EINVAL: i64 = 22;
/// TrueNAS has errors of its own from 200 on.
pub(super) const ENOTAUTHENTICATED: i64 = 207;

/// What JSON-RPC calls its errors.
pub(super) const INVALID_JSON: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;
pub(super) const INTERNAL_ERROR: i64 = -32603;
pub(super) const TOO_MANY_CONCURRENT_CALLS: i64 = -32000;
pub(super) const CALL_ERROR: i64 = -32001;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// It is not what a request looks like.
    BadRequest(String),
    /// An argument is not what it has to be.
    Validation {
        field: String,
        message: String,
        errno: i64,
    },
    /// There is no such thing.
    NotFound(String),
    /// It cannot be done.
    Call { errno: i64, message: String },
    /// It went wrong in a way that nobody foresaw.
    Internal(String),
}

impl Refusal {
    pub(super) fn validation(field: &str, message: &str, errno: i64) -> Self {
        Self::Validation {
            field: field.to_owned(),
            message: message.to_owned(),
            errno,
        }
    }

    pub(super) fn call(errno: i64, message: &str) -> Self {
        Self::Call {
            errno,
            message: message.to_owned(),
        }
    }

    /// Status and body.
    pub(super) fn rest(&self) -> (u16, Value) {
        match self {
            Self::BadRequest(message) => (400, json!({ "message": message })),
            Self::Validation {
                field,
                message,
                errno,
            } => (
                422,
                json!({ field: [{ "message": message, "errno": errno }] }),
            ),
            Self::NotFound(message) => (404, json!({ "message": message })),
            Self::Call { errno, .. } => {
                (422, json!({ "message": self.to_string(), "errno": errno }))
            }
            Self::Internal(message) => (
                500,
                json!({ "message": message, "traceback": traceback(message) }),
            ),
        }
    }

    /// The `error` of an answer.
    pub(super) fn rpc(&self) -> Value {
        match self {
            Self::BadRequest(message) => rpc_error(
                INVALID_PARAMS,
                Some(data(EINVAL, message, &Value::Null, &json!([]))),
            ),
            Self::Validation {
                field,
                message,
                errno,
            } => {
                let reason = format!("{self}\n");
                let extra = json!([[field, message, errno]]);
                let trace = trace("ValidationErrors", &reason);
                rpc_error(INVALID_PARAMS, Some(data(EINVAL, &reason, &trace, &extra)))
            }
            Self::NotFound(message) => {
                let trace = trace("InstanceNotFound", message);
                rpc_error(
                    CALL_ERROR,
                    Some(data(ENOENT, message, &trace, &Value::Null)),
                )
            }
            Self::Call { errno, .. } => {
                let reason = self.to_string();
                let trace = trace("CallError", &reason);
                rpc_error(
                    CALL_ERROR,
                    Some(data(*errno, &reason, &trace, &Value::Null)),
                )
            }
            Self::Internal(message) => {
                let trace = trace("RuntimeError", message);
                rpc_error(
                    CALL_ERROR,
                    Some(data(EINVAL, message, &trace, &Value::Null)),
                )
            }
        }
    }
}

impl fmt::Display for Refusal {
    /// As a job shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(message) | Self::NotFound(message) | Self::Internal(message) => {
                f.write_str(message)
            }
            Self::Validation {
                field,
                message,
                errno,
            } => write!(f, "[{}] {field}: {message}", name_of(*errno)),
            Self::Call { errno, message } => write!(f, "[{}] {message}", name_of(*errno)),
        }
    }
}

/// An error of JSON-RPC with the message that belongs to its code.
pub(super) fn rpc_error(code: i64, data: Option<Value>) -> Value {
    let message = match code {
        INVALID_JSON => "Invalid JSON",
        INVALID_REQUEST => "Invalid request",
        METHOD_NOT_FOUND => "Method does not exist",
        INVALID_PARAMS => "Invalid params",
        INTERNAL_ERROR => "Internal error",
        TOO_MANY_CONCURRENT_CALLS => "Maximum number of concurrent calls (20) has exceeded",
        CALL_ERROR => "Method call error",
        _ => "Error",
    };
    let mut error = json!({ "code": code, "message": message });
    if let Some(data) = data {
        error["data"] = data;
    }
    error
}

fn data(errno: i64, reason: &str, trace: &Value, extra: &Value) -> Value {
    json!({
        "error": errno, "errname": name_of(errno), "reason": reason, "trace": trace, "extra": extra,
    })
}

fn trace(class: &str, reason: &str) -> Value {
    json!({
        "class": class,
        "frames": [{
            "filename": "middlewared/main.py", "lineno": 42, "method": "call", "line": "raise",
            "argspec": ["self"], "locals": {},
        }],
        "formatted": traceback(reason),
        "repr": format!("{class}('{reason}')"),
    })
}

fn traceback(message: &str) -> String {
    format!(
        "Traceback (most recent call last):\n  File \"middlewared/main.py\", line 42, in call\nTypeError: {message}\n"
    )
}

fn name_of(errno: i64) -> &'static str {
    match errno {
        EPERM => "EPERM",
        ENOENT => "ENOENT",
        EACCES => "EACCES",
        EFAULT => "EFAULT",
        EBUSY => "EBUSY",
        ENOTAUTHENTICATED => "ENOTAUTHENTICATED",
        _ => "EINVAL",
    }
}
