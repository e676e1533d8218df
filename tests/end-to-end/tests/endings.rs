//! Runs that are ended in the middle of an outage: everything runs again (I1).

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use end_to_end::{House, NO_SPOOL, Restless};
use lab::homelab::HomelabOptions;
use lab::isolation::isolated;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::Instant;

/// How soon after a kill the running set must be the one before.
const SOON: Duration = Duration::from_secs(5);

/// What each stack has besides: it takes its time to be read, and no room on any disk.
const SPARSE_FILE_BYTES: u64 = 1 << 29;

/// A house with a repository.
fn house() -> House {
    let house = House::build(HomelabOptions::default());
    let changed = house.config_with("[docker]", &format!("[docker]\n{NO_SPOOL}"));
    fs::rename(changed, &house.config).unwrap();
    house.run("docker-backup", &["init"]).expect_code(0);
    house
}

/// Gives each stack a file that has to be read while it is down, so that outages last.
fn prolong_outages(house: &House) -> Restless {
    let stacks = house.lab.stacks().iter();
    let folders = stacks.filter_map(|stack| stack.data.first());
    let files: Vec<PathBuf> = folders.map(|(_, folder)| folder.join("sparse")).collect();
    Restless::begin(&files, SPARSE_FILE_BYTES)
}

fn journal(house: &House) -> PathBuf {
    house.dir.join("state/outage.json")
}

/// Waits until something is so.
fn wait_until(house: &House, what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        house.wait(async { tokio::time::sleep(Duration::from_millis(2)).await });
    }
}

/// When a run is in the middle of an outage.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the first outage was written down. Another may have begun then, or none.
    After(Duration),
    /// When something is seen to be down.
    Down,
}

/// A run in the middle of an outage.
struct InAnOutage<'a> {
    house: &'a House,
    before: Vec<String>,
    run: Child,
    _restless: Restless,
}

impl<'a> InAnOutage<'a> {
    /// Begins one with `docker-backup run`, and returns at this moment of it.
    fn begin(house: &'a House, moment: Moment) -> Self {
        let mut command = house.command(&house.config, "docker-backup", &["run"]);
        command.stderr(Stdio::null());
        Self::of(house, command, moment)
    }

    fn of(house: &'a House, mut command: Command, moment: Moment) -> Self {
        let restless = prolong_outages(house);
        let before = house.running();
        let journal = journal(house);
        assert!(!journal.exists());
        // A group of its own, as a shell gives to each of its jobs.
        let run = command
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        wait_until(house, "an outage begins", || journal.exists());
        match moment {
            Moment::After(time) => house.wait(async { tokio::time::sleep(time).await }),
            Moment::Down => wait_until(house, "something is down", || house.running() != before),
        }
        Self {
            house,
            before,
            run,
            _restless: restless,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.run)
    }

    /// The process that watches the run: its only child.
    fn watcher(&self) -> Pid {
        let own = self.pid().as_raw_nonzero().get().to_string();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok())
            .find_map(|stat| {
                // `PID (COMM) STATE PPID …`, and the name may hold anything: proc_pid_stat(5).
                let (head, tail) = stat.rsplit_once(')')?;
                let parent = tail.split_whitespace().nth(1)?;
                let pid = head.split_whitespace().next()?.parse().ok()?;
                (parent == own).then(|| Pid::from_raw(pid))?
            })
            .expect("somebody watches the run")
    }

    /// Sends a signal to the run alone, waits for the end, and gives the exit code.
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(self.pid(), signal).unwrap();
        self.ended()
    }

    /// Sends a signal to the run's whole group, as Ctrl-C does.
    fn end_group(mut self, signal: Signal) -> Option<i32> {
        kill_process_group(self.pid(), signal).unwrap();
        self.ended()
    }

    /// Checks that everything runs at the end of a run that could see to it.
    fn ended(&mut self) -> Option<i32> {
        let code = self.run.wait().unwrap().code();
        assert_eq!(self.house.running(), self.before);
        assert!(!journal(self.house).exists());
        code
    }

    /// Whether something is down.
    fn is_down(&self) -> bool {
        self.house.running() != self.before
    }

    /// Kills it, and returns when the journal is gone: how long after the kill it was seen that the
    /// running set is the one before, from then on.
    fn kill(self) -> Duration {
        let killed = Instant::now();
        kill_process(self.pid(), Signal::KILL).unwrap();
        self.killed(killed)
    }

    fn killed(mut self, killed: Instant) -> Duration {
        assert_eq!(self.run.wait().unwrap().code(), None);
        let mut up_after = None;
        wait_until(self.house, "the watching process ends the outage", || {
            let over = !journal(self.house).exists();
            if self.is_down() {
                assert!(!over, "the journal is gone before everything runs");
                up_after = None;
            } else {
                up_after.get_or_insert_with(|| killed.elapsed());
            }
            over
        });
        up_after.unwrap()
    }

    /// Ends the run and who watches it, as a power cut does.
    fn cut_the_power(mut self) -> Vec<String> {
        kill_process(self.watcher(), Signal::KILL).unwrap();
        kill_process(self.pid(), Signal::KILL).unwrap();
        assert_eq!(self.run.wait().unwrap().code(), None);
        assert!(journal(self.house).exists());
        self.before
    }
}

