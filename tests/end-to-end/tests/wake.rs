//! `nas-wake` alone, on a Docker host and beside a host that sleeps.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use async_trait::async_trait;
use end_to_end::binary_path;
use lab::isolation::{isolated, scratch};
use lab::lans::{self, BROADCASTS, Capture, Frame};
use lab::sleeping_host::{
    PowerSwitch, Running, Service, ServiceError, SleepingHost, SleepingHostOptions,
};
use lab::truenas::{Control, KeyState, SimulatedVersion, SimulatorOptions, TrueNasService};
use serde_json::Value;
use tempfile::TempDir;

const MAC: &str = "d0:94:66:12:34:af";
/// An address on the first network that nobody has.
const NOBODY: &str = "tcp:10.201.0.11:22";

fn nas_wake(arguments: &[&str]) -> Output {
    Command::new(binary_path("nas-wake"))
        .args(arguments)
        .env_remove("BACKUP_WINDOW_CONFIG")
        .env_remove("BACKUP_WINDOW_STATE_DIR")
        .output()
        .unwrap()
}

/// Runs it against a host that never wakes, for two rounds.
fn in_vain(arguments: &[&str]) -> (Output, Vec<Frame>) {
    let capture = Capture::begin().unwrap();
    let mut all = vec!["--mac", MAC, "--until", NOBODY];
    all.extend(["--deadline", "2500ms", "--every", "2s"]);
    all.extend(arguments);
    let output = nas_wake(&all);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    (output, capture.magic(MAC.parse().unwrap()).unwrap())
}

