//! The whole exchange, through libssh2, with a server in process.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod server;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use remote_shutdown::{
    Deadlines, ErrorKind, HostKeyPolicy, KeyFile, KeyFileProblem, Outcome, RemoteShutdown as _,
    ShutdownError, SshShutdown, SshTarget, Stage, System,
};
use russh::keys::ssh_key::{LineEnding, PrivateKey};
use secrecy::SecretString;
use server::{Behaviour, Server, USER, ecdsa, ed25519, fingerprint};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Short, as several tests wait for them; long enough for a busy machine where
/// nothing is expected to wait.
const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(8),
    authenticate: Duration::from_secs(8),
    examine: Duration::from_secs(8),
    execute: Duration::from_secs(8),
    close: Duration::from_secs(8),
};

const HOST: u8 = 1;
const CLIENT: u8 = 2;
const STRANGER: u8 = 3;

/// A client that fits the server, to be misconfigured by the tests.
struct Setup {
    dir: TempDir,
    target: SshTarget,
    key: KeyFile,
    host_key: HostKeyPolicy,
    deadlines: Deadlines,
}

impl Setup {
    fn new(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = write_key(&dir, &ed25519(CLIENT));
        Self {
            dir,
            target: SshTarget::new("127.0.0.1", USER).with_port(port),
            key: KeyFile::new(key),
            host_key: HostKeyPolicy::Sha256(fingerprint(&ed25519(HOST))),
            deadlines: DEADLINES,
        }
    }

    fn client(&self) -> SshShutdown {
        SshShutdown::new(
            self.target.clone(),
            self.key.clone(),
            self.host_key.clone(),
            System::TrueNasCore,
            self.deadlines,
        )
    }

    fn known_hosts(&mut self, lines: &str) {
        let path = self.dir.path().join("known_hosts");
        fs::write(&path, lines).unwrap();
        self.host_key = HostKeyPolicy::KnownHosts(path);
    }

    async fn shut_down(&self) -> Result<Outcome, ShutdownError> {
        self.client().shut_down().await
    }
}

