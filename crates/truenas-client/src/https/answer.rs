//! What an HTTP answer of a TrueNAS means.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{FieldError, Traceback, TrueNasError};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Location` header.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What TrueNAS sends with an error: `message` everywhere, `traceback` with 500.
#[derive(Debug, Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
    traceback: Option<String>,
}

/// How much of an error page of unknown making is worth showing.
const EXCERPT_CHARS: usize = 200;

/// "No such file or directory", the same number on FreeBSD and Linux.
const ENOENT: i64 = 2;

impl Answer {
    /// The document, if this is an answer to the question at all.
    pub(crate) fn document(self, request: &str) -> Result<Vec<u8>, TrueNasError> {
        let request = request.to_owned();
        match self.status {
            200..=299 => Ok(self.body),
            300..=399 => Err(TrueNasError::Redirect {
                request,
                to: self
                    .location
                    .unwrap_or_else(|| "an address that is not given".to_owned()),
            }),
            401 => Err(TrueNasError::Unauthorized { request }),
            403 => Err(TrueNasError::Forbidden { request }),
            404 => Err(TrueNasError::NotFound {
                request,
                message: self.complaint().message,
            }),
            422 => Err(self.refusal(request)),
            status @ 500..=599 => {
                let Complaint { message, traceback } = self.complaint();
                Err(TrueNasError::Server {
                    request,
                    status,
                    message,
                    traceback: traceback.map(Traceback),
                })
            }
            status => Err(TrueNasError::Status {
                request,
                status,
                message: self.complaint().message,
            }),
        }
    }

    fn complaint(&self) -> Complaint {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Complaint {
            message: self.excerpt(),
            traceback: None,
        })
    }

    /// The first line of an answer that TrueNAS did not write, or wrote in another way.
    fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        line.unwrap_or_default()
            .chars()
            .take(EXCERPT_CHARS)
            .collect()
    }

    /// 422 comes in two shapes: `{"message": …, "errno": …}`, and
    /// `{"FIELD": [{"message": …, "errno": …}, …], …}`.
    fn refusal(&self, request: String) -> TrueNasError {
        let document = serde_json::from_slice(&self.body).unwrap_or_default();
        let mut fields = Vec::new();
        let mut numbers = Vec::new();
        if let Value::Object(entries) = &document {
            for (field, errors) in entries {
                for error in errors.as_array().into_iter().flatten() {
                    numbers.push(error.get("errno").and_then(Value::as_i64));
                    fields.extend(error.get("message").and_then(Value::as_str).map(|message| {
                        FieldError {
                            field: field.clone(),
                            message: message.to_owned(),
                        }
                    }));
                }
            }
        }
        let message = match fields.as_slice() {
            [] => {
                numbers.push(document.get("errno").and_then(Value::as_i64));
                self.complaint().message
            }
            _ => String::new(),
        };
        // Methods that act on one thing report its absence as a validation error with ENOENT.
        if numbers.iter().all(|number| *number == Some(ENOENT)) {
            let mut messages = fields.into_iter().map(|field| field.message);
            return TrueNasError::NotFound {
                request,
                message: messages.next().unwrap_or(message),
            };
        }
        TrueNasError::Validation {
            request,
            message,
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            location: None,
            body: body.as_bytes().to_vec(),
        }
    }

    fn error(status: u16, body: &str) -> TrueNasError {
        answer(status, body)
            .document("GET https://nas/api")
            .unwrap_err()
    }

    #[test]
    fn errors_are_told_apart_by_status() {
        assert_eq!(answer(200, "[]").document("GET").unwrap(), b"[]");
        assert!(matches!(
            error(401, "401: Unauthorized"),
            TrueNasError::Unauthorized { .. }
        ));
        assert!(matches!(error(403, ""), TrueNasError::Forbidden { .. }));
        assert!(
            matches!(error(404, "{\"message\": \"gone\"}"), TrueNasError::NotFound { message, .. } if message == "gone")
        );
        assert!(matches!(error(307, ""), TrueNasError::Redirect { .. }));
        assert!(
            matches!(error(429, "slow down"), TrueNasError::Status { status: 429, message, .. } if message == "slow down")
        );
        let proxy = error(502, "<html>\n<title>502 Bad Gateway</title>");
        assert!(
            matches!(&proxy, TrueNasError::Server { status: 502, message, .. } if message == "<html>")
        );
    }

    #[test]
    fn refusals_name_their_fields() {
        let TrueNasError::Validation {
            message, fields, ..
        } = error(
            422,
            r#"{"options.sort": [{"message": "Field was not expected", "errno": 22}]}"#,
        )
        else {
            panic!("not a refusal");
        };
        assert_eq!(message, "");
        assert_eq!(fields[0].field, "options.sort");
        assert_eq!(fields[0].message, "Field was not expected");
        let TrueNasError::Validation {
            message, fields, ..
        } = error(422, r#"{"message": "Busy", "errno": 16}"#)
        else {
            panic!("not a refusal");
        };
        assert_eq!((message.as_str(), fields.len()), ("Busy", 0));
    }

    #[test]
    fn what_does_not_exist_is_not_found_whatever_the_status() {
        for body in [
            r#"{"null": [{"message": "PeriodicSnapshotTask 9 does not exist", "errno": 2}]}"#,
            r#"{"message": "PeriodicSnapshotTask 9 does not exist", "errno": 2}"#,
        ] {
            let error = error(422, body);
            let TrueNasError::NotFound { message, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(message, "PeriodicSnapshotTask 9 does not exist");
        }
        for body in [
            "",
            "[]",
            "{}",
            "no JSON",
            r#"{"a": [{"errno": 2}], "b": [{"errno": 22}]}"#,
        ] {
            assert!(
                matches!(error(422, body), TrueNasError::Validation { .. }),
                "{body}"
            );
        }
    }

    #[test]
    fn a_traceback_is_kept_out_of_the_message() {
        let error = error(500, r#"{"message": "boom", "traceback": "File \"x.py\""}"#);
        assert!(error.to_string().ends_with("500: boom"), "{error}");
        assert!(format!("{error:?}").contains("x.py"));
    }

    proptest! {
        #[test]
        fn any_answer_is_a_document_or_an_error(status in 100_u16..1000, body in ".*") {
            let is_document = answer(status, &body).document("GET").is_ok();
            prop_assert_eq!(is_document, (200..300).contains(&status));
        }
    }
}
