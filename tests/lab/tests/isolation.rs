//! The lab's namespaces, from the outside and from the inside.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::isolation::{self, Isolation, enter_or_reexec, isolated};
use rustix::process::{Pid, Signal, kill_process};

/// Set in the program that a test runs to watch it from the outside: this very program, with just
/// this very test, which then plays the one that is watched.
const PLAYED: &str = "LAB_ISOLATION_TEST_PLAYED";

/// The devices of this process's network namespace.
fn network_devices() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/net/dev").unwrap();
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

#[test]
fn inside_is_another_network_with_only_lo() {
    isolated(|| {
        assert_eq!(isolation::current(), Isolation::Namespaces);
        assert_eq!(network_devices(), ["lo"]);
        // It is up: what is bound there can be reached.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let nowhere = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let error = nowhere.send_to(b"", "192.0.2.1:9").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable);
    });
}

#[test]
fn inside_run_is_empty_and_temporary_files_go_to_the_labs_own_file_system() {
    isolated(|| {
        assert!(!Path::new("/run/docker.sock").exists());
        assert!(!Path::new("/var/run/docker.sock").exists());
        let scratch = isolation::scratch().unwrap();
        assert_eq!(std::env::temp_dir(), scratch);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let line = format!("tmpfs {} tmpfs ", scratch.display());
        assert!(
            mounts.lines().any(|mount| mount.starts_with(&line)),
            "{mounts}"
        );
        fs::write(scratch.join("file"), "contents").unwrap();
    });
    let own = format!("backup-window-lab-{}-", std::process::id());
    let left = left_in_temp(&own)
        .iter()
        .any(|path| path.join("file").exists());
    assert!(!left, "nothing that is written inside can be seen outside");
}

#[test]
fn inside_orphans_are_collected() {
    isolated(|| {
        let shell = Command::new("sh")
            .args(["-c", "sleep 0.1 & echo $!"])
            .output()
            .unwrap();
        let orphan = String::from_utf8(shell.stdout).unwrap();
        let orphan = PathBuf::from("/proc").join(orphan.trim());
        wait_until("the orphan is collected", || !orphan.exists());
    });
}

#[test]
fn each_test_has_its_own_control_group() {
    isolated(|| {
        let parent = isolation::cgroup_parent();
        assert!(parent.starts_with("/backup-window-lab-"), "{parent}");
        for hierarchy in cgroup_hierarchies() {
            fs::create_dir_all(hierarchy.join(&parent[1..]).join("docker")).unwrap();
        }
    });
    let own = format!("backup-window-lab-{}-", std::process::id());
    for hierarchy in cgroup_hierarchies() {
        let left = fs::read_dir(hierarchy)
            .unwrap()
            .filter_map(Result::ok)
            .any(|entry| {
                entry.file_name().to_string_lossy().starts_with(&own)
                    && entry.path().join("docker").exists()
            });
        assert!(!left, "the control groups are removed");
    }
}

#[test]
fn a_program_enters_with_its_arguments_and_ends_with_its_own_exit_code() {
    if is_played() {
        // Outside it does not return.
        assert_eq!(enter_or_reexec(), Isolation::Namespaces);
        assert_eq!(network_devices(), ["lo"]);
        std::process::exit(42);
    }
    let status =
        watch("a_program_enters_with_its_arguments_and_ends_with_its_own_exit_code").wait();
    assert_eq!(status.unwrap().code(), Some(42));
}

#[test]
fn a_panic_inside_fails_outside() {
    if is_played() {
        return isolated(|| panic!("this panic is meant"));
    }
    let (succeeded, text) = play("a_panic_inside_fails_outside", &[]);
    assert!(!succeeded);
    assert!(text.contains("this panic is meant"), "{text}");
    assert!(text.contains("failed inside its namespaces"), "{text}");
}

#[test]
fn a_body_that_is_not_run_fails() {
    if is_played() {
        return isolated(closure_from_elsewhere());
    }
    let (succeeded, text) = play("a_body_that_is_not_run_fails", &[]);
    assert!(!succeeded);
    assert!(text.contains("was not run"), "{text}");
}

fn closure_from_elsewhere() -> impl FnOnce() {
    || ()
}

#[test]
fn a_mark_without_namespaces_is_not_believed() {
    if is_played() {
        return isolated(|| ());
    }
    let own = ["mnt", "net", "pid"].map(|kind| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        link.to_string_lossy().into_owned()
    });
    let mark = [
        ("BACKUP_WINDOW_LAB", "inside"),
        ("BACKUP_WINDOW_LAB_OUTSIDE", &own.join(",")),
    ];
    let (succeeded, text) = play("a_mark_without_namespaces_is_not_believed", &mark);
    assert!(!succeeded);
    assert!(text.contains("not in namespaces of its own"), "{text}");
}

