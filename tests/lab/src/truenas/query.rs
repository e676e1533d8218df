//! Filters and options of REST v2.0, with the oddities of the original.
//!
//! As read in `restful.py` of `truenas/middleware`: in the query string, only `limit`, `offset`,
//! `count`, `sort` and `extra.…` are options, and any other word is a filter on a field of that
//! name; so `order_by=` and `select=` quietly find nothing, and `sort=` is passed on under a name
//! that is refused. The body of a GET request may hold `query-filters` and `query-options`, which
//! count only if there is nothing in the query string.
//!
//! Regular expressions (`__regex`, `~`) are not simulated and end like an unknown operation.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

/// Why a request is not answered.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) fn bad_request(message: &str) -> Self {
        Self {
            status: 400,
            body: json!({ "message": message }),
        }
    }

    pub(super) fn validation(field: &str, message: &str, errno: i32) -> Self {
        Self {
            status: 422,
            body: json!({ field: [{ "message": message, "errno": errno }] }),
        }
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self {
            status: 404,
            body: json!({ "message": message }),
        }
    }

    fn internal(message: &str) -> Self {
        Self {
            status: 500,
            body: json!({
                "message": message,
                "traceback": format!("Traceback (most recent call last):\n  …\nTypeError: {message}\n"),
            }),
        }
    }
}

const EINVAL: i32 = 22;

/// Field, operation, and what to compare with.
type Filter = (String, String, Value);

/// What a list is asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    filters: Vec<Filter>,
    order_by: Vec<String>,
    select: Vec<String>,
    limit: usize,
    offset: usize,
    count: bool,
}

impl Query {
    pub(super) fn read(query: &str, body: &[u8]) -> Result<Self, Refusal> {
        // The body is parsed first, and must be JSON, even if it does not count.
        let body: Option<Value> = if body.is_empty() {
            None
        } else {
            let parsed = serde_json::from_slice(body);
            Some(
                parsed
                    .map_err(|error| Refusal::bad_request(&format!("json parse error: {error}")))?,
            )
        };
        let (filters, options) = from_query_string(query);
        if !filters.is_empty() || !options.is_empty() {
            return Self::new(filters, &options);
        }
        match body {
            None => Ok(Self::default()),
            Some(Value::Object(body)) => from_body(body),
            Some(_) => Err(Refusal::bad_request(
                "Endpoint accepts multiple params, object/dict expected.",
            )),
        }
    }

    fn new(filters: Vec<Filter>, options: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut query = Self {
            filters,
            ..Self::default()
        };
        for (name, value) in options {
            let number = || {
                let number = value
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok());
                number.ok_or_else(|| {
                    Refusal::validation(&format!("query-options.{name}"), "Not an integer", EINVAL)
                })
            };
            let words = || {
                let words = value.as_array().into_iter().flatten();
                words.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            match name.as_str() {
                "limit" => query.limit = number()?,
                "offset" => query.offset = number()?,
                "count" => query.count = value.as_bool().unwrap_or(value.as_u64() == Some(1)),
                "order_by" => query.order_by = words(),
                "select" => query.select = words(),
                "extra" => {}
                _ => {
                    let field = format!("query-options.{name}");
                    return Err(Refusal::validation(
                        &field,
                        "Field was not expected",
                        EINVAL,
                    ));
                }
            }
        }
        Ok(query)
    }

    /// Answers the query from everything there is.
    pub(super) fn apply(&self, everything: Vec<Value>) -> Result<Value, Refusal> {
        let mut found = Vec::new();
        for entry in everything {
            if self.matches(&entry)? {
                found.push(entry);
            }
        }
        // The first field weighs most, so it is sorted by last; sorting keeps what is equal in order.
        for field in self.order_by.iter().rev() {
            let (field, descending) = match field.strip_prefix('-') {
                Some(field) => (field, true),
                None => (field.as_str(), false),
            };
            found.sort_by(|a, b| {
                let order = compare(lookup(a, field), lookup(b, field)).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            });
        }
        if self.count {
            return Ok(json!(found.len()));
        }
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let page = found.into_iter().skip(self.offset).take(limit);
        Ok(page.map(|entry| self.selected(entry)).collect())
    }

    fn selected(&self, entry: Value) -> Value {
        match entry {
            Value::Object(fields) if !self.select.is_empty() => fields
                .into_iter()
                .filter(|(name, _)| self.select.contains(name))
                .collect(),
            entry => entry,
        }
    }

