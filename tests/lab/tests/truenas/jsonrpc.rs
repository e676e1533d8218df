//! JSON-RPC: what is a message, what is a login, and what may be too much.

use std::time::Duration;

use lab::truenas::{KeySeen, KeyState, RateLimit, SimulatedVersion, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::raw::{Rpc, get};

async fn nas(version: SimulatedVersion) -> Simulator {
    let options = SimulatorOptions {
        version,
        datasets: vec!["tank/docker".to_owned()],
        rate_limit: RateLimit {
            pause: Duration::from_millis(10),
            ..RateLimit::default()
        },
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

fn versions() -> impl Iterator<Item = SimulatedVersion> {
    SimulatedVersion::ALL
        .into_iter()
        .filter(|version| version.speaks_json_rpc())
}

/// The error of something that was not even a call.
async fn complaint(rpc: &mut Rpc, text: &str) -> i64 {
    rpc.say(text).await;
    let answer = rpc.hear().await;
    assert_eq!(answer["id"], Value::Null);
    answer["error"]["code"].as_i64().unwrap()
}

#[tokio::test]
async fn every_version_lets_the_owner_of_the_key_in() {
    for version in versions() {
        let nas = nas(version).await;
        let mut rpc = Rpc::connect(&nas).await;
        let error = rpc.call("system.info", json!([])).await.unwrap_err();
        assert_eq!(error["code"], -32001);
        assert_eq!(error["message"], "Method call error");
        assert_eq!(error["data"]["error"], 207);
        assert_eq!(error["data"]["errname"], "ENOTAUTHENTICATED");
        assert!(error["data"]["trace"]["formatted"].is_string(), "{error}");

        let answer = rpc.login(&nas.username(), &nas.api_key()).await.unwrap();
        assert_eq!(answer["response_type"], "SUCCESS");
        assert_eq!(answer["user_info"]["pw_name"], json!(nas.username()));
        let info = rpc.get("system.info", json!([])).await;
        assert_eq!(info["version"], version.as_str());
        assert_eq!(rpc.get("core.ping", json!([])).await, "pong");
        assert_eq!(rpc.get("system.state", json!([])).await, "READY");

        let mut other = Rpc::connect(&nas).await;
        assert_eq!(
            other
                .get("auth.login_with_api_key", json!([nas.api_key()]))
                .await,
            json!(true)
        );
        assert_eq!(other.get("core.ping", json!([])).await, "pong");

        let control = nas.control();
        assert_eq!(control.keys_seen(), 2);
        let connections = control.connections();
        assert!(
            connections
                .iter()
                .all(|seen| seen.encrypted && seen.logged_in)
        );
        let calls = control.calls();
        assert_eq!(calls[1].method, "auth.login_ex");
        assert_eq!(calls[1].key, KeySeen::Right);
        assert!(!format!("{calls:?}").contains(&nas.api_key()), "{calls:?}");
    }
}

#[tokio::test]
async fn who_has_not_the_key_is_told_so_in_the_words_of_the_version() {
    for version in versions() {
        let nas = nas(version).await;
        let (user, key) = (nas.username(), nas.api_key());
        let mut rpc = Rpc::connect(&nas).await;
        let wrong = rpc.login(&user, "1-wrong").await.unwrap();
        assert_eq!(wrong, json!({"response_type": "AUTH_ERR"}));
        assert_eq!(
            rpc.get("auth.login_with_api_key", json!(["1-wrong"])).await,
            json!(false)
        );
        let nameless = json!([{ "mechanism": "API_KEY_PLAIN", "api_key": key }]);
        let error = rpc.call("auth.login_ex", nameless).await.unwrap_err();
        assert_eq!(error["code"], -32602);
        let extra = &error["data"]["extra"][0];
        assert_eq!(extra[0], "login_data.API_KEY_PLAIN.username");
        assert_eq!(extra[2], 22);

        let other = rpc.login("somebody", &key).await;
        nas.control().set_key_state(KeyState::Expired);
        let expired = rpc.login(&user, &key).await;
        nas.control().set_key_state(KeyState::Revoked(None));
        let revoked = rpc.login(&user, &key).await;
        let simply = rpc.call("auth.login_with_api_key", json!([key])).await;
        if version == SimulatedVersion::Scale25_04 {
            for error in [other, expired, revoked, simply] {
                let error = error.unwrap_err();
                assert_eq!(error["code"], -32001);
                let reason = "AUTH: unexpected authenticator run state. Expected: START";
                assert_eq!(error["data"]["reason"], reason);
            }
        } else {
            assert_eq!(other.unwrap()["response_type"], "AUTH_ERR");
            assert_eq!(expired.unwrap()["response_type"], "EXPIRED");
            assert_eq!(revoked.unwrap()["response_type"], "EXPIRED");
            assert_eq!(simply.unwrap(), json!(false));
        }
        assert!(!nas.control().connections()[0].logged_in);
        if version.speaks_rest() {
            assert_eq!(get(&nas, "pool").await.0, 401, "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_key_in_clear_is_worth_nothing_any_more() {
    for version in versions() {
        let mut nas = nas(version).await;
        let clear = nas.plain_http().await.unwrap();
        let mut rpc = Rpc::connect_in_clear(clear).await;
        let wrong = rpc.login(&nas.username(), "1-wrong").await.unwrap();
        assert_eq!(wrong["response_type"], "AUTH_ERR");
        assert_eq!(nas.control().key_state(), KeyState::Valid);
        let answer = rpc.login(&nas.username(), &nas.api_key()).await.unwrap();
        assert_eq!(answer, json!({"response_type": "EXPIRED"}));
        let KeyState::Revoked(reason) = nas.control().key_state() else {
            panic!("it is still good");
        };
        assert_eq!(
            reason.is_some(),
            version >= SimulatedVersion::Scale25_10,
            "{reason:?}"
        );
        // For good: it does not help to have learnt.
        let mut rpc = Rpc::connect(&nas).await;
        let again = rpc.login(&nas.username(), &nas.api_key()).await;
        assert!(again.is_err() || again.is_ok_and(|answer| answer["response_type"] == "EXPIRED"));
        assert!(!nas.control().connections()[0].encrypted);
    }
}

#[tokio::test]
async fn rest_in_clear_revokes_nothing() {
    let mut nas = nas(SimulatedVersion::Scale25_04).await;
    let clear = nas.plain_http().await.unwrap();
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("http://{clear}/api/v2.0/pool"))
        .bearer_auth(nas.api_key())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(nas.control().key_state(), KeyState::Valid);
    assert!(!nas.control().requests()[0].encrypted);
}

#[tokio::test]
async fn what_is_no_call_is_complained_about() {
    let nas = nas(SimulatedVersion::Scale25_10).await;
    let mut rpc = Rpc::log_in(&nas).await;
    for (text, code) in [
        ("{", -32700),
        ("[]", -32700),
        ("1", -32700),
        (r#"{"method": "core.ping", "id": 1}"#, -32600),
        (r#"{"jsonrpc": "2.0", "id": 1}"#, -32600),
        (
            r#"{"jsonrpc": "2.0", "method": "core.ping", "params": {}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "core.ping", "id": [], "params": []}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "core.ping", "id": 1, "more": 1}"#,
            -32600,
        ),
    ] {
        assert_eq!(complaint(&mut rpc, text).await, code, "{text}");
    }
    let error = rpc.call("zfs.nothing", json!([])).await.unwrap_err();
    assert_eq!(error["code"], -32601);
    let error = rpc.call("core.ping", json!([1])).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    let options = json!([[], {"sort": "id"}]);
    let error = rpc.call("pool.query", options).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    assert_eq!(error["data"]["extra"][0][0], "query-options.sort");
    let error = rpc
        .call("pool.query", json!([[], {"limit": 10_001}]))
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32602);
    rpc.say(r#"{"jsonrpc": "2.0", "method": "core.ping", "id": "seven"}"#)
        .await;
    assert_eq!(rpc.hear().await["id"], "seven");
}

#[tokio::test]
async fn messages_may_be_short_before_a_login_and_not_endless_after_it() {
    let nas = nas(SimulatedVersion::Scale26_0).await;
    let long = |bytes: usize| {
        let call =
            json!({"jsonrpc": "2.0", "id": 1, "method": "core.ping", "params": []}).to_string();
        format!("{call}{}", " ".repeat(bytes - call.len()))
    };
    let mut rpc = Rpc::connect(&nas).await;
    rpc.say(&long(8 << 10)).await;
    assert_eq!(rpc.hear().await["error"]["data"]["error"], 207);
    rpc.say(&long((8 << 10) + 1)).await;
    assert_eq!(rpc.closed().await, Some(1007));

    let mut rpc = Rpc::log_in(&nas).await;
    rpc.say(&long(64 << 10)).await;
    assert_eq!(rpc.hear().await["result"], "pong");
    rpc.say(&long((64 << 10) + 1)).await;
    assert_eq!(rpc.closed().await, Some(1009));

    let mut rpc = Rpc::log_in(&nas).await;
    rpc.send(Message::binary(long(100).into_bytes())).await;
    assert_eq!(rpc.closed().await, Some(1003));

    let mut rpc = Rpc::log_in(&nas).await;
    rpc.send(Message::Ping("are you there".into())).await;
    match rpc.next().await {
        Some(Ok(Message::Pong(answer))) => assert_eq!(answer.as_ref(), b"are you there"),
        other => panic!("no pong: {other:?}"),
    }
}

#[tokio::test]
async fn ten_calls_are_made_at_a_time_and_twenty_taken_in_all() {
    let nas = nas(SimulatedVersion::Scale25_10).await;
    let mut rpc = Rpc::log_in(&nas).await;
    let forever = Duration::from_hours(1);
    let work = Duration::from_millis(300);
    nas.control().slow_calls(forever);
    for _ in 0..25 {
        rpc.start("core.ping", json!([])).await;
    }
    for _ in 0..5 {
        assert_eq!(rpc.hear().await["error"]["code"], -32000);
    }
    // Those that are being made have been for so long already. The others begin now.
    tokio::time::sleep(work).await;
    let begin = tokio::time::Instant::now();
    nas.control().slow_calls(work);
    for _ in 0..20 {
        assert_eq!(rpc.hear().await["result"], "pong");
    }
    assert!(begin.elapsed() >= work, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_twenty_first_login_of_a_minute_is_refused_and_rest_is_not_counted() {
    let nas = nas(SimulatedVersion::Scale25_10).await;
    let mut rpc = Rpc::connect(&nas).await;
    for _ in 0..20 {
        rpc.login("somebody", "1-wrong").await.unwrap();
    }
    let error = rpc
        .login(&nas.username(), &nas.api_key())
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32001);
    assert_eq!(error["data"]["errname"], "EBUSY");
    assert_eq!(error["data"]["reason"], "[EBUSY] Rate Limit Exceeded");
    for _ in 0..30 {
        assert_eq!(get(&nas, "system/state").await.0, 200);
    }
}
