use super::*;

fn entries() -> Vec<Value> {
    vec![
        json!({"id": 1, "name": "b", "state": {"state": "ERROR"}, "list": ["x"]}),
        json!({"id": 2, "name": "a", "state": {"state": "FINISHED"}, "list": []}),
        json!({"id": 3, "name": "ab", "state": {}, "list": ["x", "y"]}),
    ]
}

fn apply(query: &str, body: &str) -> Result<Value, Refusal> {
    Query::read(query, body.as_bytes(), Some(10_000))?.apply(entries().into_iter())
}

fn ids(query: &str, body: &str) -> Vec<u64> {
    let found = apply(query, body).unwrap();
    let found = found.as_array().unwrap().iter();
    found.map(|entry| entry["id"].as_u64().unwrap()).collect()
}

fn asked(filters: &Value, options: &Value) -> Result<Value, Refusal> {
    Query::from_arguments(filters, options, None)?.apply(entries().into_iter())
}

fn status(result: Result<impl std::fmt::Debug, Refusal>) -> u16 {
    result.unwrap_err().rest().0
}

#[test]
fn words_in_the_query_string_are_filters() {
    assert_eq!(ids("", ""), [1, 2, 3]);
    assert_eq!(ids("name=a", ""), [2]);
    assert_eq!(ids("id__gt=1&name__regex=a&limit=1", ""), [2]);
    assert_eq!(ids("state.state=ERROR", ""), [1]);
    assert_eq!(ids("state.state__neq=ERROR", ""), [2, 3]);
    assert!(ids("order_by=-id", "").is_empty());
    assert!(ids("select=name", "").is_empty());
    assert_eq!(ids("extra.retention=true", ""), [1, 2, 3]);
}

#[test]
fn patterns_are_held_against_the_beginning() {
    assert_eq!(ids("name__regex=a", ""), [2, 3]);
    assert_eq!(ids("name__regex=b", ""), [1]);
    assert_eq!(ids("name__regex=.*b$", ""), [1, 3]);
    assert_eq!(status(apply("id__regex=a", "")), 500);
    assert_eq!(status(apply("name__regex=(", "")), 500);
}

#[test]
fn sorting_in_the_query_string_is_refused() {
    let (status, body) = Query::read("sort=id", b"", None).unwrap_err().rest();
    assert_eq!(status, 422);
    assert!(body.get("query-options.sort").is_some(), "{body}");
}

#[test]
fn the_body_counts_only_without_a_query_string() {
    let body = r#"{"query-filters": [["id", ">=", 2]], "query-options": {"order_by": ["-id"]}}"#;
    assert_eq!(ids("", body), [3, 2]);
    assert_eq!(ids("name=b", body), [1]);
    assert_eq!(
        ids(
            "",
            r#"{"query-options": {"order_by": ["name", "-id"], "offset": 1}}"#
        ),
        [3, 1]
    );
    for (query, body) in [("name=b", "{"), ("", "[]"), ("", r#"{"filters": []}"#)] {
        assert_eq!(status(apply(query, body)), 400, "{query} {body}");
    }
}

#[test]
fn counting_selecting_and_comparing() {
    assert_eq!(apply("name=a&count=true", "").unwrap(), json!(1));
    let selected = apply(
        "",
        r#"{"query-filters": [["id", "in", [1]]], "query-options": {"select": ["name"]}}"#,
    );
    assert_eq!(selected.unwrap(), json!([{"name": "b"}]));
    assert_eq!(status(apply("name__gt=1", "")), 500);
    assert_eq!(status(apply("name__like=a", "")), 500);
}

#[test]
fn every_operation_of_the_arguments() {
    let found = |field: &str, operation: &str, value: Value| {
        let found = asked(
            &json!([[field, operation, value]]),
            &json!({"select": ["id"]}),
        );
        let found = found.unwrap();
        let found = found.as_array().unwrap().iter();
        found
            .map(|entry| entry["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("id", ">", json!(2)), [3]);
    assert_eq!(found("id", "<=", json!(2)), [1, 2]);
    assert_eq!(found("name", "nin", json!(["a", "b"])), [3]);
    assert_eq!(found("name", "^", json!("a")), [2, 3]);
    assert_eq!(found("name", "$", json!("b")), [1, 3]);
    assert_eq!(found("name", "!=", json!("b")), [2, 3]);
    assert_eq!(found("list", "rin", json!("y")), [3]);
    assert_eq!(found("name", "~", json!("^ab")), [3]);
}

#[test]
fn one_entry_or_none() {
    let get = |name: &str| asked(&json!([["name", "=", name]]), &json!({"get": true}));
    assert_eq!(get("b").unwrap()["id"], 1);
    assert!(get("c").is_err());
    let last = asked(&json!([]), &json!({"get": true, "order_by": ["-id"]}));
    assert_eq!(last.unwrap()["id"], 3);
}

#[test]
fn lists_have_a_longest() {
    assert_eq!(ids("limit=10000", ""), [1, 2, 3]);
    assert_eq!(status(apply("limit=10001", "")), 422);
    assert!(Query::read("limit=10001", b"", None).is_ok());
}
