//! One filter: a field, an operation, and what to compare with.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Value, json};

use crate::truenas::refusal::{EINVAL, Refusal};

#[derive(Debug)]
pub(super) struct Filter {
    pub(super) field: String,
    operation: String,
    wanted: Value,
    /// Made once for all entries.
    pattern: Option<Regex>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        (&self.field, &self.operation, &self.wanted)
            == (&other.field, &other.operation, &other.wanted)
    }
}

impl Filter {
    pub(super) fn new(field: &str, operation: &str, wanted: Value) -> Result<Self, Refusal> {
        let pattern = match (operation, wanted.as_str()) {
            // Like the original, from the beginning, and not necessarily to the end.
            ("~", Some(pattern)) => Some(
                Regex::new(&format!("^(?:{pattern})"))
                    .map_err(|error| Refusal::Internal(error.to_string()))?,
            ),
            _ => None,
        };
        Ok(Self {
            field: field.to_owned(),
            operation: operation.to_owned(),
            wanted,
            pattern,
        })
    }

    /// From `[field, operation, value]`.
    pub(super) fn read(filter: &Value) -> Result<Self, Refusal> {
        match filter.as_array().map(Vec::as_slice) {
            Some([Value::String(field), Value::String(operation), value]) => {
                Self::new(field, operation, value.clone())
            }
            _ => Err(Refusal::validation(
                "query-filters",
                "Invalid filter",
                EINVAL,
            )),
        }
    }

    /// The text that this field has to be equal to.
    pub(super) fn wants(&self, field: &str) -> Option<&str> {
        if self.field == field && self.operation == "=" {
            self.wanted.as_str()
        } else {
            None
        }
    }

    /// Whether a field that is such a text is accepted.
    pub(super) fn accepts_text(&self, found: &str) -> Result<bool, Refusal> {
        match (self.operation.as_str(), &self.wanted) {
            ("=", wanted) => Ok(wanted.as_str() == Some(found)),
            ("!=", wanted) => Ok(wanted.as_str() != Some(found)),
            ("~", _) => match &self.pattern {
                Some(pattern) => Ok(pattern.is_match(found)),
                None => Err(self.unsupported(&json!(found))),
            },
            ("^", Value::String(start)) => Ok(found.starts_with(start)),
            ("$", Value::String(end)) => Ok(found.ends_with(end)),
            _ => self.accepts_value(&json!(found)),
        }
    }

    /// Whether a field is accepted that may not be there.
    pub(super) fn accepts(&self, found: Option<&Value>) -> Result<bool, Refusal> {
        match found {
            // What is not there is not equal to anything, and different from everything.
            None => Ok(self.operation == "!="),
            Some(Value::String(found)) => self.accepts_text(found),
            Some(found) => self.accepts_value(found),
        }
    }

    fn accepts_value(&self, found: &Value) -> Result<bool, Refusal> {
        let wanted = &self.wanted;
        let ordered = |accept: fn(Ordering) -> bool| {
            if found.is_null() || wanted.is_null() {
                return Ok(false);
            }
            compare(Some(found), Some(wanted))
                .map(accept)
                .ok_or_else(|| self.unsupported(found))
        };
        let among = || match wanted {
            Value::Array(list) => list.contains(found),
            // A text is made of its letters, as in the original.
            Value::String(text) => found.as_str().is_some_and(|part| text.contains(part)),
            _ => false,
        };
        let holds = || match found {
            Value::Array(list) => list.contains(wanted),
            Value::String(text) => wanted.as_str().is_some_and(|part| text.contains(part)),
            _ => false,
        };
        match self.operation.as_str() {
            "=" => Ok(found == wanted),
            "!=" => Ok(found != wanted),
            ">" => ordered(Ordering::is_gt),
            "<" => ordered(Ordering::is_lt),
            ">=" => ordered(Ordering::is_ge),
            "<=" => ordered(Ordering::is_le),
            "in" => Ok(among()),
            "nin" => Ok(!among()),
            "rin" => Ok(holds()),
            "^" | "$" => Ok(false),
            "~" => Err(self.unsupported(found)),
            other => Err(Refusal::Internal(format!("Invalid operation: {other}"))),
        }
    }

    fn unsupported(&self, found: &Value) -> Refusal {
        Refusal::Internal(format!(
            "'{}' not supported between instances of {found} and {}",
            self.operation, self.wanted
        ))
    }
}

pub(super) fn compare(a: Option<&Value>, b: Option<&Value>) -> Option<Ordering> {
    match (a?, b?) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Fields of fields are named with dots.
pub(super) fn lookup<'a>(entry: &'a Value, field: &str) -> Option<&'a Value> {
    field
        .split('.')
        .try_fold(entry, |value, name| value.get(name))
}
