//! Errors of a NAS, and what they are to a caller.

use serde_json::json;
use truenas_client::{ErrorKind, TrueNas, TrueNasError};

use crate::{client, primary};

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    control.next_response(403, "");
    assert!(matches!(
        client.pools().await.unwrap_err(),
        TrueNasError::Forbidden { .. }
    ));

    control.next_response(
        422,
        json!({"query-options.sort": [{"message": "Field was not expected", "errno": 22}]})
            .to_string(),
    );
    let error = client.pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Validation { fields, .. } if fields[0].field == "query-options.sort")
    );
    assert_eq!(error.kind(), ErrorKind::Refused);

    control.next_response(
        500,
        json!({"message": "boom", "traceback": "File \"zfs.py\", line 7"}).to_string(),
    );
    let error = client.pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Server { status: 500, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("boom") && !error.to_string().contains("zfs.py"),
        "{error}"
    );
    assert!(format!("{error:?}").contains("zfs.py"));

    // Once each: none of these goes away by asking again.
    assert_eq!(control.requests().len(), 3);
}

#[tokio::test]
async fn a_busy_nas_is_asked_again_but_told_only_once() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    control.next_response(503, "starting");
    control.next_response(502, "");
    control.next_response(429, "");
    assert_eq!(client.pools().await.unwrap().len(), 1);
    assert_eq!(control.requests().len(), 4);

    control.next_response(503, "starting");
    let error = client.run_snapshot_task(1).await.unwrap_err();
    assert!(
        matches!(error, TrueNasError::Server { status: 503, .. }),
        "{error}"
    );
    assert_eq!(control.requests().len(), 5);
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_errors_with_a_place() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    for (body, place) in [
        (r#"[{"name": "tank", "#, "line 1 column 18"),
        ("<html>TrueNAS</html>", "line 1 column 1"),
        (
            r#"[{"name": "tank", "status": "ONLINE", "healthy": "yes", "warning": false, "scan": null}]"#,
            "[0].healthy",
        ),
        ("{}", "line 1 column 0"),
    ] {
        control.next_response(200, body);
        let error = client.pools().await.unwrap_err();
        let TrueNasError::Shape { at, request, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(at, place, "{error}");
        assert!(request.ends_with("/api/v2.0/pool"), "{request}");
        assert_eq!(error.kind(), ErrorKind::Unintelligible);
    }
    control.next_response(200, "true");
    let error = client.run_replication_task(5).await.unwrap_err();
    assert!(matches!(error, TrueNasError::Shape { .. }), "{error}");
}