fn write_key(dir: &TempDir, key: &PrivateKey) -> PathBuf {
    let path = dir.path().join("key");
    fs::write(&path, key.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

async fn start(behaviour: Behaviour) -> (Server, Setup) {
    let server = Server::start(behaviour, vec![ed25519(HOST)], ed25519(CLIENT).public_key()).await;
    let setup = Setup::new(server.address.port());
    (server, setup)
}

/// The line of a `known_hosts` file for this server.
fn line(server: &Server, key: &PrivateKey) -> String {
    let key = key.public_key().to_openssh().unwrap();
    format!("[127.0.0.1]:{} {key}\n", server.address.port())
}

#[tokio::test]
async fn an_accepted_command_is_sent_once_and_its_output_kept() {
    let (server, setup) = start(Behaviour::accept()).await;
    let start = Instant::now();
    let outcome = setup.shut_down().await.unwrap();
    assert!(start.elapsed() < DEADLINES.close, "waited for nothing");
    let expected = Outcome::Accepted {
        exit_status: 0,
        output: "Shutdown NOW!".into(),
    };
    assert_eq!(outcome, expected);
    assert_eq!(server.commands(), ["sudo -n /sbin/shutdown -p now"]);
}

#[tokio::test]
async fn a_known_host_is_trusted() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    setup.known_hosts(&line(&server, &ed25519(HOST)));
    setup.shut_down().await.unwrap();
    assert_eq!(server.commands().len(), 1);
}

#[tokio::test]
async fn the_key_of_a_host_with_several_types_may_be_any_of_them() {
    let (first, second) = (ed25519(HOST), ecdsa());
    let keys = vec![first.clone(), second.clone()];
    let server = Server::start(Behaviour::accept(), keys, ed25519(CLIENT).public_key()).await;
    let mut setup = Setup::new(server.address.port());
    for key in [first, second] {
        setup.host_key = HostKeyPolicy::Sha256(fingerprint(&key));
        setup.shut_down().await.unwrap();
        setup.known_hosts(&line(&server, &key));
        setup.shut_down().await.unwrap();
    }
    assert_eq!(server.commands().len(), 4);
}

#[tokio::test]
async fn another_host_key_is_never_sent_the_command() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    let expected = fingerprint(&ed25519(STRANGER));
    setup.host_key = HostKeyPolicy::Sha256(expected);
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::HostKeyChanged {
            expected: wanted,
            found,
            ..
        } => {
            assert_eq!(wanted, [expected]);
            assert_eq!(found, [fingerprint(&ed25519(HOST))]);
        }
        other => panic!("{other:?}"),
    }
    setup.known_hosts(&line(&server, &ed25519(STRANGER)));
    let error = setup.shut_down().await.unwrap_err();
    assert!(
        matches!(error, ShutdownError::HostKeyChanged { .. }),
        "{error:?}"
    );
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn an_unknown_host_is_not_trusted_on_first_use() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    setup.known_hosts("");
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::HostKeyUnknown { found, .. } => {
            assert_eq!(found, fingerprint(&ed25519(HOST)));
        }
        other => panic!("{other:?}"),
    }
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    let line = line(&server, &ed25519(HOST));
    setup.known_hosts(&format!("{line}@revoked {line}"));
    let error = setup.shut_down().await.unwrap_err();
    assert!(
        matches!(error, ShutdownError::HostKeyRevoked { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::HostKey);
}

#[tokio::test]
async fn a_refused_key_names_the_user_and_what_the_host_offers() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    setup.key.path = write_key(&setup.dir, &ed25519(STRANGER));
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::KeyRefused { user, methods, .. } => {
            assert_eq!(user, USER);
            assert!(methods.contains("publickey"), "{methods}");
        }
        other => panic!("{other:?}"),
    }
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn an_encrypted_key_needs_its_passphrase() {
    let (server, mut setup) = start(Behaviour::accept()).await;
    let rng = &mut russh::keys::key::safe_rng();
    setup.key.path = write_key(
        &setup.dir,
        &ed25519(CLIENT).encrypt(rng, "open sesame").unwrap(),
    );
    for passphrase in [None, Some("wrong")] {
        setup.key.passphrase = passphrase.map(SecretString::from);
        match setup.shut_down().await.unwrap_err() {
            ShutdownError::KeyFile { path, problem } => {
                assert_eq!(path, setup.key.path);
                let missing = matches!(problem, KeyFileProblem::PassphraseMissing);
                let wrong = matches!(problem, KeyFileProblem::PassphraseWrong);
                assert!(
                    if passphrase.is_none() { missing } else { wrong },
                    "{problem:?}"
                );
            }
            other => panic!("{passphrase:?}: {other:?}"),
        }
    }
    setup.key.passphrase = Some(SecretString::from("open sesame"));
    setup.shut_down().await.unwrap();
    assert_eq!(server.commands().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_key_or_exposed_is_refused() {
    let (server, setup) = start(Behaviour::accept()).await;
    fs::set_permissions(&setup.key.path, Permissions::from_mode(0o640)).unwrap();
    let error = setup.shut_down().await.unwrap_err();
    let exposed = KeyFileProblem::Exposed { mode: 0o640 };
    assert!(
        matches!(&error, ShutdownError::KeyFile { problem, .. }
            if problem.to_string() == exposed.to_string()),
        "{error:?}"
    );
    fs::write(&setup.key.path, "ssh-ed25519 AAAA, the public half").unwrap();
    fs::set_permissions(&setup.key.path, Permissions::from_mode(0o600)).unwrap();
    let error = setup.shut_down().await.unwrap_err();
    assert!(
        matches!(
            error,
            ShutdownError::KeyFile {
                problem: KeyFileProblem::Invalid { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_command_that_fails_tells_why() {
    let sudo = "sudo: a password is required\n";
    let (_server, setup) = start(Behaviour::End {
        exit_status: 1,
        stdout: "",
        stderr: sudo,
    })
    .await;
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::SudoRefused { stderr, .. } => assert_eq!(stderr, sudo.trim()),
        other => panic!("{other:?}"),
    }

    let missing = "sh: 1: sudo: not found\n";
    let (_server, setup) = start(Behaviour::End {
        exit_status: 127,
        stdout: "",
        stderr: missing,
    })
    .await;
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::CommandNotFound {
            exit_status,
            stderr,
            command,
            ..
        } => {
            assert_eq!((exit_status, stderr.as_str()), (127, missing.trim()));
            assert_eq!(command, System::TrueNasCore.command());
        }
        other => panic!("{other:?}"),
    }

    let busy = Behaviour::End {
        exit_status: 3,
        stdout: "a scrub is running\n",
        stderr: "",
    };
    let (_server, setup) = start(busy).await;
    match setup.shut_down().await.unwrap_err() {
        ShutdownError::Refused {
            exit_status: 3,
            stderr,
            ..
        } => {
            assert_eq!(stderr, "a scrub is running");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_that_is_cut_off_is_sent_but_unknown() {
    for behaviour in [Behaviour::CutAfterCommand, Behaviour::Signal] {
        let (server, setup) = start(behaviour.clone()).await;
        let outcome = setup.shut_down().await.unwrap();
        assert!(
            matches!(outcome, Outcome::SentUnknown { .. }),
            "{behaviour:?}: {outcome:?}"
        );
        assert_eq!(server.commands().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_cut_before_the_command_is_an_error() {
    let (server, setup) = start(Behaviour::CutBeforeCommand).await;
    let error = setup.shut_down().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_server_that_runs_no_commands_is_an_error() {
    let (_server, setup) = start(Behaviour::Deny).await;
    let error = setup.shut_down().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Setup::new(port).shut_down().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("connect to {USER}@127.0.0.1:{port}")
    );
}

#[tokio::test]
async fn what_is_no_ssh_server_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::new(listener.local_addr().unwrap().port());
    let web_server = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.writable().await.unwrap();
        stream
            .try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    };
    let (error, ()) = tokio::join!(setup.shut_down(), web_server);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

/// Runs it and checks that it takes no longer than its deadlines allow.
async fn within(setup: &Setup, limit: Duration) -> Result<Outcome, ShutdownError> {
    let start = Instant::now();
    let result = setup.shut_down().await;
    let elapsed = start.elapsed();
    assert!(elapsed >= limit, "gave up after {elapsed:?} of {limit:?}");
    assert!(
        elapsed < limit + Duration::from_secs(1),
        "took {elapsed:?} for {limit:?}"
    );
    result
}

const SHORT: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_host_that_says_nothing_costs_one_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut setup = Setup::new(listener.local_addr().unwrap().port());
    setup.deadlines.connect = SHORT;
    match within(&setup, SHORT).await.unwrap_err() {
        ShutdownError::Deadline { stage, limit, .. } => {
            assert_eq!((stage, limit), (Stage::Connect, SHORT));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_host_that_hangs_after_the_login_costs_one_deadline() {
    let (server, mut setup) = start(Behaviour::SilentBeforeCommand).await;
    setup.deadlines.execute = SHORT;
    match within(&setup, SHORT).await.unwrap_err() {
        ShutdownError::Deadline { stage, .. } => assert_eq!(stage, Stage::Execute),
        other => panic!("{other:?}"),
    }
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_command_that_never_ends_is_sent_but_unknown() {
    let (server, mut setup) = start(Behaviour::SilentAfterCommand).await;
    setup.deadlines.execute = SHORT;
    let outcome = within(&setup, SHORT).await.unwrap();
    assert!(
        matches!(outcome, Outcome::SentUnknown { .. }),
        "{outcome:?}"
    );
    assert_eq!(server.commands().len(), 1);
}

#[tokio::test]
async fn a_dropped_future_sends_nothing_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::new(listener.local_addr().unwrap().port());
    let client = setup.client();
    let future = client.shut_down();
    let mut stream = tokio::select! {
        result = future => panic!("ended by itself: {result:?}"),
        accepted = listener.accept() => accepted.unwrap().0,
    };
    // The future is gone: the connection ends too, after the client's banner
    // at most.
    let mut received = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut received);
    let end = tokio::time::timeout(Duration::from_secs(5), end).await;
    assert!(end.is_ok(), "the connection is still open");
    assert!(
        received.is_empty() || received.starts_with(b"SSH-2.0-"),
        "{received:?}"
    );
}