    fn matches(&self, entry: &Value) -> Result<bool, Refusal> {
        for (field, operation, wanted) in &self.filters {
            // What is not there is not equal to anything, and different from everything.
            let Some(found) = lookup(entry, field) else {
                if operation == "!=" {
                    continue;
                }
                return Ok(false);
            };
            if !holds(found, operation, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn holds(found: &Value, operation: &str, wanted: &Value) -> Result<bool, Refusal> {
    let ordered = |accept: fn(Ordering) -> bool| {
        if found.is_null() || wanted.is_null() {
            return Ok(false);
        }
        compare(Some(found), Some(wanted))
            .map(accept)
            .ok_or_else(|| {
                Refusal::internal(&format!(
                    "'{operation}' not supported between instances of {found} and {wanted}"
                ))
            })
    };
    let among = || wanted.as_array().is_some_and(|list| list.contains(found));
    match operation {
        "=" => Ok(found == wanted),
        "!=" => Ok(found != wanted),
        ">" => ordered(Ordering::is_gt),
        "<" => ordered(Ordering::is_lt),
        ">=" => ordered(Ordering::is_ge),
        "<=" => ordered(Ordering::is_le),
        "in" => Ok(among()),
        "nin" => Ok(!among()),
        "^" => Ok(
            matches!((found.as_str(), wanted.as_str()), (Some(text), Some(start)) if text.starts_with(start)),
        ),
        other => Err(Refusal::internal(&format!("Invalid operation: {other}"))),
    }
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Option<Ordering> {
    match (a?, b?) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Fields of fields are named with dots.
fn lookup<'a>(entry: &'a Value, field: &str) -> Option<&'a Value> {
    field
        .split('.')
        .try_fold(entry, |value, name| value.get(name))
}

fn from_query_string(query: &str) -> (Vec<Filter>, Map<String, Value>) {
    let mut filters = Vec::new();
    let mut options = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match (value.parse::<u64>(), value.to_lowercase().as_str()) {
            (Ok(number), _) => json!(number),
            (_, "true") => json!(true),
            (_, "false") => json!(false),
            (_, "null") => Value::Null,
            _ => json!(value),
        };
        match name.as_ref() {
            "limit" | "offset" | "count" | "sort" => {
                options.insert(name.into_owned(), value);
            }
            extra if extra.starts_with("extra.") => {
                options.insert("extra".to_owned(), json!({}));
            }
            filter => {
                let (field, operation) = filter.split_once("__").unwrap_or((filter, "eq"));
                let operation = match operation {
                    "eq" => "=",
                    "neq" => "!=",
                    "gt" => ">",
                    "lt" => "<",
                    "gte" => ">=",
                    "lte" => "<=",
                    "regex" => "~",
                    other => other,
                };
                filters.push((field.to_owned(), operation.to_owned(), value));
            }
        }
    }
    (filters, options)
}

fn from_body(mut body: Map<String, Value>) -> Result<Query, Refusal> {
    let filters = body.remove("query-filters").unwrap_or_else(|| json!([]));
    let options = body.remove("query-options").unwrap_or_else(|| json!({}));
    if !body.is_empty() {
        let names: Vec<&str> = body.keys().map(String::as_str).collect();
        return Err(Refusal::bad_request(&format!(
            "The following attributes are not expected: {}",
            names.join(", ")
        )));
    }
    let filters = filters.as_array().into_iter().flatten().map(|filter| {
        match filter.as_array().map(Vec::as_slice) {
            Some([Value::String(field), Value::String(operation), value]) => {
                Ok((field.clone(), operation.clone(), value.clone()))
            }
            _ => Err(Refusal::validation(
                "query-filters",
                "Invalid filter",
                EINVAL,
            )),
        }
    });
    let filters = filters.collect::<Result<_, _>>()?;
    Query::new(filters, options.as_object().unwrap_or(&Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Value> {
        vec![
            json!({"id": 1, "name": "b", "state": {"state": "ERROR"}}),
            json!({"id": 2, "name": "a", "state": {"state": "FINISHED"}}),
            json!({"id": 3, "name": "a", "state": {}}),
        ]
    }

    fn ids(query: &str, body: &str) -> Vec<u64> {
        let found = Query::read(query, body.as_bytes())
            .unwrap()
            .apply(entries())
            .unwrap();
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["id"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn words_in_the_query_string_are_filters() {
        assert_eq!(ids("", ""), [1, 2, 3]);
        assert_eq!(ids("name=a", ""), [2, 3]);
        assert_eq!(ids("id__gt=1&name=a&limit=1", ""), [2]);
        assert_eq!(ids("state.state=ERROR", ""), [1]);
        assert_eq!(ids("state.state__neq=ERROR", ""), [2, 3]);
        assert!(ids("order_by=-id", "").is_empty());
        assert!(ids("select=name", "").is_empty());
        assert_eq!(ids("extra.retention=true", ""), [1, 2, 3]);
    }

    #[test]
    fn sorting_in_the_query_string_is_refused() {
        let refusal = Query::read("sort=id", b"").unwrap_err();
        assert_eq!(refusal.status, 422);
        assert!(
            refusal.body.get("query-options.sort").is_some(),
            "{}",
            refusal.body
        );
    }

    #[test]
    fn the_body_counts_only_without_a_query_string() {
        let body =
            r#"{"query-filters": [["id", ">=", 2]], "query-options": {"order_by": ["-id"]}}"#;
        assert_eq!(ids("", body), [3, 2]);
        assert_eq!(ids("name=b", body), [1]);
        assert_eq!(
            ids(
                "",
                r#"{"query-options": {"order_by": ["name", "-id"], "offset": 1}}"#
            ),
            [2, 1]
        );
        assert_eq!(Query::read("name=b", b"{").unwrap_err().status, 400);
        assert_eq!(Query::read("", b"[]").unwrap_err().status, 400);
        assert_eq!(
            Query::read("", br#"{"filters": []}"#).unwrap_err().status,
            400
        );
    }

    #[test]
    fn counting_selecting_and_comparing() {
        let apply = |query: &str, body: &str| {
            Query::read(query, body.as_bytes())
                .unwrap()
                .apply(entries())
        };
        assert_eq!(apply("name=a&count=true", "").unwrap(), json!(2));
        let selected = apply(
            "",
            r#"{"query-filters": [["id", "in", [1]]], "query-options": {"select": ["name"]}}"#,
        );
        assert_eq!(selected.unwrap(), json!([{"name": "b"}]));
        assert_eq!(apply("name__gt=1", "").unwrap_err().status, 500);
        assert_eq!(apply("name__regex=a", "").unwrap_err().status, 500);
    }
}
