//! Everything that can go wrong, each with its own exit code and its own sentence.

use std::collections::BTreeSet;
use std::time::Duration;

use lab::faulty_wire::{FaultyWire, WireFault};
use lab::isolation::isolated;

use crate::nas::{Nas, Ran, Settings, free_port, keygen};

/// What a case is tried with.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Check,
    Run,
}

/// The cases that were tried, to be counted and printed.
struct Matrix<'a> {
    nas: &'a Nas,
    rows: Vec<(String, i32, String)>,
}

impl Matrix<'_> {
    /// Tries one, in which the account's program must not run, or must run once.
    fn case(
        &mut self,
        name: &str,
        by: By,
        settings: &Settings,
        code: i32,
        phrase: &str,
        runs: usize,
    ) {
        let ran = match by {
            By::Check => self.nas.check(settings),
            By::Run => self.nas.shut_down(settings, false),
        };
        assert_eq!(ran.code, Some(code), "{name}: {ran:#?}");
        assert!(
            ran.said().contains(phrase),
            "{name}: expected {phrase:?}: {ran:#?}"
        );
        assert_eq!(ran.pressed.len(), runs, "{name}: {ran:#?}");
        // A minute would be somebody's deadline; nothing here waits for one.
        assert!(ran.took < Duration::from_secs(21), "{name}: {:?}", ran.took);
        self.rows
            .push((name.to_owned(), code, sentence(&ran, phrase)));
    }

    fn check(&mut self, name: &str, settings: &Settings, code: i32, phrase: &str) {
        self.case(name, By::Check, settings, code, phrase, 0);
    }

    fn run(&mut self, name: &str, settings: &Settings, code: i32, phrase: &str) {
        self.case(name, By::Run, settings, code, phrase, 0);
    }

    fn print(&self, expected: usize) {
        for (number, (name, code, sentence)) in (1..).zip(&self.rows) {
            println!("{number:>3}  {code}  {name}: {sentence}");
        }
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.0.as_str()).collect();
        println!("{} cases", names.len());
        assert_eq!(
            names.len(),
            expected,
            "a case is missing, or has a name twice"
        );
    }
}

/// The line with the phrase.
fn sentence(ran: &Ran, phrase: &str) -> String {
    let said = ran.said();
    let line = said
        .lines()
        .find(|line| line.contains(phrase))
        .unwrap_or_default();
    line.trim().to_owned()
}

