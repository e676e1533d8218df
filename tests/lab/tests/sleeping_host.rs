//! The whole life of the backup NAS's stand-in, seen through the libraries that deal with a real
//! one.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use lab::cable::CableError;
use lab::isolation::isolated;
use lab::sleeping_host::{
    PowerState, PowerSwitch, Running, Service, ServiceError, SleepingHost, SleepingHostError,
    SleepingHostOptions, SshService,
};
use reachability::testing::{self, Scene};
use reachability::{
    Answer, DownOptions, NotDown, Probe, ProbeSpec, SshProbe, TcpProbe, UpOptions, wait_until_down,
    wait_until_up,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use wol::{Destination, MacAddr, UdpWaker, WakeRequest, Waker as _};

/// Something that identifies itself as an SSH server does, and nothing more.
#[derive(Debug)]
struct Banner {
    port: u16,
}

struct RunningBanner(tokio::task::JoinHandle<()>);

#[async_trait]
impl Service for Banner {
    fn name(&self) -> &'static str {
        "banner"
    }

    fn port(&self) -> u16 {
        self.port
    }

    async fn start(
        &mut self,
        address: SocketAddr,
        _power: PowerSwitch,
    ) -> Result<Box<dyn Running>, ServiceError> {
        let listener = TcpListener::bind(address).await?;
        Ok(Box::new(RunningBanner(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // A client that hangs up early is its own business.
                let _ = stream.write_all(b"SSH-2.0-banner\r\n").await;
            }
        }))))
    }
}

