//! Runs that are killed, a NAS that is full, a NAS that goes away, two runs at once: afterwards the
//! stacks run, stock `restic` finds nothing wrong with any byte, and the next night succeeds without
//! help.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::isolation::isolated;
use rustix::process::{Pid, test_kill_process};
use tokio::time::Instant;

const KILLS: u32 = 30;

/// How soon after a kill everything must run again.
const SOON: Duration = Duration::from_secs(5);

/// How long anything else may take, on whatever machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// After so many kills, each of a run that found what the one before it had left behind, comes a
/// night that nobody disturbs, and all data is read.
const KILLS_IN_A_ROW: u32 = 3;

const MIB: usize = 1 << 20;

const STACKS: [&str; 2] = ["shop", "wiki"];

struct Chaos {
    host: DockerHost,
    before: BTreeMap<String, String>,
    random: Random,
}

impl Chaos {
    /// Two stacks, a repository, and a first night.
    fn build(nas_bytes: Option<u64>) -> Self {
        let host = DockerHost::build(&DockerHostOptions {
            // Nothing here could fall over after its start, and hundreds of starts follow.
            docker: "settle = \"100ms\"".to_owned(),
            nas_bytes,
            ..DockerHostOptions::default()
        });
        for stack in STACKS {
            let app = format!("{}\nvolumes: [\"data:/data\"]", obedient());
            host.project(stack, &[("app", &app), ("db", obedient())], &["data"]);
        }
        host.run("docker-backup", &["init"]).expect_code(0);
        let before = host.states().unwrap();
        assert_eq!(before.len(), 4, "{before:?}");
        let mut chaos = Self {
            host,
            before,
            random: Random(1),
        };
        chaos.change(2 * MIB);
        chaos.night("at first");
        chaos
    }

    fn data(&self, stack: &str) -> PathBuf {
        let volume = format!("{stack}_data");
        let inspect = ["volume", "inspect", "--format={{.Mountpoint}}", &volume];
        self.host.docker(&inspect).into()
    }

    /// Gives each stack something new that a copy has to read.
    fn change(&mut self, bytes: usize) {
        for stack in STACKS {
            let file = self.data(stack).join("data");
            fs::write(file, self.random.noise(bytes)).unwrap();
        }
    }

    fn begin(&self) -> Child {
        let mut command = self.host.command("docker-backup", &["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// A night that nobody disturbs.
    fn night(&self, when: &str) {
        let ended = self.host.run("docker-backup", &["run"]);
        assert_eq!(ended.code, Some(0), "the night {when}: {ended:?}");
        self.runs(when);
    }

    /// Checks that everything runs, and that nobody believes otherwise.
    fn runs(&self, when: &str) {
        assert_eq!(self.host.states().unwrap(), self.before, "{when}");
        assert!(!self.host.journal().exists(), "{when}");
    }

    /// Has stock `restic` read everything. It must take no lock: it only reads, and what it finds
    /// must not depend on it.
    fn read_data(&self, when: &str) {
        let output = Command::new("restic")
            .args(["--no-cache", "--no-lock", "--repo"])
            .arg(self.host.nas.repository())
            .arg("--password-file")
            .arg(self.host.dir.join("password"))
            .args(["check", "--read-data"])
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{when}:\n{out}{err}");
        assert!(out.contains("no errors were found"), "{when}:\n{out}{err}");
    }

    fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            self.host.sleep(Duration::from_millis(5));
        }
    }

    fn outage_begins(&self) {
        self.until("an outage begins", || self.host.journal().exists());
    }

    /// Kills a run after a while, and nobody else. Returns whether it had not ended by then, and
    /// how long after the kill everything ran.
    fn kill_after(&self, after: Duration, when: &str) -> (bool, Duration) {
        let mut run = self.begin();
        self.host.sleep(after);
        let watchers = children(&run);
        let killed = Instant::now();
        run.kill().unwrap();
        let hit = run.wait().unwrap().code().is_none();
        let mut as_before = None;
        self.until(when, || {
            // A container may stop until the watching process is done: only what stays counts.
            if self.host.states().as_ref() == Some(&self.before) {
                as_before.get_or_insert_with(|| killed.elapsed());
            } else {
                as_before = None;
            }
            !self.host.journal().exists()
                && as_before.is_some()
                && watchers.iter().all(|watcher| has_ended(*watcher))
        });
        self.runs(when);
        (hit, as_before.unwrap())
    }
}

/// The processes that a run has started: there is only the one that watches it.
fn children(run: &Child) -> Vec<Pid> {
    let tasks = format!("/proc/{0}/task", run.id());
    let tasks = fs::read_dir(tasks).into_iter().flatten();
    let children = tasks.filter_map(|task| {
        let children = task.ok()?.path().join("children");
        fs::read_to_string(children).ok()
    });
    let children: Vec<String> = children.collect();
    let numbers = children.iter().flat_map(|line| line.split_whitespace());
    numbers
        .filter_map(|number| Pid::from_raw(number.parse().ok()?))
        .collect()
}

fn has_ended(process: Pid) -> bool {
    test_kill_process(process).is_err()
}

/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>: the same moments and bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to less than 1000.
    fn thousandths(&mut self) -> u32 {
        u32::try_from(self.next() % 1000).unwrap()
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        let words = 0..bytes / 8;
        words.flat_map(|_| self.next().to_le_bytes()).collect()
    }
}

