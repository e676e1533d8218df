//! How REST v2.0 says what it wants.
//!
//! As read in `restful.py` of `truenas/middleware`: in the query string, only `limit`, `offset`,
//! `count`, `sort` and `extra.…` are options, and any other word is a filter on a field of that
//! name; so `order_by=` and `select=` quietly find nothing, and `sort=` is passed on under a name
//! that is refused. The body of a GET request may hold `query-filters` and `query-options`, which
//! count only if there is nothing in the query string.

use serde_json::{Map, Value, json};

use super::filter::Filter;
use super::{Query, Refusal};

impl Query {
    /// Reads a request: its query string and its body.
    pub(in crate::truenas) fn read(
        query: &str,
        body: &[u8],
        longest: Option<u64>,
    ) -> Result<Self, Refusal> {
        // The body is parsed first, and must be JSON, even if it does not count.
        let body: Option<Value> = if body.is_empty() {
            None
        } else {
            let parsed = serde_json::from_slice(body);
            Some(
                parsed
                    .map_err(|error| Refusal::BadRequest(format!("json parse error: {error}")))?,
            )
        };
        let (filters, options) = from_query_string(query)?;
        if !filters.is_empty() || !options.is_empty() {
            return Self::new(filters, &options, longest);
        }
        match body {
            None => Ok(Self::default()),
            Some(Value::Object(body)) => from_body(body, longest),
            Some(_) => Err(Refusal::BadRequest(
                "Endpoint accepts multiple params, object/dict expected.".to_owned(),
            )),
        }
    }
}

fn from_query_string(query: &str) -> Result<(Vec<Filter>, Map<String, Value>), Refusal> {
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
                filters.push(Filter::new(field, operation, value)?);
            }
        }
    }
    Ok((filters, options))
}

fn from_body(mut body: Map<String, Value>, longest: Option<u64>) -> Result<Query, Refusal> {
    let filters = body.remove("query-filters").unwrap_or_else(|| json!([]));
    let options = body.remove("query-options").unwrap_or_else(|| json!({}));
    if !body.is_empty() {
        let names: Vec<&str> = body.keys().map(String::as_str).collect();
        return Err(Refusal::BadRequest(format!(
            "The following attributes are not expected: {}",
            names.join(", ")
        )));
    }
    Query::from_arguments(&filters, &options, longest)
}
