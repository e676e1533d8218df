//! Everything that can go wrong, each with its own exit code and its own sentence.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use lab::faulty_wire::{FaultyWire, WireFault};
use lab::isolation::isolated;

use crate::nas::{Nas, Ran, Settings, free_port};

/// What a case is tried with.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum By {
    Check,
    Run,
}

/// The cases that were tried, to be counted and printed.
pub(crate) struct Matrix<'a> {
    nas: &'a Nas,
    rows: Vec<(String, i32, String)>,
}

impl<'a> Matrix<'a> {
    pub(crate) fn of(nas: &'a Nas) -> Self {
        let rows = Vec::new();
        Self { nas, rows }
    }

    /// Tries one, in which the account's program must not run, or must run once.
    pub(crate) fn case(
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

    pub(crate) fn check(&mut self, name: &str, settings: &Settings, code: i32, phrase: &str) {
        self.case(name, By::Check, settings, code, phrase, 0);
    }

    pub(crate) fn run(&mut self, name: &str, settings: &Settings, code: i32, phrase: &str) {
        self.case(name, By::Run, settings, code, phrase, 0);
    }

    /// Tries one that nothing comes of: it ends with its deadline, and at most a second later.
    pub(crate) fn late(&mut self, name: &str, settings: &Settings) {
        let limit = Duration::from_millis(settings.deadline);
        let ran = self.nas.check(settings);
        let phrase = format!("within {limit:?}");
        ran.expect(3, &phrase);
        assert!(ran.took >= limit, "{name}: {ran:#?}");
        assert!(
            ran.took < limit + Duration::from_secs(1),
            "{name}: {ran:#?}"
        );
        self.rows
            .push((name.to_owned(), 3, sentence(&ran, &phrase)));
    }

    /// All of them, a line each, to be printed: as many as there should be.
    pub(crate) fn told(&self, expected: usize) -> String {
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.0.as_str()).collect();
        assert_eq!(
            names.len(),
            expected,
            "a case is missing, or has a name twice"
        );
        let rows = (1..).zip(&self.rows);
        let lines: Vec<String> = rows
            .map(|(number, (name, code, sentence))| {
                format!("{number:>3}  {code}  {name}: {sentence}")
            })
            .collect();
        format!("{}\n{expected} cases", lines.join("\n"))
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
fn hosts_that_are_not_there() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        let good = nas.settings();
        let mut matrix = Matrix::of(&nas);
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
        let swallowed = Settings {
            deadline: 1500,
            ..unreachable
        };
        matrix.late("a host that swallows everything", &swallowed);
        for (name, says) in [
            ("a server that says nothing", ""),
            (
                "a server that says its version and nothing more",
                "SSH-2.0-lab\r\n",
            ),
        ] {
            let silent = Settings {
                port: server_that_says(says).port(),
                deadline: 1500,
                ..good.clone()
            };
            matrix.late(name, &silent);
        }
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
        let stranger = Settings {
            port: server_that_says("HTTP/1.1 400 Bad Request\r\n\r\n").port(),
            ..good
        };
        matrix.check("no SSH server", &stranger, 1, "failed to speak SSH with");
        println!("{}", matrix.told(7));
    });
}

/// Says this to everybody, nothing more, and does not hang up on those who wait.
fn server_that_says(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(text.as_bytes());
            if !text.starts_with("HTTP") {
                kept.push(stream);
            }
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
