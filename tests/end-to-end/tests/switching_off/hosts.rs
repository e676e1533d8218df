//! Host keys and keys that are not the right ones.

use lab::isolation::isolated;

use crate::matrix::Matrix;
use crate::nas::{Nas, Settings, keygen};

/// Another key than anybody's here; its public half.
fn stranger(nas: &Nas) -> String {
    keygen(&nas.dir.join("stranger"), "ed25519", "");
    let text = std::fs::read_to_string(nas.dir.join("stranger.pub")).unwrap();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}

#[test]
fn hosts_that_are_not_the_right_ones() {
    isolated(|| {
        let nas = Nas::build(&["ed25519", "ecdsa"], &[]);
        nas.wake();
        let good = nas.settings();
        let stranger = stranger(&nas);
        let ed25519 = nas.sshd.host_key("ed25519").unwrap();
        let ecdsa = nas.sshd.host_key("ecdsa").unwrap();
        let mut matrix = Matrix::of(&nas);
        let known = |lines: &str| Settings {
            host_key: format!("known_hosts = \"{}\"", nas.file("case_hosts", lines)),
            ..good.clone()
        };
        // The same host by any key that it has, asked for by the type that is known.
        nas.check(&known(&format!("* {ecdsa}\n")))
            .expect(0, "do nothing else");
        nas.check(&known(&format!("* {ecdsa}\n* {ed25519}\n")))
            .expect(0, "do nothing else");

        let m = &mut matrix;
        m.check(
            "host key changed",
            &known(&format!("* {stranger}\n")),
            4,
            "expected the host key SHA256:",
        );
        m.run(
            "host key changed, switching off",
            &known(&format!("* {stranger}\n")),
            4,
            "expected the host key SHA256:",
        );
        let pin = Settings {
            host_key: "host_key_sha256 = \"SHA256:uNiVztksCsDhcc0u9e8BrHl4LT/1YT4+2ZUZeWK5p2c\""
                .into(),
            ..good.clone()
        };
        m.check(
            "host key other than pinned",
            &pin,
            4,
            "was it installed anew, or does another machine answer?",
        );
        m.check(
            "host unknown",
            &known(&format!("other.lan {ed25519}\n")),
            4,
            "has no line for it",
        );
        m.check(
            "host excluded by a pattern",
            &known(&format!("*,!127.0.0.1,![127.0.0.1]:* {ed25519}\n")),
            4,
            "has no line for it; its host key is",
        );
        m.check(
            "host key revoked",
            &known(&format!("* {ed25519}\n@revoked * {ed25519}\n")),
            4,
            "is revoked in",
        );
        m.run(
            "host key revoked, switching off",
            &known(&format!("* {ed25519}\n@revoked * {ed25519}\n")),
            4,
            "is revoked in",
        );
        m.check(
            "host known by an authority only",
            &known(&format!("@cert-authority * {stranger}\n")),
            4,
            "(@cert-authority), which is not supported",
        );
        let only_ed25519 = nas.host.sshd("one-key", &["ed25519"]).unwrap();
        let other_type = Settings {
            port: only_ed25519.address().port(),
            ..known(&format!("* {ecdsa}\n"))
        };
        m.check(
            "host known by another type of key only",
            &other_type,
            4,
            "has only keys of the type ecdsa-sha2-nistp256 for it",
        );
        let missing = Settings {
            host_key: "known_hosts = \"/nonexistent\"".into(),
            ..good.clone()
        };
        m.check(
            "no file of known hosts",
            &missing,
            2,
            "/nonexistent does not exist",
        );

        println!("{}", matrix.told(10));
    });
}

#[test]
fn keys_that_are_not_the_right_ones() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let stranger = stranger(&nas);
        let mut matrix = Matrix::of(&nas);
        let m = &mut matrix;
        let key = |key: String| Settings {
            key,
            ..good.clone()
        };
        let dir = nas.dir.display();
        m.check(
            "key refused",
            &key(format!("key_file = \"{dir}/stranger\"")),
            1,
            "the key is not accepted for the user shutdown",
        );
        m.run(
            "key refused, switching off",
            &key(format!("key_file = \"{dir}/stranger\"")),
            1,
            "the key is not accepted for the user shutdown",
        );
        let user = Settings {
            user: "daemon".into(),
            ..good.clone()
        };
        m.check(
            "user unknown to the key",
            &user,
            1,
            "the key is not accepted for the user daemon",
        );
        keygen(&nas.dir.join("locked"), "ed25519", "open sesame");
        let locked = format!("key_file = \"{dir}/locked\"");
        m.check(
            "passphrase missing",
            &key(locked.clone()),
            2,
            "it is encrypted",
        );
        let wrong = nas.file("wrong", "close sesame\n");
        m.check(
            "passphrase wrong",
            &key(format!("{locked}\npassphrase_file = \"{wrong}\"")),
            2,
            "decrypt it: the passphrase is wrong",
        );
        m.run(
            "passphrase wrong, switching off",
            &key(format!("{locked}\npassphrase_file = \"{wrong}\"")),
            1,
            "could not be switched off and is still on: failed to use the private key",
        );
        let public = format!("key_file = \"{}\"", nas.file("public", &stranger));
        m.check(
            "public key for a private one",
            &key(public),
            2,
            "there is no private key in it",
        );
        let agent = "agent_socket = \"/nonexistent\"\nagent_key = \"SHA256:uNiVztksCsDhcc0u9e8BrHl4LT/1YT4+2ZUZeWK5p2c\"";
        m.check(
            "no agent",
            &key(agent.into()),
            1,
            "failed to use the SSH agent at /nonexistent",
        );
        m.check(
            "no key at all",
            &key(String::new()),
            2,
            "expected either key_file",
        );

        println!("{}", matrix.told(9));
    });
}