#[test]
fn hosts_and_keys_that_are_not_the_right_ones() {
    isolated(|| {
        let nas = Nas::build(&["ed25519", "ecdsa"], &[]);
        nas.wake();
        let good = nas.settings();
        let stranger = {
            keygen(&nas.dir.join("stranger"), "ed25519", "");
            let text = std::fs::read_to_string(nas.dir.join("stranger.pub")).unwrap();
            text.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let ed25519 = nas.sshd.host_key("ed25519").unwrap();
        let ecdsa = nas.sshd.host_key("ecdsa").unwrap();
        let mut matrix = Matrix {
            nas: &nas,
            rows: Vec::new(),
        };
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

        matrix.print(19);
    });
}

#[test]
fn commands_that_do_not_run() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let dir = nas.dir.display().to_string();
        let mut matrix = Matrix {
            nas: &nas,
            rows: Vec::new(),
        };
        let m = &mut matrix;

        // What is right: it goes off, and that is seen.
        let plan = nas.run_dry(&good);
        plan.expect(0, "would be sent `poweroff`");
        assert!(plan.pressed.is_empty(), "{plan:#?}");
        let off = nas.shut_down(&good, true);
        off.expect(0, "the backup NAS is off");
        assert_eq!(off.pressed, ["root now"]);
        // What accepts and stays on is not believed.
        m.case(
            "accepted, and still on",
            By::Run,
            &good,
            3,
            "the backup NAS is not off",
            1,
        );

        nas.then("echo 'a scrub is running'; exit 3");
        m.case(
            "the command fails",
            By::Run,
            &good,
            1,
            "the command ended with status 3: a scrub is running",
            1,
        );
        nas.then("kill -9 $$");
        m.case(
            "the command is killed",
            By::Run,
            &good,
            3,
            "the command was ended by the signal",
            1,
        );
        nas.then("exit 0");

        nas.sudoers("");
        m.run(
            "not in the sudoers",
            &good,
            1,
            "sudo refuses it without a password",
        );
        nas.sudoers(&format!("shutdown ALL=(root) {dir}/power-off now"));
        m.run(
            "sudo asks for a password",
            &good,
            1,
            "a password is required; the user's sudo rule on the host must have NOPASSWD",
        );
        nas.sudoers(&format!(
            "shutdown ALL=(root) NOPASSWD: {dir}/power-off later"
        ));
        m.run(
            "sudo allows other arguments only",
            &good,
            1,
            "sudo refuses it without a password",
        );
        nas.install_kit(&[]);

        // Without a forced command, ours is what runs.
        let own = |command: &str| Settings {
            system: format!("{{ command = \"{command}\" }}"),
            dispatcher: false,
            ..good.clone()
        };
        nas.authorize("restrict");
        m.run(
            "arguments that sudo does not allow",
            &own(&format!("sudo -n {dir}/power-off later")),
            1,
            "sudo refuses it without a password",
        );
        m.run(
            "a command that sudo does not allow",
            &own("sudo -n /usr/bin/id"),
            1,
            "sudo refuses it without a password",
        );
        m.run(
            "no such command",
            &own("/nonexistent now"),
            1,
            "the host cannot run the command: /nonexistent now (status 127)",
        );
        nas.file("not-executable", "");
        m.run(
            "a command that cannot be run",
            &own(&format!("{dir}/not-executable")),
            1,
            "(status 126)",
        );
        nas.sudoers("shutdown ALL=(root) NOPASSWD: /nonexistent");
        m.run(
            "no such command, says sudo",
            &own("sudo -n /nonexistent"),
            1,
            "the host cannot run the command",
        );
        nas.install_kit(&[]);

        m.run(
            "a dispatcher that is asked as if there were none",
            &own("sudo -n /sbin/poweroff"),
            1,
            "its dispatcher refuses the request",
        );
        nas.host
            .shell("usermod --shell /usr/sbin/nologin shutdown")
            .unwrap();
        m.run(
            "an account without a shell",
            &good,
            1,
            "This account is currently not available",
        );
        nas.host
            .shell("usermod --shell /bin/sh shutdown; usermod --lock shutdown")
            .unwrap();
        m.run(
            "an account that is locked",
            &good,
            1,
            "the key is not accepted for the user shutdown",
        );
        nas.host
            .shell("usermod --unlock shutdown || usermod --password '*' shutdown")
            .unwrap();

        // The same, with the plain command behind the key.
        nas.install_kit(&["--plain"]);
        let plain = own(&nas.command());
        let off = nas.shut_down(&plain, true);
        off.expect(0, "the backup NAS is off");
        assert_eq!(off.pressed, ["root now"]);
        // Whatever is asked for, the command behind the key is what runs.
        m.case(
            "the plain command, and still on",
            By::Run,
            &own("id"),
            3,
            "the backup NAS is not off",
            1,
        );

        matrix.print(15);
    });
}

#[test]
fn hosts_that_are_not_there() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        let good = nas.settings();
        let mut matrix = Matrix {
            nas: &nas,
            rows: Vec::new(),
        };
        let refused = Settings {
            port: free_port(),
            ..good.clone()
        };
        matrix.check("connection refused", &refused, 1, "Connection refused");
        let unreachable = Settings {
            address: "192.0.2.9".into(),
            ..good.clone()
        };
        matrix.check(
            "no way to the host",
            &unreachable,
            1,
            "Network is unreachable",
        );
        // A neighbour that never answers: what is sent to it is lost.
        nas.host
            .shell(
                "ip link add near type veth peer name far && ip link set near up && ip link set far up \
                 && ip addr add 192.0.2.1/24 dev near \
                 && ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev near",
            )
            .unwrap();
        let silent = Settings {
            deadline: 1500,
            ..unreachable
        };
        let begun = nas.check(&silent);
        begun.expect(3, "failed to connect to shutdown@192.0.2.9");
        assert!(begun.took < Duration::from_millis(2500), "{begun:#?}");
        matrix.check("a host that swallows everything", &silent, 3, "within 1.5s");
        let nowhere = Settings {
            address: "nas.invalid".into(),
            ..good.clone()
        };
        matrix.check(
            "a name without an address",
            &nowhere,
            1,
            "failed to connect to shutdown@nas.invalid",
        );
        let web = lab::faulty_wire::FaultyWire::to(web_server(), WireFault::None).unwrap();
        let stranger = Settings {
            port: web.address().port(),
            ..good
        };
        matrix.check("no SSH server", &stranger, 1, "failed to speak SSH with");
        matrix.print(5);
    });
}

/// Says that the request is a bad one, to everybody.
fn web_server() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    address
}

/// Where a wire leads that has this fault.
pub(crate) fn through(nas: &Nas, good: &Settings, fault: WireFault) -> (FaultyWire, Settings) {
    let wire = FaultyWire::to(nas.sshd.address(), fault).unwrap();
    let settings = Settings {
        port: wire.address().port(),
        ..good.clone()
    };
    (wire, settings)
}
