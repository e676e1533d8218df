//! `remote-shutdown` against the lab's SSH servers: the real `sshd` and its
//! stand-in behave alike. The real one is required here, not optional.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lab::ssh_server::{SshServer, SshServerError, SshServerOptions};
use remote_shutdown::{
    Deadlines, ErrorKind, HostKeyPolicy, KeyFile, Outcome, RemoteShutdown as _, ShutdownError,
    SshShutdown, SshTarget, System,
};
use tempfile::TempDir;

type Start = fn(SshServerOptions) -> Result<SshServer, SshServerError>;

const SERVERS: [Start; 2] = [SshServer::start_sshd, SshServer::start_stand_in];

fn options(dir: &TempDir, on_power_off: impl Fn() + Send + Sync + 'static) -> SshServerOptions {
    SshServerOptions {
        address: ([127, 0, 0, 1], 0).into(),
        dir: dir.path().to_owned(),
        on_power_off: Box::new(on_power_off),
    }
}

/// A client that fits the server.
struct Client {
    target: SshTarget,
    key: KeyFile,
    host_key: HostKeyPolicy,
    system: System,
}

impl Client {
    fn of(server: &SshServer) -> Self {
        Self {
            target: SshTarget::new("127.0.0.1", server.user()).with_port(server.port()),
            key: KeyFile::new(server.client_key_file()),
            host_key: HostKeyPolicy::Sha256(server.host_key_sha256().parse().unwrap()),
            system: System::TrueNasCore,
        }
    }

    async fn shut_down(&self) -> Result<Outcome, ShutdownError> {
        let client = SshShutdown::new(
            self.target.clone(),
            self.key.clone(),
            self.host_key.clone(),
            self.system.clone(),
            Deadlines::default(),
        );
        client.shut_down().await
    }
}

#[tokio::test]
async fn the_forced_command_reaches_the_power_switch() {
    for start in SERVERS {
        let dir = TempDir::new().unwrap();
        let presses = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&presses);
        let server = start(options(&dir, move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }))
        .unwrap();

        let outcome = Client::of(&server).shut_down().await.unwrap();
        let expected = Outcome::Accepted {
            exit_status: 0,
            output: "Shutdown NOW!".into(),
        };
        assert_eq!(outcome, expected, "{}", server.kind());
        assert_eq!(
            server.requests(),
            [System::TrueNasCore.command()],
            "{}",
            server.kind()
        );
        assert_eq!(presses.load(Ordering::SeqCst), 1, "{}", server.kind());
    }
}

#[tokio::test]
async fn whatever_is_asked_for_only_the_forced_command_runs() {
    for start in SERVERS {
        let dir = TempDir::new().unwrap();
        let server = start(options(&dir, || {})).unwrap();
        let mut client = Client::of(&server);
        let made: PathBuf = dir.path().join("made-by-the-client");
        let asked = format!("touch {}; id", made.display());
        client.system = System::Command(asked.clone());

        let outcome = client.shut_down().await.unwrap();
        let Outcome::Accepted { output, .. } = outcome else {
            panic!("{}: {outcome:?}", server.kind());
        };
        assert!(!output.contains("uid="), "{}: {output}", server.kind());
        assert!(!made.exists(), "{}", server.kind());
        assert_eq!(server.requests(), [asked], "{}", server.kind());
    }
}

#[tokio::test]
async fn an_impostor_is_not_logged_in_to() {
    for start in SERVERS {
        let (dir, impostors) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let expected = start(options(&dir, || {})).unwrap();
        let impostor = start(options(&impostors, || {})).unwrap();
        let mut client = Client::of(&expected);
        client.target.port = impostor.port();

        match client.shut_down().await.unwrap_err() {
            ShutdownError::HostKeyChanged {
                expected: wanted,
                found,
                ..
            } => {
                assert_eq!(wanted[0].to_string(), expected.host_key_sha256());
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].to_string(), impostor.host_key_sha256());
            }
            other => panic!("{}: {other:?}", impostor.kind()),
        }
        assert!(impostor.requests().is_empty());
    }
}

#[tokio::test]
async fn a_known_hosts_file_in_the_format_of_openssh_is_enough() {
    for start in SERVERS {
        let dir = TempDir::new().unwrap();
        let server = start(options(&dir, || {})).unwrap();
        let key = russh::keys::load_secret_key(dir.path().join("host_ed25519"), None).unwrap();
        let known_hosts = dir.path().join("known_hosts");
        let line = format!(
            "[127.0.0.1]:{} {}\n",
            server.port(),
            key.public_key().to_openssh().unwrap()
        );
        std::fs::write(&known_hosts, line).unwrap();
        let mut client = Client::of(&server);
        client.host_key = HostKeyPolicy::KnownHosts(known_hosts);
        client.shut_down().await.unwrap();
        assert_eq!(server.requests().len(), 1, "{}", server.kind());
    }
}

#[tokio::test]
async fn a_strange_key_and_a_strange_user_are_refused() {
    for start in SERVERS {
        let (dir, strangers) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let server = start(options(&dir, || {})).unwrap();
        let stranger = start(options(&strangers, || {})).unwrap();

        let mut client = Client::of(&server);
        client.key = KeyFile::new(stranger.client_key_file());
        let error = client.shut_down().await.unwrap_err();
        assert!(
            matches!(error, ShutdownError::KeyRefused { .. }),
            "{}: {error:?}",
            server.kind()
        );

        let mut client = Client::of(&server);
        client.target.user = "daemon".into();
        let error = client.shut_down().await.unwrap_err();
        assert!(
            matches!(error, ShutdownError::KeyRefused { .. }),
            "{}: {error:?}",
            server.kind()
        );
        assert!(server.requests().is_empty());
    }
}

/// A power-off that works: the machine is gone before it could say goodbye.
#[tokio::test]
async fn a_server_that_loses_its_power_is_no_error_and_gone_afterwards() {
    for start in SERVERS {
        let dir = TempDir::new().unwrap();
        let nas: Arc<Mutex<Option<SshServer>>> = Arc::default();
        let unplugged = Arc::clone(&nas);
        let server = start(options(&dir, move || {
            drop(unplugged.lock().unwrap().take());
        }))
        .unwrap();
        let (kind, host_key) = (
            server.kind().to_owned(),
            server.host_key_sha256().to_owned(),
        );
        let client = Client::of(&server);
        *nas.lock().unwrap() = Some(server);

        // Whether it still answers is a race; that it is switched off is not.
        client.shut_down().await.unwrap();
        assert!(nas.lock().unwrap().is_none(), "{kind}");
        let error = client.shut_down().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{kind}: {error:?}");

        // Woken again, it is still the same host.
        let server = start(options(&dir, || {})).unwrap();
        assert_eq!(server.host_key_sha256(), host_key, "{kind}");
        Client::of(&server).shut_down().await.unwrap();
    }
}

#[test]
fn the_lab_prefers_the_real_thing() {
    let dir = TempDir::new().unwrap();
    let server = SshServer::start(options(&dir, || {})).unwrap();
    assert!(server.is_real(), "{}", server.kind());
    assert!(server.kind().starts_with("OpenSSH "), "{}", server.kind());
}

#[test]
fn a_taken_port_is_a_named_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for start in SERVERS {
        let dir = TempDir::new().unwrap();
        let mut options = options(&dir, || {});
        options.address = taken.local_addr().unwrap();
        let error = start(options).unwrap_err();
        let detail = format!("{error:?}");
        assert!(
            detail.contains("in use") || detail.contains("AddrInUse"),
            "{detail}"
        );
    }
}