#[async_trait]
impl Running for RunningBanner {
    async fn stop(self: Box<Self>) {
        self.0.abort();
        // Cancelled, as it should be; after that the port is free.
        let _ = self.0.await;
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn quick() -> SleepingHostOptions {
    SleepingHostOptions {
        boot: Duration::from_millis(300),
        power_off: Duration::from_secs(1),
        ..SleepingHostOptions::default()
    }
}

fn banner(port: u16) -> Vec<Box<dyn Service>> {
    vec![Box::new(Banner { port })]
}

fn wake(host: &SleepingHost) {
    let destination = Destination::new(host.broadcast());
    let report = UdpWaker
        .wake(&WakeRequest::new(host.mac(), vec![destination]))
        .unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
}

fn ssh_probe(address: SocketAddr) -> Box<dyn Probe> {
    Box::new(SshProbe::new(address.ip().to_string(), address.port()))
}

const UP: UpOptions = UpOptions {
    successes: 1,
    interval: Duration::from_millis(50),
    timeout: Duration::from_secs(2),
    deadline: Duration::from_secs(30),
};

const DOWN: DownOptions = DownOptions {
    failures: 3,
    silence: Duration::from_millis(1500),
    reboot: Duration::from_secs(1),
    interval: Duration::from_millis(100),
    timeout: Duration::from_millis(400),
    deadline: Duration::from_secs(30),
};

/// Asleep, woken, up, off, asleep again, and woken once more.
async fn live(host: &SleepingHost) {
    let address = host.service("banner").unwrap();
    let probe = ssh_probe(address);
    let short = Duration::from_millis(400);

    assert_eq!(host.state(), PowerState::Asleep);
    assert_eq!(probe.probe(short).await, Answer::Silent);

    for boots in 1..=2 {
        wake(host);
        let wait = wait_until_up(&*probe, &UP, &mut |_| ()).await.unwrap();
        let last = &wait.observations.last().unwrap().answer;
        assert!(last.to_string().contains("SSH-2.0-banner"), "{last}");
        host.wait_for(PowerState::Up).await.unwrap();
        assert_eq!((host.boots(), host.packets_seen()), (boots, boots));
        assert_eq!(host.faults(), Vec::<String>::new());

        host.power_switch().off();
        let mut seen = Vec::new();
        let wait = wait_until_down(&*probe, &DOWN, &mut |observation| {
            seen.push(observation.answer.clone());
        })
        .await
        .unwrap();
        assert!(wait.took >= DOWN.silence, "{wait:?}");
        // While it shuts down the host refuses in its own name; then it is silent.
        assert!(seen.contains(&Answer::Refused), "{seen:?}");
        assert_eq!(seen.last(), Some(&Answer::Silent));
        host.wait_for(PowerState::Asleep).await.unwrap();
    }
}

#[test]
fn a_magic_packet_boots_it_and_the_switch_turns_it_off() {
    isolated(|| {
        run(async {
            let host = SleepingHost::start(quick(), banner(22)).unwrap();
            assert_eq!(host.address().to_string(), "10.202.7.11");
            assert_eq!(host.broadcast().to_string(), "10.202.7.255:9");
            live(&host).await;
        });
    });
}

#[test]
fn on_the_loopback_interface_it_lives_the_same_life() {
    run(async {
        let host = SleepingHost::start(quick(), banner(0)).unwrap();
        assert_eq!(host.address().to_string(), "127.0.0.1");
        assert_eq!(host.broadcast().ip().to_string(), "127.255.255.255");
        live(&host).await;
    });
}

#[test]
fn it_is_silent_for_a_neighbour_that_knows_it_and_for_one_that_does_not() {
    isolated(|| {
        run(async {
            let host = SleepingHost::start(quick(), banner(22)).unwrap();
            // Nobody answers ARP: Linux gives up after about three seconds and says so, which is
            // silence too. Any port will do.
            let probe = TcpProbe::new("10.202.7.11", 7);
            let began = tokio::time::Instant::now();
            assert_eq!(probe.probe(Duration::from_secs(20)).await, Answer::Silent);
            assert!(began.elapsed() < Duration::from_secs(15));

            wake(&host);
            host.wait_for(PowerState::Up).await.unwrap();
            assert_eq!(probe.probe(UP.timeout).await, Answer::Refused);
            host.power_switch().off();
            host.wait_for(PowerState::Asleep).await.unwrap();
            // Now the neighbour's ARP entry is fresh, and packets do arrive.
            assert_eq!(probe.probe(DOWN.timeout).await, Answer::Silent);
        });
    });
}

#[test]
fn it_answers_echo_requests_when_it_is_up_and_none_when_it_is_not() {
    isolated(|| {
        run(async {
            let host = SleepingHost::start(quick(), banner(22)).unwrap();
            let probe = "icmp:10.202.7.11".parse::<ProbeSpec>().unwrap();
            let probe = probe.build().unwrap();
            testing::check(&*probe, Scene::Silent).await;

            wake(&host);
            host.wait_for(PowerState::Up).await.unwrap();
            testing::check(&*probe, Scene::Up).await;
        });
    });
}

#[test]
fn only_its_own_packet_through_the_right_card_wakes_it() {
    isolated(|| {
        run(async {
            let host = SleepingHost::start(quick(), banner(22)).unwrap();
            let send = |mac: MacAddr, destination: Destination| {
                UdpWaker.wake(&WakeRequest::new(mac, vec![destination]))
            };
            let there = Destination::new(host.broadcast());
            let neighbour = "02:00:00:00:00:99".parse().unwrap();
            send(neighbour, there.clone()).unwrap();
            send(host.mac(), "127.255.255.255".parse().unwrap()).unwrap();
            // The limited broadcast has no way to go in a network without a default route.
            let error = send(host.mac(), "255.255.255.255".parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), wol::WakeErrorKind::Unreachable, "{error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!((host.packets_seen(), host.boots()), (0, 0));

            send(host.mac(), there.on_interface("lan0")).unwrap();
            host.wait_for(PowerState::Up).await.unwrap();
            assert_eq!((host.packets_seen(), host.boots()), (1, 1));
        });
    });
}

#[test]
fn a_reboot_is_seen_as_one() {
    isolated(|| {
        run(async {
            let options = SleepingHostOptions {
                awake: true,
                boot: Duration::from_secs(3),
                ..quick()
            };
            let host = SleepingHost::start(options, banner(22)).unwrap();
            assert!(host.is_up());
            assert_eq!(host.boots(), 0);
            let probe = ssh_probe(host.service("banner").unwrap());
            assert!(probe.probe(UP.timeout).await.is_up());

            host.power_switch().reboot();
            let options = DownOptions {
                silence: Duration::from_secs(20),
                ..DOWN
            };
            let error = wait_until_down(&*probe, &options, &mut |_| ())
                .await
                .unwrap_err();
            assert!(matches!(error, NotDown::Rebooted { .. }), "{error}");
            host.wait_for(PowerState::Up).await.unwrap();
            assert_eq!((host.boots(), host.packets_seen()), (1, 0));
        });
    });
}

#[test]
fn there_is_one_at_a_time_and_the_next_can_follow_at_once() {
    isolated(|| {
        run(async {
            for _ in 0..3 {
                let host = SleepingHost::start(quick(), banner(22)).unwrap();
                let second = SleepingHost::start(quick(), banner(22)).unwrap_err();
                let is_occupied =
                    matches!(second, SleepingHostError::Network(CableError::Occupied));
                assert!(is_occupied, "{second}");
                wake(&host);
                host.wait_for(PowerState::Up).await.unwrap();
            }
        });
    });
}

#[test]
fn a_service_that_does_not_start_is_named() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let options = SleepingHostOptions {
            awake: true,
            ..quick()
        };
        let error = SleepingHost::start(options, banner(port)).unwrap_err();
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    });
}

#[test]
fn its_ssh_server_answers_when_it_is_up() {
    isolated(|| {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let ssh = SshService::new(dir.path().to_owned(), 22).unwrap();
            let access = ssh.access().clone();
            assert!(access.client_key_file.exists());
            assert!(access.host_key_sha256.starts_with("SHA256:"));

            let host = SleepingHost::start(quick(), vec![Box::new(ssh)]).unwrap();
            let probe = "ssh:10.202.7.11"
                .parse::<ProbeSpec>()
                .unwrap()
                .build()
                .unwrap();
            for _ in 0..2 {
                wake(&host);
                wait_until_up(&*probe, &UP, &mut |_| ()).await.unwrap();
                host.wait_for(PowerState::Up).await.unwrap();
                host.power_switch().off();
                wait_until_down(&*probe, &DOWN, &mut |_| ()).await.unwrap();
                host.wait_for(PowerState::Asleep).await.unwrap();
            }
        });
    });
}
