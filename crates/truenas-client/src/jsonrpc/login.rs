//! Showing the key.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::TrueNasError;
use crate::differences::Login;

/// The call that shows the key.
pub(super) fn call(login: Login, user: Option<&str>, key: &str) -> (&'static str, Vec<Value>) {
    match (login, user) {
        (Login::WithUser, Some(user)) => (
            "auth.login_ex",
            vec![json!({
                "mechanism": "API_KEY_PLAIN",
                "username": user,
                "api_key": key,
                // Who it is is not asked for.
                "login_options": { "user_info": false },
            })],
        ),
        _ => ("auth.login_with_api_key", vec![json!(key)]),
    }
}

/// What `auth.login_ex` answers. More is in it, of no use here.
#[derive(Deserialize)]
struct Response {
    response_type: String,
}

/// What 25.04 says to a key that is revoked, and to one of another user.
const BAFFLING: &str = "unexpected authenticator run state";

/// What the answer means.
pub(super) fn outcome(answer: Result<Value, TrueNasError>, url: &str) -> Result<(), TrueNasError> {
    let refused = |reason| TrueNasError::Login {
        url: url.to_owned(),
        reason,
    };
    let not_accepted = || {
        refused(
            "the NAS does not accept the API key (is it another NAS's or another user's, or is \
             the user's name wrong?)",
        )
    };
    let revoked = || {
        refused(
            "the API key is revoked or has expired (TrueNAS revokes a key for good when it \
             arrives unencrypted, from whichever program); make a new one on the NAS",
        )
    };
    match answer {
        Ok(Value::Bool(true)) => Ok(()),
        Ok(Value::Bool(false)) => Err(not_accepted()),
        Ok(answer) => match serde_json::from_value::<Response>(answer) {
            Ok(Response { response_type }) => match response_type.as_str() {
                "SUCCESS" => Ok(()),
                "AUTH_ERR" => Err(not_accepted()),
                "EXPIRED" => Err(revoked()),
                "DENIED" => Err(refused("the NAS denies this user the API")),
                "OTP_REQUIRED" => Err(refused(
                    "the NAS asks for a one-time password, which no program has; use a user \
                     without two-factor authentication",
                )),
                "REDIRECT" => Err(refused(
                    "the NAS points to another one (the other controller?); use its address",
                )),
                _ => Err(refused("the NAS answers in a way that is not known here")),
            },
            Err(_) => Err(refused("the NAS answers in a way that is not known here")),
        },
        Err(TrueNasError::Call { message, .. }) if message.contains(BAFFLING) => Err(revoked()),
        Err(TrueNasError::NotFound { .. }) => Err(TrueNasError::UserMissing {
            url: url.to_owned(),
        }),
        Err(TrueNasError::Unauthorized { .. } | TrueNasError::Forbidden { .. }) => {
            Err(not_accepted())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn only_success_is_success() {
        let of = |answer: Value| outcome(Ok(answer), "https://nas");
        assert!(of(json!(true)).is_ok());
        assert!(
            of(json!({"response_type": "SUCCESS", "user_info": null, "authenticator": "LEVEL_1"}))
                .is_ok()
        );
        for answer in [
            json!(false),
            json!(null),
            json!("SUCCESS"),
            json!({}),
            json!({"response_type": "AUTH_ERR"}),
            json!({"response_type": "EXPIRED"}),
            json!({"response_type": "DENIED"}),
            json!({"response_type": "OTP_REQUIRED", "username": "x"}),
            json!({"response_type": "REDIRECT", "urls": []}),
            json!({"response_type": "SCRAM_RESPONSE"}),
        ] {
            let error = of(answer.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{answer}");
        }
        let expired = of(json!({"response_type": "EXPIRED"})).unwrap_err();
        assert!(expired.to_string().contains("make a new one"), "{expired}");
    }

    #[test]
    fn the_baffling_answer_of_25_04_is_explained() {
        let baffled = Err(TrueNasError::Call {
            request: "auth.login_ex".to_owned(),
            errname: "EINVAL".to_owned(),
            message: "AUTH: unexpected authenticator run state. Expected: START".to_owned(),
            traceback: None,
        });
        let error = outcome(baffled, "https://nas").unwrap_err();
        assert!(error.to_string().contains("revoked"), "{error}");
    }

    #[test]
    fn the_key_goes_with_a_name_or_alone() {
        let (method, arguments) = call(Login::WithUser, Some("monitor"), "1-key");
        assert_eq!(method, "auth.login_ex");
        assert_eq!(arguments[0]["username"], "monitor");
        assert_eq!(
            call(Login::KeyAlone, None, "1-key"),
            ("auth.login_with_api_key", vec![json!("1-key")])
        );
    }
}
