//! A real machine is woken, switched off and seen to be off, by the real binaries.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use end_to_end::{Ended, binary_path};
use guest::House;
use lab::guest::{Guest, GuestError, GuestOptions, isolated};

/// How long the machine may take for anything, however busy this one is.
const LONG: Duration = Duration::from_mins(5);
/// The silence of a machine that nobody wakes is as good as any.
const SHORT_SILENCE: Duration = Duration::from_secs(15);
/// More than the machine takes from the end of its power to its network, however busy this one is.
/// It costs nothing where the machine comes back.
const LONG_SILENCE: Duration = Duration::from_mins(2);

/// Waits for something of the machine's power.
fn within(house: &House, change: impl Future<Output = Result<(), GuestError>>) {
    house
        .wait(async { tokio::time::timeout(LONG, change).await })
        .expect("the power changes in time")
        .expect("the machine is there");
}

/// Wakes a machine by the command line alone.
fn wake_by_flags(guest: &Guest) -> Ended {
    let output = Command::new(binary_path("nas-wake"))
        .args(["--mac", &guest.mac().to_string()])
        .args(["--broadcast", &guest.broadcast().to_string()])
        .args(["--until", &format!("icmp:{}", guest.address())])
        .args(["--until", &format!("ssh:{}", guest.address())])
        .args(["--deadline", "5m", "--every", "1s"])
        .output()
        .expect("nas-wake can be run");
    Ended::new(&output)
}

#[test]
fn it_is_woken_switched_off_by_an_account_that_can_do_nothing_else_and_seen_to_be_off() {
    isolated(|| {
        let house = House::build(GuestOptions::default(), SHORT_SILENCE);
        assert!(!house.guest.is_on());

        let woken = house.run("nas-wake", &["--json"]);
        woken.expect_code(0);
        let outcome = &woken.json()["steps"][0]["outcome"];
        assert_eq!(outcome["found_off"], true, "{woken:?}");
        assert!(woken.out.contains("SSH-2.0-OpenSSH"), "{woken:?}");
        assert_eq!(house.guest.boots(), 1);
        assert!(house.guest.is_on());

        // The account is proven without switching anything off.
        house.run("nas-shutdown", &["check"]).expect_code(0);
        assert!(house.guest.is_on());

        let off = house.run("nas-shutdown", &["run"]);
        off.expect_code(0);
        assert!(!house.guest.is_on(), "{off:?}");
        let console = house.guest.console();
        assert!(console.contains("Power down"), "{console}");

        // It can be woken again, and is the same machine with the same key.
        house.run("nas-wake", &[]).expect_code(0);
        assert_eq!(house.guest.boots(), 2);
        assert_eq!(house.guest.faults(), Vec::<String>::new());
    });
}

#[test]
fn one_that_reboots_instead_is_found_out() {
    isolated(|| {
        let options = GuestOptions {
            // What the firmware of a real machine takes, or less.
            reboots_instead: Some(Duration::from_secs(8)),
            ..GuestOptions::default()
        };
        let house = House::build(options, LONG_SILENCE);
        house.run("nas-wake", &[]).expect_code(0);
        let off = house.run("nas-shutdown", &["run", "--json"]);
        off.expect_code(1);
        let confirm = &off.json()["steps"][2];
        assert_eq!(confirm["step"], "confirm", "{off:?}");
        let summary = confirm["summary"].as_str().unwrap_or_default();
        assert!(summary.contains("rebooted"), "{summary}");
        let evidence = confirm["evidence"].as_array().expect("there is evidence");
        let reboot = evidence
            .iter()
            .map(|seen| &seen["fact"])
            .find(|fact| fact["kind"] == "rebooted")
            .expect("the reboot is evidence");
        let at = |name: &str| -> jiff::Timestamp {
            let text = reboot[name].as_str().expect("a time");
            text.parse().expect("a time")
        };
        assert!(at("silent_from") < at("answered_at"), "{reboot}");
        assert_eq!(house.guest.boots(), 2);
        assert!(house.guest.is_on());
    });
}

#[test]
fn packets_that_are_lost_are_sent_again() {
    isolated(|| {
        let house = House::build(GuestOptions::default(), SHORT_SILENCE);
        house.guest.drop_first(4).expect("the switch loses them");
        let woken = wake_by_flags(&house.guest);
        woken.expect_code(0);
        assert_eq!(house.guest.dropped().expect("the switch tells"), 4);
        assert_eq!(house.guest.boots(), 1);
        assert!(house.guest.packets_seen() >= 1, "{woken:?}");

        // A plug that is pulled is silence, too, and the machine survives it.
        house.guest.cut_power();
        within(&house, house.guest.wait_off());
        wake_by_flags(&house.guest).expect_code(0);
        assert_eq!(house.guest.boots(), 2);
        assert_eq!(house.guest.faults(), Vec::<String>::new());
    });
}

#[test]
fn a_bare_frame_wakes_it_and_only_with_its_password() {
    isolated(|| {
        let options = GuestOptions {
            secure_on: Some([0x11, 0x22, 0x33, 0x44, 0x55, 0x66]),
            ..GuestOptions::default()
        };
        let house = House::build(options, SHORT_SILENCE);
        let mac = house.guest.mac().to_string();
        let send = |arguments: &[&str]| {
            let output = Command::new("etherwake")
                .args(["-i", "lan0"])
                .args(arguments)
                .arg(&mac)
                .output()
                .expect("etherwake can be run");
            assert!(output.status.success(), "{output:?}");
        };
        // One with the right password comes last, so that nothing has to be waited for in vain.
        send(&["-b"]);
        send(&["-b", "-p", "11:22:33:44:55:67"]);
        send(&["-b", "-p", "11:22:33:44:55:66"]);
        within(&house, house.guest.wait_on());
        assert_eq!((house.guest.packets_seen(), house.guest.boots()), (1, 1));
        house.guest.cut_power();
        within(&house, house.guest.wait_off());

        // Not to all, but to the card alone.
        send(&["-p", "11:22:33:44:55:66"]);
        within(&house, house.guest.wait_on());
        assert_eq!(house.guest.boots(), 2);
        // No packet but a probe is sent to a machine that is on its way up.
        wake_by_flags(&house.guest).expect_code(0);
        assert_eq!(house.guest.boots(), 2);
    });
}
