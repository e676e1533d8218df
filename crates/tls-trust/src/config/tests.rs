use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::*;
use crate::RefusedCertificate;

/// A server with a certificate, and who has signed it.
struct Server {
    der: CertificateDer<'static>,
    authority_pem: String,
    config: Arc<ServerConfig>,
}

fn server(name: &str) -> Server {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let der = certificate.der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    Server {
        der,
        authority_pem: authority.pem(),
        config: Arc::new(config),
    }
}

/// A handshake in memory: whether the client believes the server, by this name.
fn handshake(
    config: ClientConfig,
    server: &Server,
    name: &'static str,
) -> Result<(), rustls::Error> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&server.config)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

fn fingerprint(server: &Server) -> CertificateFingerprint {
    CertificateFingerprint::of_der(&server.der)
}

#[test]
fn one_certificate_is_believed_by_any_name_and_no_other() {
    let (nas, other) = (server("nas"), server("nas"));
    let trust = Trust::Certificate(fingerprint(&nas));
    for name in ["nas", "elsewhere"] {
        handshake(trust.client_config().unwrap(), &nas, name).unwrap();
        let error = handshake(trust.client_config().unwrap(), &other, name).unwrap_err();
        let refused = RefusedCertificate::of(&error).unwrap();
        assert_eq!(refused.fingerprint(), fingerprint(&other));
        assert_eq!(refused.der(), &*other.der);
    }
}

#[test]
fn an_authority_is_believed_for_the_name_alone() {
    let (nas, other) = (server("nas"), server("nas"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, &nas.authority_pem).unwrap();
    let config = || Trust::CaFile(file.clone()).client_config().unwrap();
    handshake(config(), &nas, "nas").unwrap();
    for (server, name) in [(&nas, "elsewhere"), (&other, "nas")] {
        let error = handshake(config(), server, name).unwrap_err();
        assert!(
            matches!(error, rustls::Error::InvalidCertificate(_)),
            "{error}"
        );
        assert_eq!(RefusedCertificate::of(&error), None, "{error}");
    }
}

#[test]
fn whoever_believes_nobody_sees_the_certificate() {
    let nas = server("nas");
    let error = handshake(believe_nobody().unwrap(), &nas, "nas").unwrap_err();
    let refused = RefusedCertificate::of(&error).unwrap();
    assert_eq!(refused.fingerprint(), fingerprint(&nas));
}

#[test]
fn the_machine_has_no_reason_to_believe_what_an_appliance_made_itself() {
    let nas = server("nas");
    // A machine without authorities says so at once.
    match Trust::SystemRoots.client_config() {
        Ok(config) => {
            let error = handshake(config, &nas, "nas").unwrap_err();
            assert_eq!(RefusedCertificate::of(&error), None, "{error}");
        }
        Err(error) => assert!(matches!(error, TrustError::Setup { .. }), "{error}"),
    }
}

#[test]
fn a_file_without_certificates_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let sentence = |expected: &str| {
        let error = Trust::CaFile(file.clone()).client_config().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    sentence("No such file");
    fs::write(&file, "").unwrap();
    sentence("it holds no certificate");
    fs::write(&file, "-----BEGIN CERTIFICATE-----\nnone\n").unwrap();
    sentence("expected PEM");
    fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    sentence("invalid peer certificate");
}
