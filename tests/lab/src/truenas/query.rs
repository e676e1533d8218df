//! Filters and options of both APIs, with the oddities of the original.
//!
//! A filter looks at a field; what it needs of an entry is all that is built of it, so that one
//! snapshot among hundreds of thousands is found without making them all into JSON.

mod filter;
mod rest;

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use filter::{Filter, compare};

use super::refusal::EINVAL;
pub(super) use super::refusal::Refusal;

/// An entry of a list, before it is made into JSON.
pub(super) trait Row {
    /// A field of text that can be had without the whole entry.
    fn text(&self, field: &str) -> Option<Cow<'_, str>>;

    /// The whole entry.
    fn entry(&self) -> Value;
}

impl Row for Value {
    fn text(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn entry(&self) -> Value {
        self.clone()
    }
}

/// What a list is asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    filters: Vec<Filter>,
    order_by: Vec<String>,
    select: Vec<String>,
    limit: usize,
    offset: usize,
    count: bool,
    get: bool,
}

impl Query {
    /// Reads the two arguments of a method that lists something.
    pub(super) fn from_arguments(
        filters: &Value,
        options: &Value,
        longest: Option<u64>,
    ) -> Result<Self, Refusal> {
        let Some(filters) = filters.as_array() else {
            return Err(Refusal::validation(
                "filters",
                "Input should be a valid list",
                EINVAL,
            ));
        };
        let Some(options) = options.as_object() else {
            return Err(Refusal::validation(
                "options",
                "Input should be a valid dictionary",
                EINVAL,
            ));
        };
        let filters = filters.iter().map(Filter::read).collect::<Result<_, _>>()?;
        Self::new(filters, options, longest)
    }

    fn new(
        filters: Vec<Filter>,
        options: &Map<String, Value>,
        longest: Option<u64>,
    ) -> Result<Self, Refusal> {
        let mut query = Self {
            filters,
            ..Self::default()
        };
        for (name, value) in options {
            let refuse = |message: &str| {
                Refusal::validation(&format!("query-options.{name}"), message, EINVAL)
            };
            let number = || {
                let number = value
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok());
                number.ok_or_else(|| refuse("Not an integer"))
            };
            let truth = || value.as_bool().unwrap_or(value.as_u64() == Some(1));
            let words = || {
                let words = value.as_array().into_iter().flatten();
                words.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            match name.as_str() {
                "limit" => {
                    query.limit = number()?;
                    if longest.is_some_and(|longest| value.as_u64() > Some(longest)) {
                        return Err(refuse("Input should be less than or equal to 10000"));
                    }
                }
                "offset" => query.offset = number()?,
                "count" => query.count = truth(),
                "get" => query.get = truth(),
                "order_by" => query.order_by = words(),
                "select" => query.select = words(),
                "extra" | "prefix" | "relationships" | "force_sql_filters" => {}
                _ => return Err(refuse("Field was not expected")),
            }
        }
        Ok(query)
    }

    /// The text that a field has to be equal to, if that is asked for.
    pub(super) fn wants(&self, field: &str) -> Option<&str> {
        self.filters.iter().find_map(|filter| filter.wants(field))
    }

    /// Answers the query from everything there is.
    pub(super) fn apply<R: Row>(&self, rows: impl Iterator<Item = R>) -> Result<Value, Refusal> {
        let mut found = Vec::new();
        // Who does not ask for an order gets the first that there are.
        let enough = match (
            self.order_by.is_empty() && !self.count,
            self.limit,
            self.get,
        ) {
            (true, _, true) => 1,
            (true, limit @ 1.., false) => self.offset.saturating_add(limit),
            _ => usize::MAX,
        };
        for row in rows {
            if found.len() >= enough {
                break;
            }
            let candidate = Candidate { row, entry: None };
            if let Some(candidate) = candidate.filtered(&self.filters)? {
                found.push(candidate);
            }
        }
        if self.count {
            return Ok(json!(found.len()));
        }
        self.sort(&mut found);
        if self.get {
            let first = found.into_iter().next();
            return first
                .map(|candidate| self.selected(candidate.into_entry()))
                .ok_or_else(|| Refusal::Internal("MatchNotFound()".to_owned()));
        }
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let page = found.into_iter().skip(self.offset).take(limit);
        Ok(page
            .map(|candidate| self.selected(candidate.into_entry()))
            .collect())
    }

    fn sort<R: Row>(&self, found: &mut [Candidate<R>]) {
        // The first field weighs most, so it is sorted by last; sorting keeps what is equal in order.
        for field in self.order_by.iter().rev() {
            let (field, descending) = match field.strip_prefix('-') {
                Some(field) => (field, true),
                None => (field.as_str(), false),
            };
            found.sort_by_cached_key(|candidate| SortKey {
                value: candidate.field(field),
                descending,
            });
        }
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
}

/// A row, and its entry if somebody wanted to see it.
struct Candidate<R> {
    row: R,
    entry: Option<Value>,
}

impl<R: Row> Candidate<R> {
    fn filtered(mut self, filters: &[Filter]) -> Result<Option<Self>, Refusal> {
        for filter in filters {
            let accepted = if let Some(text) = self.row.text(&filter.field) {
                filter.accepts_text(&text)?
            } else {
                let entry = self.entry.get_or_insert_with(|| self.row.entry());
                filter.accepts(filter::lookup(entry, &filter.field))?
            };
            if !accepted {
                return Ok(None);
            }
        }
        Ok(Some(self))
    }

    fn field(&self, field: &str) -> Option<Value> {
        match (self.row.text(field), &self.entry) {
            (Some(text), _) => Some(json!(text)),
            (None, Some(entry)) => filter::lookup(entry, field).cloned(),
            (None, None) => filter::lookup(&self.row.entry(), field).cloned(),
        }
    }

    fn into_entry(self) -> Value {
        self.entry.unwrap_or_else(|| self.row.entry())
    }
}

/// Orders what can be ordered, and leaves the rest where it is.
struct SortKey {
    value: Option<Value>,
    descending: bool,
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = compare(self.value.as_ref(), other.value.as_ref()).unwrap_or(Ordering::Equal);
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

#[cfg(test)]
mod tests;