fn interfaces(frames: &[Frame]) -> Vec<&str> {
    frames
        .iter()
        .map(|frame| frame.interface.as_str())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn by_default_packets_leave_by_the_networks_of_the_house_and_the_report_says_why() {
    isolated(|| {
        lans::lay().unwrap();
        let (output, frames) = in_vain(&["--json"]);
        assert_eq!(interfaces(&frames), ["lan0", "lan1", "lan0", "lan1"]);
        for (frame, broadcast) in frames.iter().zip(BROADCASTS.iter().cycle()) {
            let (_, to, payload) = frame.udp().unwrap();
            assert_eq!((to, payload.len()), (format!("{broadcast}:9"), 102));
        }
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["code"], 3);
        let step = &document["steps"][0];
        let fact = |kind: &str| -> &Value {
            let evidence = step["evidence"].as_array().unwrap();
            let found = evidence.iter().find(|seen| seen["fact"]["kind"] == kind);
            &found.unwrap_or_else(|| panic!("no {kind} in {step}"))["fact"]
        };
        let chosen = fact("interfaces_chosen");
        let names = |list: &Value| -> Vec<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|one| one["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&chosen["used"]), ["lan0", "lan1"]);
        let not_used = names(&chosen["not_used"]);
        for name in ["lo", "docker0", "veth0", "tun0"] {
            assert!(not_used.iter().any(|other| other == name), "{chosen}");
        }
        let sent = fact("packets_sent");
        assert_eq!((&sent["rounds"], &sent["packets"]), (&2.into(), &4.into()));
        assert_eq!(fact("last_answer")["detail"], "silent");
        assert_eq!(step["outcome"]["found_off"], true);

        let (output, _) = in_vain(&["-v"]);
        let (told, report) = (text(&output.stderr), text(&output.stdout));
        assert!(
            told.contains("docker0 (it is a bridge of Docker)"),
            "{told}"
        );
        for part in [
            "interfaces used: lan0 (it is up and on a network), lan1",
            "magic packet sent 2 times to 10.201.0.255:9 on lan0, 10.201.1.255:9 on lan1",
            "tcp:10.201.0.11:22: last answer, after ",
            "ErP",
            "WOL_MAGIC",
        ] {
            assert!(report.contains(part), "{part:?} is missing in\n{report}");
        }
    });
}

#[test]
fn interfaces_and_addresses_that_are_named_are_the_only_ones() {
    isolated(|| {
        lans::lay().unwrap();
        let (_, frames) = in_vain(&["--interface", "docker0"]);
        assert_eq!(interfaces(&frames), ["docker0", "docker0"]);

        let (_, frames) = in_vain(&["--broadcast", "10.201.1.255:7"]);
        assert_eq!(interfaces(&frames), ["lan1", "lan1"]);
        assert_eq!(frames[0].udp().unwrap().1, "10.201.1.255:7");

        let (_, frames) = in_vain(&["--broadcast", "ff02::1%lan1"]);
        assert_eq!(interfaces(&frames), ["lan1", "lan1"]);
        assert_eq!(frames[0].bytes[12..14], [0x86, 0xdd]);
    });
}

#[test]
fn frames_carry_the_password_and_nothing_else_shows_it() {
    isolated(|| {
        lans::lay().unwrap();
        let file = scratch().unwrap().join("secure-on");
        fs::write(&file, "00:22:44:66:88:aa\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let name = file.to_str().unwrap();
        let (output, frames) = in_vain(&["--ethernet", "--secure-on", name, "-vvv", "--json"]);
        assert_eq!(interfaces(&frames), ["lan0", "lan1", "lan0", "lan1"]);
        for frame in &frames {
            assert_eq!(frame.bytes[..6], [0xff; 6]);
            assert_eq!(frame.bytes[12..14], [0x08, 0x42]);
            assert_eq!(frame.bytes.len(), 14 + 102 + 6);
            assert!(frame.bytes.ends_with(&[0, 0x22, 0x44, 0x66, 0x88, 0xaa]));
        }
        let told = text(&output.stderr) + &text(&output.stdout);
        for shown in ["22:44:66", "34, 68, 102"] {
            assert!(!told.contains(shown), "{told}");
        }
    });
}

#[test]
fn what_can_never_wake_anything_is_refused_before_anything_is_sent() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        for (flag, value, hint) in [
            ("--broadcast", "10.201.1.137", "that network, 10.201.1.255"),
            ("--interface", "eno9", "expected one of lo"),
            ("--broadcast", "ff02::1%eno9", "expected one of lo"),
        ] {
            let output = nas_wake(&["--mac", MAC, "--until", NOBODY, flag, value]);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let said = text(&output.stderr);
            assert!(said.contains(hint), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        assert_eq!(capture.magic(MAC.parse().unwrap()).unwrap(), []);
    });
}

#[test]
fn who_may_not_send_frames_is_told_so_and_does_not_wait_in_vain() {
    isolated(|| {
        lans::lay().unwrap();
        let program = binary_path("nas-wake");
        let run = |flags: &[&str]| {
            Command::new("setpriv")
                .args(["--inh-caps=-net_raw", "--bounding-set=-net_raw"])
                .arg(&program)
                .args(["--mac", MAC, "--until", NOBODY, "--deadline", "3s"])
                .args(flags)
                .output()
                .unwrap()
        };
        let output = run(&["--ethernet"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report = text(&output.stdout);
        assert!(
            report.contains("grant CAP_NET_RAW, or send by UDP"),
            "{report}"
        );

        let capture = Capture::begin().unwrap();
        assert_eq!(run(&[]).status.code(), Some(3));
        let frames = capture.magic(MAC.parse().unwrap()).unwrap();
        assert_eq!(interfaces(&frames), ["lan0", "lan1"]);
    });
}

/// Something that identifies itself as an SSH server does.
#[derive(Debug)]
struct Banner;

struct RunningBanner(tokio::task::JoinHandle<()>);

#[async_trait]
impl Service for Banner {
    fn name(&self) -> &'static str {
        "banner"
    }

    fn port(&self) -> u16 {
        22
    }

    async fn start(
        &mut self,
        address: std::net::SocketAddr,
        _power: PowerSwitch,
    ) -> Result<Box<dyn Running>, ServiceError> {
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind(address).await?;
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
        let _ = self.0.await;
    }
}

/// The one way out of the lab is one end of a pair, as in a container.
#[test]
fn a_host_that_sleeps_is_woken_with_its_mac_address_alone_and_then_found_up() {
    isolated(|| {
        let options = SleepingHostOptions::default();
        let host = SleepingHost::start(options, vec![Box::new(Banner)]).unwrap();
        let mac = host.mac().to_string();
        let probe = format!("ssh:{}", host.address());
        let arguments = [
            "--mac",
            &mac,
            "--until",
            &probe,
            "--deadline",
            "1m",
            "--json",
        ];
        for (was_off, summary) in [
            (true, "it was off, was woken, and is ready"),
            (false, "it was already up, and will be left up"),
        ] {
            let output = nas_wake(&arguments);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            let step = &document["steps"][0];
            assert_eq!(step["outcome"]["found_off"], was_off, "{step}");
            assert_eq!(step["summary"], summary);
        }
        assert_eq!(host.boots(), 1);
        assert!(host.packets_seen() <= 2, "{}", host.packets_seen());
    });
}

/// The folder of this NAS's configuration, with its key.
fn config_of(nas: &Control, url: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("nas.key");
    fs::write(&key, nas.api_key()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "state_dir = \"{}\"\n\
         [window]\nstart = \"00:00\"\nend = \"23:59\"\ntime_zone = \"UTC\"\n\
         [backup_nas]\naddress = \"127.0.0.1\"\nmac = \"00:25:90:aa:bb:cc\"\n\
         url = \"{url}\"\nuser = \"{}\"\napi_key_file = \"{}\"\ncertificate_sha256 = \"{}\"\n",
        folder.path().join("state").display(),
        nas.username(),
        key.display(),
        nas.certificate_sha256(),
    );
    fs::write(folder.path().join("config.toml"), text).unwrap();
    folder
}

#[test]
fn a_truenas_is_waited_for_until_it_says_that_it_is_ready() {
    isolated(|| {
        // One for each of the two ways to ask.
        for version in [SimulatedVersion::Core13_0, SimulatedVersion::Scale26_0] {
            let options = SimulatorOptions {
                version,
                boots_for: Duration::from_secs(2),
                ..SimulatorOptions::new("backup")
            };
            let nas = Control::new(options).unwrap();
            let service = TrueNasService::new(nas.clone());
            let host = SleepingHost::start(SleepingHostOptions::default(), vec![Box::new(service)]);
            let host = host.unwrap();
            let url = format!("https://{}", host.service("truenas").unwrap());
            let folder = config_of(&nas, &url);
            let config = folder.path().join("config.toml");
            let mac = host.mac().to_string();
            let probe = format!("truenas:{url}");
            let wake = |deadline: &str| {
                let options = ["--mac", &mac, "--until", &probe, "--deadline", deadline];
                let config = ["--json", "--config", config.to_str().unwrap()];
                nas_wake(&[&options[..], &config].concat())
            };
            let output = wake("1m");
            assert_eq!(output.status.code(), Some(0), "{version:?}: {output:?}");
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            let step = &document["steps"][0];
            assert_eq!(step["outcome"]["found_off"], true, "{step}");
            let evidence = step["evidence"].to_string();
            for expected in ["it says that it is booting", "it says that it is ready"] {
                assert!(evidence.contains(expected), "{version:?}: {evidence}");
            }

            // A NAS that does not know the key any more is up, and it is said why nobody knows more.
            nas.set_key_state(KeyState::Revoked(None));
            let output = wake("3s");
            assert_eq!(output.status.code(), Some(3), "{version:?}: {output:?}");
            let said = text(&output.stdout);
            assert!(said.contains("API key"), "{version:?}: {said}");
        }
    });
}

#[test]
fn a_configuration_to_start_from_has_the_network_card_of_a_nas_that_is_up() {
    isolated(|| {
        lans::lay().unwrap();
        let neighbour = "neigh replace 10.201.0.11 lladdr 18:66:da:0a:0b:0c dev lan0";
        let status = Command::new("ip").args(neighbour.split(' ')).status();
        assert!(status.unwrap().success());
        let file = scratch().unwrap().join("config.toml");
        let init = |backup: &str| {
            Command::new(binary_path("backup-window"))
                .args(["init", "--backup", backup, "--config"])
                .arg(&file)
                .output()
                .unwrap()
        };
        let output = init("10.201.0.11");
        // Its web page does not answer, so its certificate is not known.
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        let said = text(&output.stdout);
        assert!(
            said.contains("[backup_nas] mac = 18:66:da:0a:0b:0c"),
            "{said}"
        );
        assert!(said.contains("[backup_nas] certificate_sha256: "), "{said}");
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.contains("mac = \"18:66:da:0a:0b:0c\""), "{written}");
        assert!(written.contains("address = \"10.201.0.11\""), "{written}");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // What is there stays.
        let again = init("10.201.0.12");
        assert_eq!(again.status.code(), Some(4), "{again:?}");
        assert!(text(&again.stderr).contains("stays as it is"), "{again:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), written);
    });
}
