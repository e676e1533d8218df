//! The matrix: at every step of an outage something goes wrong, and what ran runs again (I1).
//!
//! A proxy between the real `docker-backup run` and the lab's real engine sees every request. So a
//! step is a request that changes something, or the moment at which the copy begins (the engine is
//! asked for its events then), and at each of them, in a run of its own, each of these happens: an
//! error, SIGTERM, SIGKILL, a crash of the engine that is started again.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::{
    AUTO_REMOVED, DockerHost, DockerHostOptions, NO_SPOOL, Restless, seven_containers,
    start_auto_removed,
};
use lab::docker::{Action, Request, SocketProxy};
use lab::isolation::{isolated, scratch};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// How soon after SIGKILL the running set must be the one before.
const SOON: Duration = Duration::from_secs(5);

/// How long a run may take: far longer than any does.
const RUN_DEADLINE: Duration = Duration::from_mins(2);

/// What a copy has to read, so that it lasts; it takes no room on any disk.
const SPARSE_FILE_BYTES: u64 = 1 << 29;

type States = BTreeMap<String, String>;

/// Where in a run something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// At the request of this number that changes something.
    Change(usize),
    /// When the first copy begins. It has no number among the changes: a copy that has nothing to do
    /// may be over before the engine is asked for its events.
    Copy,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The engine refuses; where the copy begins, the NAS goes away.
    Error,
    /// The run is asked to end.
    Terminate,
    /// The run is killed before the engine hears of the request.
    Kill,
    /// The run is killed when the engine has done what it was asked for.
    KillAfter,
    /// The engine is killed, and started again.
    EngineRestart,
}

/// What the proxy is to do.
#[derive(Debug, Default)]
struct Trap {
    /// The changes that were asked for since it was set.
    seen: Vec<String>,
    /// Where something happens, and what.
    set: Option<(Step, Fault)>,
    /// The run.
    run: Option<Pid>,
    /// When it happened.
    sprung: Option<Instant>,
}

/// What a request changes, if it does.
fn change(request: &Request) -> Option<String> {
    let verb = ["stop", "start", "pause", "unpause"]
        .into_iter()
        .find(|verb| request.matches("POST", &format!("/containers/{{id}}/{verb}")))?;
    Some(verb.to_owned())
}

fn at_step(trap: &Mutex<Trap>, request: &Request) -> Action {
    let mut trap = trap.lock().unwrap();
    let step = if request.matches("GET", "/events") {
        Step::Copy
    } else if let Some(change) = change(request) {
        trap.seen.push(change);
        Step::Change(trap.seen.len() - 1)
    } else {
        return Action::Forward;
    };
    let (Some((_, fault)), Some(run)) = (trap.set.filter(|(at, _)| *at == step), trap.run) else {
        return Action::Forward;
    };
    // Each copy asks for the events, and so does one to which the engine was lost.
    trap.set = None;
    if fault == Fault::KillAfter {
        // In the proxy's own time: the request must reach the engine before.
        return Action::ForwardThen(Box::pin(async move {
            let _ = kill_process(run, Signal::KILL);
        }));
    }
    trap.sprung = Some(Instant::now());
    match fault {
        // The test makes the NAS read-only, and the copy waits for nothing: so it is held up.
        Fault::Error if step == Step::Copy => {
            Action::ForwardAfter(Box::pin(tokio::time::sleep(Duration::from_millis(100))))
        }
        Fault::Error => Action::Answer(500, "as the matrix asks for".to_owned()),
        Fault::Terminate => {
            kill_process(run, Signal::TERM).unwrap();
            Action::Forward
        }
        Fault::Kill => {
            kill_process(run, Signal::KILL).unwrap();
            Action::HangUp
        }
        Fault::KillAfter | Fault::EngineRestart => Action::HangUp,
    }
}

/// The Docker host of the matrix, with its engine behind the proxy.
struct Matrix {
    host: DockerHost,
    trap: Arc<Mutex<Trap>>,
    before: States,
    _proxy: SocketProxy,
}

impl Matrix {
    fn build() -> Self {
        let socket = scratch().unwrap().join("proxy.sock");
        let host = DockerHost::build(&DockerHostOptions {
            // As whoever does not want an upgrade of the engine to end everything has set it.
            dockerd: vec!["--live-restore".to_owned()],
            socket: Some(socket.clone()),
            docker: format!("settle = \"200ms\"\nstop_timeout = \"2s\"\n{NO_SPOOL}"),
            ..DockerHostOptions::default()
        });
        let trap = Arc::new(Mutex::new(Trap::default()));
        let rules = Arc::clone(&trap);
        let proxy = {
            let _inside = host.enter();
            SocketProxy::start(&socket, &host.docker.socket(), move |request| {
                at_step(&rules, request)
            })
            .unwrap()
        };
        seven_containers(&host);
        host.run("docker-backup", &["init"]).expect_code(0);
        let before = host.states().unwrap();
        Self {
            host,
            trap,
            before,
            _proxy: proxy,
        }
    }

    /// The changes of a run to which nothing happens.
    fn changes(&self) -> Vec<String> {
        let undisturbed = self.host.run("docker-backup", &["run"]);
        undisturbed.expect_code(0);
        assert_eq!(self.host.states().unwrap(), self.before);
        self.trap.lock().unwrap().seen.clone()
    }

