//! What is kept of the answers.

use std::time::Duration;

use super::super::{History, Observation, Wait};
use super::{failed, up};

#[test]
fn the_history_is_bounded_and_keeps_the_ends() {
    let mut history = History::default();
    for second in 0..10_000_u64 {
        let answer = if second % 3 == 0 { up() } else { failed() };
        let at = Duration::from_secs(second);
        history.add(&Observation::new(at, "script:host".to_owned(), answer));
        assert_eq!(history.last().unwrap().until, at);
    }
    let observations = history.into_observations();
    assert!(observations.len() <= 64);
    assert_eq!(observations[0].after, Duration::ZERO);
    assert_eq!(
        observations.last().unwrap().after,
        Duration::from_secs(9999)
    );
    assert!(observations.is_sorted_by_key(|seen| seen.after));
}

#[test]
fn a_wait_survives_json() {
    let wait = Wait {
        took: Duration::from_millis(1500),
        observations: vec![Observation::new(
            Duration::from_millis(1500),
            "ssh:nas:22".to_owned(),
            up(),
        )],
    };
    let json = serde_json::to_string(&wait).unwrap();
    assert_eq!(
        json,
        r#"{"took_seconds":1.5,"observations":[{"after_seconds":1.5,"until_seconds":1.5,"times":1,"target":"ssh:nas:22","answer":{"answer":"up","detail":"here"}}]}"#
    );
    assert_eq!(serde_json::from_str::<Wait>(&json).unwrap(), wait);
    let negative = json.replace("1.5", "-1.5");
    assert!(serde_json::from_str::<Wait>(&negative).is_err());
}