#[test]
fn killed_at_thirty_moments_the_next_night_succeeds() {
    isolated(|| {
        let mut chaos = Chaos::build(None);
        chaos.change(2 * MIB);
        let begun = Instant::now();
        chaos.night("that is measured");
        let whole = begun.elapsed();
        println!("a run takes {} ms", whole.as_millis());

        let (mut nights, mut longest) = (0, Duration::ZERO);
        for kill in 0..KILLS {
            // A moment at random in each of as many stretches as there are kills.
            let thousandths = kill * 1000 + chaos.random.thousandths();
            let mut after = whole * thousandths / (KILLS * 1000);
            let took = loop {
                chaos.change(2 * MIB);
                let when = format!("killed after {} ms", after.as_millis());
                let (hit, took) = chaos.kill_after(after, &when);
                assert!(took < SOON, "{when}: {took:?}");
                if hit {
                    break took;
                }
                // It was quicker than the one that was measured: that was no kill.
                after = after * 3 / 4;
            };
            let when = format!("killed after {} ms", after.as_millis());
            longest = longest.max(took);
            if (kill + 1) % KILLS_IN_A_ROW == 0 {
                chaos.read_data(&when);
                chaos.night(&format!("after one {when}"));
                chaos.read_data(&format!("after the night after one {when}"));
                nights += 1;
            }
            println!("{when}: as before {} ms later", took.as_millis());
        }
        println!(
            "{KILLS} kills; everything ran within {} ms; {nights} next nights succeeded, and restic \
             read all data before and after each",
            longest.as_millis()
        );
    });
}

#[test]
fn a_full_nas_costs_a_night_and_nothing_else() {
    isolated(|| {
        let mut chaos = Chaos::build(Some(64 << 20));
        let large = chaos.data("shop").join("large");
        fs::write(&large, chaos.random.noise(96 * MIB)).unwrap();
        let ended = chaos.host.run("docker-backup", &["run"]);
        ended.expect_code(1);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("full") || said.contains("space"), "{said}");
        println!("{}", ended.out);
        chaos.runs("after a full NAS");
        chaos.read_data("after a full NAS");

        // What was too much is gone; what the failed night has left in the repository is not.
        fs::remove_file(large).unwrap();
        chaos.night("after a full NAS");
        chaos.read_data("in the night after");
    });
}

#[test]
fn a_nas_that_goes_away_costs_a_night_and_nothing_else() {
    isolated(|| {
        let mut chaos = Chaos::build(None);
        for milliseconds in [0, 150, 600] {
            chaos.change(16 * MIB);
            let mut run = chaos.begin();
            chaos.outage_begins();
            chaos.host.sleep(Duration::from_millis(milliseconds));
            chaos.host.nas.unmount().unwrap();
            let mut code = None;
            chaos.until("the run ends without its NAS", || {
                code = run.try_wait().unwrap();
                code.is_some()
            });
            let when = format!("the NAS went away {milliseconds} ms into an outage");
            println!("{when}: {code:?}");
            // What was open stays open: a run that was nearly done may succeed.
            let code = code.unwrap().code();
            assert!(matches!(code, Some(0 | 1 | 4)), "{when}: {code:?}");
            chaos.runs(&when);
            let left = names(chaos.host.nas.mount_point());
            assert!(left.is_empty(), "written beneath the mount point: {left:?}");

            chaos.host.nas.mount_again().unwrap();
            chaos.night(&when);
            chaos.read_data(&when);
        }
    });
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn of_two_runs_at_once_the_second_does_nothing() {
    isolated(|| {
        let mut chaos = Chaos::build(None);
        chaos.change(16 * MIB);
        let mut first = chaos.begin();
        chaos.outage_begins();
        let second = chaos.host.run("docker-backup", &["run"]);
        second.expect_code(5);
        let said = format!("{}{}", second.out, second.err);
        assert!(said.contains("another run holds"), "{said}");
        let begun_first = first.try_wait().unwrap();
        assert!(begun_first.is_none(), "the first ended before the second");
        assert_eq!(first.wait().unwrap().code(), Some(0));
        chaos.runs("after two at once");
        chaos.night("after two at once");
        chaos.read_data("after two at once");
    });
}
