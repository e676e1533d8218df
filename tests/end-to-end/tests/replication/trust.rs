//! Who gets a key, and what a key may do.

use lab::truenas::{KeyRole, SimulatedVersion};

use crate::house::{Ended, House, SNAPSHOT_TASK, each_version};

#[test]
fn what_cannot_be_trusted_ends_with_code_4() {
    each_version(|house, version| {
        let right = house.primary().certificate_sha256();
        let wrong = house.backup.as_ref().unwrap().certificate_sha256();
        house.edit_config(&right, &wrong);
        let since = house.control().now().to_string();
        for arguments in [&["status"][..], &["wait", "--since", &since]] {
            house
                .run(arguments)
                .expect(4, &[&right, &wrong, "nothing was sent"]);
        }
        assert_eq!(house.control().keys_seen(), 0);

        // It answers in clear where TLS is expected.
        house.write_config("");
        house.control().speak_plain_http(true);
        let url = house.primary().url().to_string();
        for arguments in [
            &["status"][..],
            &["wait", "--since", &since],
            &["trust", &url],
        ] {
            house.run(arguments).expect(4, &["agree on TLS"]);
        }
        assert_eq!(house.control().keys_seen(), 0, "{version:?}");
    });
}

#[test]
fn a_redirect_is_not_followed_and_ends_with_code_4() {
    let house = House::of(SimulatedVersion::Scale24_10);
    // The first is how a CORE says that it has no other API.
    for _ in 0..2 {
        house.control().next_redirect("https://192.0.2.1/");
    }
    house.run(&["status"]).expect(4, &["https://192.0.2.1/"]);
}

#[test]
fn a_user_who_may_only_read_can_look_and_wait_and_not_trigger() {
    for version in SimulatedVersion::ALL {
        if !version.speaks_json_rpc() {
            continue;
        }
        let house = House::of(version);
        house.control().set_key_role(KeyRole::ReadOnly);
        let waiting = house.begin_to_wait(&["--deadline", "60s"]);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        waiting.ended().expect(0, &["lies on both NAS"]);
        house.run(&["status"]).expect(0, &["fresh"]);

        let house = House::of(version);
        house.control().set_key_role(KeyRole::ReadOnly);
        let waiting = house.begin_to_wait(&["--trigger", "--deadline", "60s"]);
        waiting.ended().expect(1, &["may not do this"]);
    }
}

#[test]
fn a_certificate_is_shown_for_the_configuration() {
    let house = House::of(SimulatedVersion::Core13_0);
    let url = house.primary().url().to_string();
    let fingerprint = house.primary().certificate_sha256();
    let line = format!("certificate_sha256 = \"{fingerprint}\"");
    let shown = [
        "Names:     primary, localhost, 127.0.0.1",
        "Issued by: itself",
        "Valid:     ",
    ];
    house
        .run(&["trust", &url])
        .expect(0, &[&[line.as_str()], &shown[..]].concat());
    let json = house.run(&["trust", &url, "--json"]).expect(0, &[]).json();
    assert_eq!(json["certificate_sha256"], fingerprint.as_str());
    assert_eq!(json["subject"], json["issuer"], "{json}");
    assert_eq!(house.control().keys_seen(), 0);
}

#[test]
fn a_key_may_be_a_credential_of_the_service() {
    let house = House::of(SimulatedVersion::Scale25_10);
    let file = house.folder.path().join("primary.key");
    house.edit_config(file.to_str().unwrap(), "credential:primary.key");
    house
        .run(&["status"])
        .expect(2, &["credential:primary.key is a credential"]);
    let output = house
        .command(&["status", "--json"])
        .env("CREDENTIALS_DIRECTORY", house.folder.path())
        .output()
        .unwrap();
    let json = Ended::of(&output).json();
    assert_eq!(json["nas"][0]["transport"], "json_rpc");
    assert_eq!(json["nas"][0]["status"]["hostname"], "primary");
}