const AT_ONCE: Moment = Moment::After(Duration::ZERO);

#[test]
fn a_signal_that_asks_ends_the_run_after_everything_was_started_again() {
    isolated(|| {
        let house = house();
        let asking = [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)];
        for (signal, code) in asking {
            let outage = InAnOutage::begin(&house, AT_ONCE);
            assert_eq!(outage.end(signal), Some(code));
        }
        let outage = InAnOutage::begin(&house, AT_ONCE);
        assert_eq!(outage.end_group(Signal::INT), Some(130));
        house.run("docker-backup", &["run"]).expect_code(0);
    });
}

#[test]
fn a_killed_run_is_made_good_without_anybodys_help() {
    isolated(|| {
        let house = house();
        let outage = InAnOutage::begin(&house, Moment::Down);
        let down = outage.kill();
        println!("everything ran {} ms after SIGKILL", down.as_millis());
        assert!(down < SOON, "{down:?}");
        let again = house.run("docker-backup", &["recover"]);
        again.expect_code(0);
        let said = &again.out;
        assert!(said.contains("nothing was left stopped"), "{said}");
        let history = house.run("backup-window", &["history"]);
        history.expect_code(0);
        assert!(history.out.contains("recover"), "{}", history.out);

        // The whole group, with nobody left who reads what they say.
        let mut command = house.command(&house.config, "docker-backup", &["run", "-vv"]);
        let (reader, writer) = std::io::pipe().unwrap();
        command.stderr(writer);
        let outage = InAnOutage::of(&house, command, Moment::Down);
        drop(reader);
        let killed = Instant::now();
        kill_process_group(outage.pid(), Signal::KILL).unwrap();
        let down = outage.killed(killed);
        println!("and {} ms after one to the group", down.as_millis());
        assert!(down < SOON, "{down:?}");

        let mut command = house.command(&house.config, "backup-window", &["run"]);
        command.stderr(Stdio::null());
        let outage = InAnOutage::of(&house, command, Moment::Down);
        let down = outage.kill();
        println!("and {} ms after one in a whole night", down.as_millis());
        assert!(down < SOON, "{down:?}");

        house.run("docker-backup", &["run"]).expect_code(0);
        house
            .run("docker-backup", &["verify", "--read-data", "100"])
            .expect_code(0);
    });
}

#[test]
fn after_a_power_cut_recover_or_the_next_run_makes_it_good() {
    isolated(|| {
        let house = house();
        let before = InAnOutage::begin(&house, AT_ONCE).cut_the_power();
        house.run("docker-backup", &["recover"]).expect_code(0);
        assert_eq!(house.running(), before);
        assert!(!journal(&house).exists());

        let before = InAnOutage::begin(&house, AT_ONCE).cut_the_power();
        let next = house.run("docker-backup", &["run"]);
        next.expect_code(6);
        assert!(next.out.contains("had left"), "{}", next.out);
        assert_eq!(house.running(), before);
        assert!(!journal(&house).exists());
    });
}

#[test]
fn a_run_that_nobody_can_watch_stops_nothing() {
    isolated(|| {
        let house = house();
        let before = house.running();
        let command = house.command(&house.config, "docker-backup", &[]);
        let program = house.dir.join("docker-backup");
        fs::copy(command.get_program(), &program).unwrap();
        // It waits for its configuration, while the program file becomes one that cannot be run.
        let config = house.dir.join("config.fifo");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &config, kind, mode, 0).unwrap();
        let run = Command::new(&program)
            .arg("run")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut fifo = fs::OpenOptions::new().write(true).open(&config).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
        fifo.write_all(&fs::read(&house.config).unwrap()).unwrap();
        drop(fifo);
        let ended = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing was stopped"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!journal(&house).exists());
        assert_eq!(house.running(), before);
    });
}

/// A kill or a request to end, at many moments of an outage: from before the first stop, through
/// the stops and the copying, to the starts.
#[test]
fn whenever_it_is_ended_everything_runs_again() {
    isolated(|| {
        let house = house();
        let (mut cases, mut down_at_the_end) = (0, 0);
        let mut longest = Duration::ZERO;
        for milliseconds in [0, 50, 150, 300, 600, 1000, 1500, 2500] {
            let after = Duration::from_millis(milliseconds);
            let outage = InAnOutage::begin(&house, Moment::After(after));
            down_at_the_end += u32::from(outage.is_down());
            let code = outage.end(Signal::TERM);
            assert_eq!(code, Some(143), "asked after {milliseconds} ms");
            let outage = InAnOutage::begin(&house, Moment::After(after));
            down_at_the_end += u32::from(outage.is_down());
            let down = outage.kill();
            assert!(down < SOON, "killed after {milliseconds} ms: {down:?}");
            println!(
                "killed after {milliseconds} ms: everything ran {} ms later",
                down.as_millis()
            );
            longest = longest.max(down);
            cases += 2;
        }
        println!(
            "{cases} cases, something down in {down_at_the_end}; everything ran at most {} ms after \
             SIGKILL",
            longest.as_millis()
        );
        assert!(down_at_the_end >= 4, "hardly any case was one");
    });
}
