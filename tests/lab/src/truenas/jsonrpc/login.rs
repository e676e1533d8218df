//! Logins: who says which key, and what that makes of the key.

use serde_json::{Value, json};

use super::methods::Outcome;
use super::session::Session;
use crate::truenas::control::Control;
use crate::truenas::keys::KeyState;
use crate::truenas::records::KeySeen;
use crate::truenas::refusal::{EBUSY, EINVAL, Refusal};

/// How a login ends.
enum Login {
    Success,
    WrongKey,
    WrongUser,
    Expired,
    /// It was the right one until now.
    Insecure,
}

/// Whether there is a key among the arguments, and the arguments without it.
pub(super) fn key_of(control: &Control, method: &str, params: &[Value]) -> (KeySeen, Value) {
    let mut shown = json!(params);
    let place = match method {
        "auth.login_with_api_key" => shown.get_mut(0),
        "auth.login_ex" => shown.get_mut(0).and_then(|data| data.get_mut("api_key")),
        _ => None,
    };
    let Some(place) = place else {
        return (KeySeen::Absent, shown);
    };
    let key = std::mem::replace(place, json!("…"));
    let seen = if key.as_str() == Some(control.api_key().as_str()) {
        KeySeen::Right
    } else {
        KeySeen::Wrong
    };
    (seen, shown)
}

/// Refuses a login that is one too many.
pub(super) fn one_too_many(session: &Session, method: &str) -> Option<Outcome> {
    let pause = session
        .control
        .change(|world, now| world.keys.one_more(method, now))?;
    let refusal = Refusal::call(EBUSY, "Rate Limit Exceeded");
    Some(Outcome::RefusedAfter(pause, refusal))
}

/// `auth.login_with_api_key`
pub(super) fn with_api_key(session: &Session, key: &Value) -> Result<Value, Refusal> {
    let Some(key) = key.as_str() else {
        return Err(Refusal::validation(
            "api_key",
            "Input should be a valid string",
            EINVAL,
        ));
    };
    match log_in(session, None, key) {
        Login::Success => Ok(json!(true)),
        Login::Expired if session.control.version().login_loses_its_way() => Err(lost()),
        _ => Ok(json!(false)),
    }
}

/// `auth.login_ex`
pub(super) fn ex(session: &Session, data: &Value) -> Result<Value, Refusal> {
    let refuse = |field: &str, message: &str| Err(Refusal::validation(field, message, EINVAL));
    let mechanism = data["mechanism"].as_str().unwrap_or_default();
    match mechanism {
        "API_KEY_PLAIN" => {}
        "PASSWORD_PLAIN" | "TOKEN_PLAIN" | "OTP_TOKEN" => {
            return Ok(json!({ "response_type": "AUTH_ERR" }));
        }
        _ => {
            return refuse(
                "login_data",
                "Unable to extract tag using discriminator 'mechanism'",
            );
        }
    }
    let field = |name: &str| format!("login_data.{mechanism}.{name}");
    for name in data.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !["mechanism", "username", "api_key", "login_options"].contains(&name.as_str()) {
            return refuse(&field(name), "Extra inputs are not permitted");
        }
    }
    let Some(username) = data["username"].as_str() else {
        return refuse(&field("username"), "Field required");
    };
    let Some(key) = data["api_key"].as_str() else {
        return refuse(&field("api_key"), "Field required");
    };
    let version = session.control.version();
    let answer = |response_type: &str| Ok(json!({ "response_type": response_type }));
    match log_in(session, Some(username), key) {
        Login::WrongUser | Login::Expired if version.login_loses_its_way() => Err(lost()),
        Login::WrongKey | Login::WrongUser => answer("AUTH_ERR"),
        Login::Insecure | Login::Expired => answer("EXPIRED"),
        Login::Success => {
            let wanted = data["login_options"]["user_info"].as_bool().unwrap_or(true);
            let user_info = wanted.then(|| user_info(username));
            let mut answer = json!({
                "response_type": "SUCCESS", "user_info": user_info, "authenticator": "LEVEL_1",
            });
            if version.has_reconnect_tokens() {
                answer["reconnect_token"] = Value::Null;
            }
            Ok(answer)
        }
    }
}

fn log_in(session: &Session, username: Option<&str>, key: &str) -> Login {
    let right = session.control.api_key();
    let login = session.control.change(|world, _| {
        let version = world.options.version;
        if key != right {
            return Login::WrongKey;
        }
        if username.is_some_and(|username| username != world.options.username) {
            return Login::WrongUser;
        }
        if !world.keys.is_valid() {
            return Login::Expired;
        }
        if !session.encrypted && version.revokes_insecure_keys() {
            let reason = version
                .tells_why_a_key_is_revoked()
                .then(|| "Attempt to use over an insecure transport".to_owned());
            world.keys.state = KeyState::Revoked(reason);
            return Login::Insecure;
        }
        world.records.connections[session.number].logged_in = true;
        Login::Success
    });
    if matches!(login, Login::Success) {
        session.state().logged_in = true;
    }
    login
}

/// What the first version says that knows users, when it has lost track.
fn lost() -> Refusal {
    Refusal::Internal("AUTH: unexpected authenticator run state. Expected: START".to_owned())
}

pub(super) fn user_info(username: &str) -> Value {
    json!({
        "pw_name": username,
        "pw_gecos": username,
        "pw_dir": "/var/empty",
        "pw_shell": "/usr/sbin/nologin",
        "pw_uid": 3000,
        "pw_gid": 3000,
        "grouplist": [3000],
        "sid": null,
        "source": "LOCAL",
        "local": true,
        "attributes": {},
        "two_factor_config": {},
        "privilege": {},
        "account_attributes": ["LOCAL", "API_KEY"],
    })
}
