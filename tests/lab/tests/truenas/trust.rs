//! Who gets the key, and who does not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use lab::truenas::{KeySeen, Simulator};
use truenas_client::{
    CertificateFingerprint, ErrorKind, NasOptions, RestClient, TrueNas, TrueNasError, Trust,
    fetch_certificate,
};
use url::Url;

use crate::{backup, client, options, primary};

#[tokio::test]
async fn another_certificate_gets_no_key() {
    let (nas, other) = (primary().await, backup().await);
    let mut options = options(&nas);
    let expected: CertificateFingerprint = other.certificate_sha256().parse().unwrap();
    options.trust = Trust::Certificate(expected);
    let error = RestClient::new(options.clone())
        .unwrap()
        .pools()
        .await
        .unwrap_err();
    let TrueNasError::CertificateMismatch {
        expected: named,
        found,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (*named, found.to_string()),
        (expected, nas.certificate_sha256())
    );
    assert!(
        error.to_string().contains(&nas.certificate_sha256()),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Untrusted);

    // Nor does one that this machine has no reason to trust, or that has no roots to trust.
    options.trust = Trust::SystemRoots;
    match RestClient::new(options) {
        Ok(client) => {
            let error = client.pools().await.unwrap_err();
            assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
        }
        Err(error) => assert!(matches!(error, TrueNasError::Setup { .. }), "{error:?}"),
    }

    assert_eq!(nas.control().keys_seen(), 0);
    assert_eq!(nas.control().requests(), []);
}

#[tokio::test]
async fn a_certificate_is_fetched_without_a_request() {
    let nas = primary().await;
    let found = fetch_certificate(&nas.url()).await.unwrap();
    assert_eq!(found.fingerprint.to_string(), nas.certificate_sha256());
    let details = found.details.unwrap();
    assert!(details.is_self_issued(), "{details:?}");
    assert_eq!(nas.control().requests(), []);
}

#[tokio::test]
async fn a_certificate_file_is_trusted_for_its_name_only() {
    let nas = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, nas.certificate_pem()).unwrap();
    let mut options = options(&nas);
    options.trust = Trust::CaFile(file.clone());
    assert_eq!(
        RestClient::new(options.clone())
            .unwrap()
            .pools()
            .await
            .unwrap()
            .len(),
        1
    );

    // The same address, by a name that is not in the certificate.
    let port = nas.address().port();
    options.url = Url::parse(&format!("https://127.0.0.2:{port}")).unwrap();
    let any = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
    let elsewhere = Simulator::boot(nas.control(), any).await.unwrap();
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
    drop(elsewhere);

    std::fs::write(&file, backup().await.certificate_pem()).unwrap();
    let mut other = self::options(&nas);
    other.trust = Trust::CaFile(file);
    let error = RestClient::new(other).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_without_tls_is_refused_before_it_is_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let options = NasOptions::new(url.clone(), "1-key".to_owned().into(), Trust::SystemRoots);
    let error = RestClient::new(options).unwrap_err();
    assert!(matches!(error, TrueNasError::NotHttps { .. }), "{error}");
    assert!(matches!(
        fetch_certificate(&url).await.unwrap_err(),
        TrueNasError::NotHttps { .. }
    ));
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_wrong_key_is_not_accepted_and_not_shown() {
    let nas = primary().await;
    let mut options = options(&nas);
    options.api_key = "1-notTheRightKey".to_owned().into();
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(
        matches!(error, TrueNasError::Unauthorized { .. }),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error} {error:?}").contains("notTheRightKey"));
    assert_eq!(nas.control().requests()[0].key, KeySeen::Wrong);
    assert_eq!(nas.control().keys_seen(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (nas, elsewhere) = (primary().await, backup().await);
    let to = format!("{}api/v2.0/pool", elsewhere.url());
    nas.control().next_redirect(&to);
    let error = client(&nas).pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Redirect { to: named, .. } if *named == to),
        "{error:?}"
    );
    assert_eq!(elsewhere.control().requests(), []);
    assert_eq!(nas.control().requests().len(), 1);
}