#[test]
fn nothing_is_left_after_the_program_was_killed() {
    if is_played() {
        return isolated(|| {
            sleep_for_a_day();
        });
    }
    let mut program = watch("nothing_is_left_after_the_program_was_killed");
    let sleeper = wait_for_sleeper(program.id());
    kill(program.id(), Signal::KILL);
    program.wait().unwrap();
    wait_until("the processes inside are gone", || !exists(sleeper));

    // The directory could not be removed by a program that was killed; the next lab does it.
    let own = format!("backup-window-lab-{}-", program.id());
    play("a_panic_inside_fails_outside", &[]);
    assert_eq!(left_in_temp(&own), Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_left_after_the_program_was_terminated() {
    if is_played() {
        return isolated(|| {
            sleep_for_a_day();
        });
    }
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = watch("nothing_is_left_after_the_program_was_terminated");
        let sleeper = wait_for_sleeper(program.id());
        kill(program.id(), signal);
        let status = program.wait().unwrap();
        assert_eq!(status.code(), Some(128 + signal.as_raw()), "{status}");
        // At once, without waiting: the program ends after all inside.
        assert!(!exists(sleeper));
        let own = format!("backup-window-lab-{}-", program.id());
        assert_eq!(left_in_temp(&own), Vec::<PathBuf>::new());
    }
}

#[test]
fn nothing_that_is_frozen_is_left_after_the_program_was_killed() {
    if is_played() {
        return isolated(|| {
            let _frozen = freeze_a_sleeper_in_each_freezer();
            sleep_for_a_day();
        });
    }
    let mut program = watch("nothing_that_is_frozen_is_left_after_the_program_was_killed");
    let inside = wait_for_frozen_sleepers(program.id());
    kill(program.id(), Signal::KILL);
    program.wait().unwrap();

    // Nobody is left to thaw them but the next lab.
    play("a_panic_inside_fails_outside", &[]);
    let own = format!("backup-window-lab-{}-", program.id());
    wait_until("the processes inside are gone", || {
        !inside.iter().any(|pid| is_running(*pid))
    });
    wait_until("the control groups are removed", || {
        left_in_cgroups(&own).is_empty()
    });
    assert_eq!(left_in_temp(&own), Vec::<PathBuf>::new());
}

#[test]
fn nothing_that_is_frozen_is_left_after_the_program_was_terminated() {
    if is_played() {
        return isolated(|| {
            let _frozen = freeze_a_sleeper_in_each_freezer();
            sleep_for_a_day();
        });
    }
    let mut program = watch("nothing_that_is_frozen_is_left_after_the_program_was_terminated");
    let inside = wait_for_frozen_sleepers(program.id());
    kill(program.id(), Signal::TERM);
    wait_until("the program ends", || program.try_wait().unwrap().is_some());
    let status = program.wait().unwrap();
    assert_eq!(status.code(), Some(128 + Signal::TERM.as_raw()), "{status}");
    assert_nothing_is_left(program.id(), &inside);
}

#[test]
fn nothing_that_is_frozen_is_left_after_the_body_has_ended() {
    if is_played() {
        return isolated(|| {
            let _frozen = freeze_a_sleeper_in_each_freezer();
            // What is frozen stays frozen for as long as the body runs.
            let mut sleeper = Command::new("sleep").arg("1").spawn().unwrap();
            assert!(sleeper.wait().unwrap().success());
            let own = isolation::cgroup_parent();
            assert_eq!(frozen_groups(&own[1..]), freezers().len());
            // Ended from the outside, when that has seen enough.
            let _killed = Command::new("sleep").arg(UNTIL_KILLED).status().unwrap();
        });
    }
    let mut program = watch("nothing_that_is_frozen_is_left_after_the_body_has_ended");
    let inside = wait_for_frozen_sleepers(program.id());
    let mut waited_for = None;
    wait_until("the body waits", || {
        let line = format!("sleep\0{UNTIL_KILLED}\0");
        waited_for = descendants(program.id())
            .into_iter()
            .find(|pid| command_line(*pid).as_ref() == Some(&line));
        waited_for.is_some()
    });
    kill(waited_for.unwrap(), Signal::KILL);
    wait_until("the program ends", || program.try_wait().unwrap().is_some());
    let status = program.wait().unwrap();
    assert!(status.success(), "{status}");
    assert_nothing_is_left(program.id(), &inside);
}

/// At once, without waiting: the program ends after all inside.
fn assert_nothing_is_left(program: u32, inside: &[u32]) {
    let running: Vec<_> = inside.iter().filter(|pid| is_running(**pid)).collect();
    assert!(running.is_empty(), "still running: {running:?}");
    let own = format!("backup-window-lab-{program}-");
    assert_eq!(left_in_temp(&own), Vec::<PathBuf>::new());
    assert_eq!(left_in_cgroups(&own), Vec::<PathBuf>::new());
}

/// The hierarchies of control groups that can be frozen. With version 1, that is one controller's;
/// a machine may have it next to version 2.
fn freezers() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let freezers: Vec<PathBuf> = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| match fields[2] {
            "cgroup" => fields[3].split(',').any(|option| option == "freezer"),
            kind => kind == "cgroup2",
        })
        .map(|fields| PathBuf::from(fields[1]))
        .collect();
    assert!(!freezers.is_empty(), "{mounts}");
    freezers
}

