use super::*;

fn request() -> String {
    "GET https://192.0.2.10/api/v2.0/replication".to_owned()
}

fn those_of_json_rpc() -> Vec<TrueNasError> {
    let url = || "https://192.0.2.10".to_owned();
    vec![
        TrueNasError::Moving { request: request() },
        TrueNasError::UserMissing { url: url() },
        TrueNasError::Login {
            url: url(),
            reason: "the key is revoked",
        },
        TrueNasError::WrongApi {
            url: url(),
            reason: "it speaks another",
        },
        TrueNasError::Closed {
            request: request(),
            code: 1008,
            reason: "policy violation".to_owned(),
        },
        TrueNasError::Call {
            request: request(),
            errname: "EBUSY".to_owned(),
            message: "Rate Limit Exceeded".to_owned(),
            traceback: None,
        },
    ]
}

fn one_of_each() -> Vec<TrueNasError> {
    let url = || "https://192.0.2.10".to_owned();
    let mut errors = vec![
        TrueNasError::NotHttps {
            url: "http://192.0.2.10/".to_owned(),
        },
        TrueNasError::InvalidUrl {
            url: url(),
            reason: "it holds a password",
        },
        TrueNasError::InvalidKey { url: url() },
        TrueNasError::TrustFile {
            path: PathBuf::from("/etc/nas.pem"),
            source: io::Error::from(io::ErrorKind::NotFound),
        },
        TrueNasError::Setup {
            url: url(),
            source: "no roots".into(),
        },
        TrueNasError::CertificateMismatch {
            url: url(),
            expected: CertificateFingerprint::of_der(b"expected"),
            found: CertificateFingerprint::of_der(b"found"),
        },
        TrueNasError::Tls {
            url: url(),
            source: "unknown issuer".into(),
        },
        TrueNasError::Connect {
            url: url(),
            source: "connection refused".into(),
        },
        TrueNasError::Broken {
            request: request(),
            source: "reset".into(),
        },
        TrueNasError::Timeout {
            request: request(),
            after: Duration::from_millis(1500),
            source: None,
        },
        TrueNasError::Redirect {
            request: request(),
            to: "http://192.0.2.10/ui/".to_owned(),
        },
        TrueNasError::Unauthorized { request: request() },
        TrueNasError::Forbidden { request: request() },
        TrueNasError::NotFound {
            request: request(),
            message: String::new(),
        },
        TrueNasError::Validation {
            request: request(),
            message: String::new(),
            fields: vec![
                FieldError {
                    field: "a".to_owned(),
                    message: "first".to_owned(),
                },
                FieldError {
                    field: "b".to_owned(),
                    message: "second".to_owned(),
                },
            ],
        },
        TrueNasError::Server {
            request: request(),
            status: 500,
            message: "boom".to_owned(),
            traceback: Some(Traceback("File \"service.py\"".to_owned())),
        },
        TrueNasError::Status {
            request: request(),
            status: 418,
            message: String::new(),
        },
        TrueNasError::Shape {
            request: request(),
            what: "missing field `id`".to_owned(),
            at: "[0]".to_owned(),
        },
        TrueNasError::TooLong {
            request: request(),
            limit_bytes: 10,
        },
    ];
    errors.extend(those_of_json_rpc());
    errors
}

#[test]
fn every_error_says_what_and_where() {
    let texts: Vec<String> = one_of_each()
        .iter()
        .map(|error| format!("failed to {error}"))
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn no_error_prints_its_source_twice() {
    for error in one_of_each() {
        if let Some(source) = error.source() {
            assert!(!error.to_string().contains(&source.to_string()), "{error}");
        }
    }
}

#[test]
fn a_traceback_is_for_debugging_only() {
    let error = one_of_each()
        .into_iter()
        .find(|error| matches!(error, TrueNasError::Server { .. }))
        .unwrap();
    assert!(!error.to_string().contains("service.py"));
    assert!(format!("{error:?}").contains("service.py"));
}
