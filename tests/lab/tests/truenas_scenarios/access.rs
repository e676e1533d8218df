//! Who gets the key, and who is let in.

use lab::truenas::{KeyRole, KeyState, SimulatedVersion};
use truenas_client::{
    CertificateFingerprint, ErrorKind, NasClient, Transport, TrueNas, TrueNasError, Trust,
};

use crate::house::{House, Tongue, options};

pub(crate) async fn another_certificate_gets_no_key(tongue: Tongue) {
    let house = House::new(tongue).await;
    let mut options = options(&house.primary);
    let expected: CertificateFingerprint = house.backup.certificate_sha256().parse().unwrap();
    options.trust = Trust::Certificate(expected);
    for client in [
        tongue.client(options.clone()),
        std::sync::Arc::new(NasClient::new(options).unwrap()),
    ] {
        let error = client.pools().await.unwrap_err();
        assert!(
            matches!(error, TrueNasError::CertificateMismatch { .. }),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        let said = error.to_string();
        assert!(said.contains(&expected.to_string()), "{said}");
        assert!(said.contains(&house.primary.certificate_sha256()), "{said}");
    }
    assert_eq!(house.control().keys_seen(), 0);
}

pub(crate) async fn a_host_without_tls_gets_no_key(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().speak_plain_http(true);
    let options = options(&house.primary);
    for client in [
        tongue.client(options.clone()),
        std::sync::Arc::new(NasClient::new(options).unwrap()),
    ] {
        let error = client.pools().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error:?}");
    }
    assert_eq!(house.control().keys_seen(), 0);
}

pub(crate) async fn a_redirect_is_not_followed(tongue: Tongue) {
    let house = House::new(tongue).await;
    let elsewhere = format!("http://{}/", house.backup.address());
    house.control().next_redirect(&elsewhere);
    let error = house.nas.pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Redirect { to, .. } if *to == elsewhere),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert_eq!(house.backup.control().requests(), []);

    // Nor when it is asked which API it has.
    house.control().next_redirect("https://127.0.0.1:1/ui/");
    let error = NasClient::new(options(&house.primary))
        .unwrap()
        .pools()
        .await
        .unwrap_err();
    assert!(matches!(error, TrueNasError::Redirect { .. }), "{error:?}");
}

pub(crate) async fn a_wrong_key_is_denied(tongue: Tongue) {
    let house = House::new(tongue).await;
    let mut options = options(&house.primary);
    options.api_key = "1-notTheRightKey".to_owned().into();
    let error = tongue.client(options).pools().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("notTheRightKey"));
    if !tongue.is_rest() {
        let stranger = crate::house::options(&house.primary).user("stranger");
        let error = tongue.client(stranger).pools().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    }
}

pub(crate) async fn a_revoked_key_is_explained(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().set_key_state(KeyState::Revoked(None));
    let error = house.nas.pools().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(error.to_string().contains("revoked"), "{error}");
    house.control().set_key_state(KeyState::Valid);
    house.nas.pools().await.unwrap();
    // With the key alone, where a NAS still takes that.
    let mut alone = options(&house.primary);
    alone.user = None;
    tongue.client(alone).pools().await.unwrap();
}

pub(crate) async fn a_user_who_may_only_read_reads_over_json_rpc(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().set_key_role(KeyRole::ReadOnly);
    let has_roles = !matches!(
        tongue.version,
        SimulatedVersion::Core13_0 | SimulatedVersion::Scale24_10
    );
    let read = house.nas.pools().await;
    if tongue.is_rest() && has_roles {
        let error = read.unwrap_err();
        assert!(matches!(error, TrueNasError::Forbidden { .. }), "{error:?}");
        return;
    }
    read.unwrap();
    if has_roles {
        let error = house.nas.run_snapshot_task(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        let error = house.nas.shut_down("night is over").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        assert_eq!(house.control().shutdowns().len(), 0);
    }
}

pub(crate) async fn the_transport_is_what_the_nas_says(tongue: Tongue) {
    let house = House::new(tongue).await;
    let client = NasClient::new(options(&house.primary)).unwrap();
    let transport = client.transport().await.unwrap();
    let has_json_rpc = tongue.version.speaks_json_rpc();
    assert_eq!(transport == Transport::JsonRpc, has_json_rpc);
    assert_eq!(
        client.api_versions().await.unwrap().is_empty(),
        !has_json_rpc
    );
    let system = client.system().await.unwrap();
    assert_eq!(system.version.as_str(), tongue.version.as_str());
    assert_eq!(client.replication_tasks().await.unwrap().len(), 1);
    assert_eq!(house.control().calls().is_empty(), !has_json_rpc);
}

/// A NAS that has JSON-RPC is never asked over REST because JSON-RPC does not work just now.
pub(crate) async fn a_failure_is_no_reason_for_rest(tongue: Tongue) {
    let house = House::new(tongue).await;
    for status in [200, 401, 403, 418, 500] {
        let client = NasClient::new(options(&house.primary)).unwrap();
        house.control().next_response(status, "<html>Hello</html>");
        client.pools().await.unwrap_err();
    }
    let api_of_others = |path: &str| path.starts_with("/api/v2.0");
    let asked = house.control().requests();
    assert!(
        !asked.iter().any(|request| api_of_others(&request.path)),
        "{asked:?}"
    );
    if !tongue.is_rest() {
        let client = NasClient::new(options(&house.primary)).unwrap();
        client.pools().await.unwrap();
        house
            .control()
            .next_rpc_error(-32603, serde_json::Value::Null);
        client.alerts().await.unwrap_err();
        house.control().cut_connections();
        client.alerts().await.unwrap();
        let asked = house.control().requests();
        assert!(
            !asked.iter().any(|request| api_of_others(&request.path)),
            "{asked:?}"
        );
        // A list of allowed addresses is told by closing the connection.
        house.control().cut_connections();
        house.control().next_close(1008);
        let error = client.alerts().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    }
    assert_eq!(house.control().key_state(), KeyState::Valid);
}