/// For how many seconds a `sleep` sleeps that is told from the others by it.
const UNTIL_KILLED: &str = "86399";

/// Where Docker would put a container.
const CONTAINER: &str = "docker/container";

/// Puts a `sleep` into a control group of the lab in every hierarchy that can freeze it, and does
/// so, as `docker pause` would.
fn freeze_a_sleeper_in_each_freezer() -> Vec<Child> {
    let own = isolation::cgroup_parent();
    let mut sleepers = Vec::new();
    for freezer in freezers() {
        let group = freezer.join(&own[1..]).join(CONTAINER);
        fs::create_dir_all(&group).unwrap();
        let sleeper = Command::new("sleep").arg("86400").spawn().unwrap();
        fs::write(group.join("cgroup.procs"), sleeper.id().to_string()).unwrap();
        sleepers.push(sleeper);
        let version_1 = group.join("freezer.state");
        if version_1.exists() {
            fs::write(version_1, "FROZEN").unwrap();
        } else {
            fs::write(group.join("cgroup.freeze"), "1").unwrap();
        }
    }
    sleepers
}

/// In how many hierarchies a sleeper is frozen, for labs with names that begin like this.
fn frozen_groups(prefix: &str) -> usize {
    left_in_cgroups(prefix)
        .into_iter()
        .map(|group| group.join(CONTAINER))
        .filter(|group| {
            let says = |file: &str, line: &str| {
                fs::read_to_string(group.join(file))
                    .is_ok_and(|text| text.lines().any(|found| found == line))
            };
            says("freezer.state", "FROZEN") || says("cgroup.events", "frozen 1")
        })
        .count()
}

/// All processes inside, by their numbers outside, once the sleepers are frozen.
fn wait_for_frozen_sleepers(program: u32) -> Vec<u32> {
    let own = format!("backup-window-lab-{program}-");
    wait_until("the sleepers are frozen", || {
        frozen_groups(&own) == freezers().len()
    });
    let inside = descendants(program);
    assert!(inside.len() > freezers().len(), "{inside:?}");
    inside
}

fn sleep_for_a_day() {
    let status = Command::new("sleep").arg("86400").status().unwrap();
    assert!(status.success());
}

fn is_played() -> bool {
    std::env::var_os(PLAYED).is_some()
}

/// This program, with just this test, which finds itself [played](is_played).
fn player(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(PLAYED, "1")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end: whether it succeeded, and what it printed.
fn play(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let output = player(test)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), printed)
}

/// Starts it.
fn watch(test: &str) -> Child {
    player(test)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The `sleep` that this program runs inside, by its number outside.
fn wait_for_sleeper(program: u32) -> u32 {
    let mut found = None;
    wait_until("the program inside sleeps", || {
        found = descendants(program)
            .into_iter()
            .find(|pid| command_line(*pid).is_some_and(|line| line.starts_with("sleep\0")));
        found.is_some()
    });
    found.unwrap()
}

fn descendants(ancestor: u32) -> Vec<u32> {
    let all: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    all.into_iter()
        .filter(|pid| {
            std::iter::successors(parent(*pid), |pid| parent(*pid)).any(|pid| pid == ancestor)
        })
        .collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn command_line(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether it exists and has not ended: who collects the orphans of a program that was killed, and
/// when, is the machine's affair.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn left_in_temp(prefix: &str) -> Vec<PathBuf> {
    left_in(&std::env::temp_dir(), prefix)
}

fn left_in_cgroups(prefix: &str) -> Vec<PathBuf> {
    cgroup_hierarchies()
        .iter()
        .flat_map(|hierarchy| left_in(hierarchy, prefix))
        .collect()
}

fn left_in(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect()
}

/// Where control groups can be made: the hierarchies that are mounted.
fn cgroup_hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.len() > 2 && fields[2].starts_with("cgroup"))
        .map(|fields| PathBuf::from(fields[1]))
        .collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..400 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it took too long until {what}");
    });
}