    /// Has `fault` happen at a step of a run, and checks what is left.
    fn case(&mut self, at: Step, fault: Fault, what: &str) -> Option<Duration> {
        let _restless = (at == Step::Copy).then(|| self.prolong_copies());
        let mut command = self.host.command("docker-backup", &["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        {
            let mut trap = self.trap.lock().unwrap();
            *trap = Trap::default();
            trap.set = Some((at, fault));
        }
        let mut run = command.process_group(0).spawn().unwrap();
        self.trap.lock().unwrap().run = Some(Pid::from_child(&run));
        let took = match fault {
            Fault::Kill | Fault::KillAfter => Some(self.killed(&mut run, what)),
            Fault::Error | Fault::Terminate | Fault::EngineRestart => {
                self.ends_by_itself(&mut run, fault, at == Step::Copy, what);
                None
            }
        };
        assert_eq!(self.host.states().unwrap(), self.before, "after {what}");
        assert!(!self.host.journal().exists(), "after {what}");
        took
    }

    /// Gives each group a file that its next copy has to read while it is down.
    fn prolong_copies(&self) -> Restless {
        let files = ["vpn_state", "shop_data", "wiki_pages"].map(|volume| {
            let format = "--format={{.Mountpoint}}";
            let folder = self.host.docker(&["volume", "inspect", format, volume]);
            Path::new(&folder).join("sparse")
        });
        Restless::begin(&files, SPARSE_FILE_BYTES)
    }

    fn has_sprung(&self) -> bool {
        self.trap.lock().unwrap().sprung.is_some()
    }

    fn ends_by_itself(&mut self, run: &mut Child, fault: Fault, is_copy: bool, what: &str) {
        self.until(what, Self::has_sprung);
        match fault {
            Fault::Error if is_copy => self.host.nas.unmount().unwrap(),
            Fault::EngineRestart => {
                let DockerHost { docker, .. } = &mut self.host;
                docker.kill().unwrap();
                self.host.restart_engine();
            }
            _ => {}
        }
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break status.code();
            }
            assert!(begun.elapsed() < RUN_DEADLINE, "{what} does not end");
            self.host.sleep(Duration::from_millis(5));
        };
        // Before anything else is done: the running set is right when the run ends, not later.
        let now = self.host.states().unwrap();
        let mut expected = self.before.clone();
        if fault == Fault::EngineRestart {
            // An engine deletes such a container at its own start, though it ran all the time (seen
            // with Docker 20.10 and `--live-restore`): nobody can start it again.
            expected.remove(AUTO_REMOVED);
        }
        assert_eq!(
            now,
            expected,
            "at the end of {what}, which ended with {code:?}; the engine says:\n{}",
            self.host.docker.log_tail()
        );
        if is_copy && fault == Fault::Error {
            self.host.nas.mount_again().unwrap();
        }
        if fault == Fault::EngineRestart {
            start_auto_removed(&self.host);
        }
        match fault {
            Fault::Terminate => assert_eq!(code, Some(143), "{what}"),
            // A start that fails once is tried again; a stop or a copy that fails is a failure.
            _ => assert!(
                matches!(code, Some(0 | 1 | 6)),
                "{what} ended with {code:?}"
            ),
        }
    }

    /// Sees the watching process end the outage of a killed run: how long it took until everything
    /// was as before, from then on.
    fn killed(&self, run: &mut Child, what: &str) -> Duration {
        let begun = Instant::now();
        while run.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < RUN_DEADLINE, "{what} does not happen");
            self.host.sleep(Duration::from_millis(1));
        }
        let killed = Instant::now();
        assert_eq!(run.wait().unwrap().code(), None, "{what}");
        let mut as_before = None;
        self.until(what, |matrix| {
            let over = !matrix.host.journal().exists();
            if matrix.host.states().as_ref() == Some(&matrix.before) {
                as_before.get_or_insert_with(|| killed.elapsed());
            } else {
                assert!(!over, "the journal is gone too early after {what}");
                as_before = None;
            }
            over && as_before.is_some()
        });
        as_before.unwrap()
    }

    fn until(&self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            assert!(begun.elapsed() < RUN_DEADLINE, "waiting after {what}");
            self.host.sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn at_every_step_whatever_happens_what_ran_runs_again() {
    isolated(|| {
        let mut matrix = Matrix::build();
        assert_eq!(matrix.before.len(), 7, "{:?}", matrix.before);
        let changes = matrix.changes();
        println!("the changes: {}", changes.join(", "));
        let faults = [
            Fault::Error,
            Fault::Terminate,
            Fault::Kill,
            Fault::KillAfter,
            Fault::EngineRestart,
        ];
        let changes = changes.iter().enumerate();
        let steps = changes
            .map(|(at, verb)| (Step::Change(at), format!("step {at} ({verb})")))
            .chain([(Step::Copy, "the copy".to_owned())]);
        let (mut cases, mut longest) = (0, Duration::ZERO);
        for (at, name) in steps {
            for fault in faults {
                let what = format!("{fault:?} at {name}");
                let took = matrix.case(at, fault, &what);
                cases += 1;
                println!(
                    "{what}: as before{}",
                    took.map_or(String::new(), |took| format!(
                        " after {} ms",
                        took.as_millis()
                    ))
                );
                longest = longest.max(took.unwrap_or_default());
                assert!(longest < SOON, "{longest:?}");
            }
        }
        println!(
            "{cases} cases; after SIGKILL everything was as before within {} ms",
            longest.as_millis()
        );
        assert!(cases >= 60, "{cases} cases");
        matrix.host.run("docker-backup", &["run"]).expect_code(0);
        matrix
            .host
            .run("docker-backup", &["verify", "--read-data", "100"])
            .expect_code(0);
    });
}
