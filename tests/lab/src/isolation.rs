//! A mount, a network and a PID namespace for the lab alone.
//!
//! The program that wants a lab runs itself again inside (`setpriv`, `unshare`):
//!
//! ```text
//! program ── outside: makes a directory, waits, cleans up
//!   └ setpriv → unshare     dies when the program does (parent death signal)
//!       └ program ── PID 1: mounts, brings `lo` up, collects orphans
//!           └ program ── inside: `enter_or_reexec` returns, the body of `isolated` runs
//! ```
//!
//! When PID 1 ends, the kernel ends every process inside, and with them go the mounts and network
//! devices. That also holds after a panic, and after the program was killed: `setpriv` has the
//! kernel kill `unshare` then, and `unshare --kill-child` has it kill PID 1. What the kernel does
//! not remove, the empty directory and the control groups, the program removes, and if it cannot
//! because it was killed itself, the next lab does. Either thaws the control groups first: with
//! version 1 of them not even SIGKILL ends the processes of a paused container.
//!
//! Inside, `/run` is empty (so the machine's Docker socket cannot be reached, nor can anything be
//! left there), `TMPDIR` is a file system in memory of at most [`SCRATCH_SIZE`], and no other
//! network device than `lo` exists.

mod cgroups;
mod inside;
mod lab_id;
mod mark;
mod namespaces;
mod outside;
mod processes;
mod programs;
mod signals;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use lab_id::LabId;
use mark::Stage;
pub use programs::MissingProgram;
pub(crate) use programs::find_program;

/// The size of the lab's own file system, as `mount` takes it. It is in memory, so it only costs
/// what is written.
pub const SCRATCH_SIZE: &str = "4g";

/// How long the body of one test may take.
const LONGEST_TEST: Duration = Duration::from_mins(15);

/// Whether the lab has namespaces of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// It has: they differ from the machine's, which has been verified.
    Namespaces,
    /// It has not. Everything has to stay on the loopback interface.
    None {
        /// What is missing.
        why: String,
    },
}

/// Whether this process is inside the lab's namespaces.
#[must_use]
pub fn current() -> Isolation {
    match mark::stage() {
        Ok(Stage::Inside) => Isolation::Namespaces,
        Ok(Stage::Outside) => Isolation::None {
            why: "the program has not entered the lab".to_owned(),
        },
        Ok(Stage::Init) => Isolation::None {
            why: "the lab is still being set up".to_owned(),
        },
        Err(why) => Isolation::None { why },
    }
}

/// Whether this process is on the machine, before a lab is set up.
pub(crate) fn is_outside() -> bool {
    matches!(mark::stage(), Ok(Stage::Outside))
}

/// The lab's own file system, where everything it writes belongs; `None` outside. `TMPDIR` names
/// it too, so that `tempfile` uses it without being told.
#[must_use]
pub fn scratch() -> Option<PathBuf> {
    (current() == Isolation::Namespaces)
        .then(mark::scratch)
        .flatten()
}

/// The control group for a daemon of the lab to put its containers in
/// (`dockerd --cgroup-parent`), absolute in each hierarchy. It is removed when the lab ends.
///
/// Outside of a lab, the name is this process's own, and nobody removes it.
#[must_use]
pub fn cgroup_parent() -> String {
    let id = mark::id().unwrap_or_else(LabId::of_this_process);
    format!("/{}", id.name())
}

/// Runs the current program again, once, inside namespaces of its own: for `main` functions, as
/// their first statement.
///
/// Outside, it does not return but ends the program with the exit code of the one inside. Inside, it
/// returns [`Isolation::Namespaces`]. Where namespaces cannot be had, it returns why.
///
/// SIGINT, SIGTERM and SIGHUP to the program outside end the one inside, whatever it is doing, and
/// then the one outside.
#[must_use]
pub fn enter_or_reexec() -> Isolation {
    match mark::stage() {
        Ok(Stage::Inside) => Isolation::Namespaces,
        Ok(Stage::Init) => inside::be_init(),
        Ok(Stage::Outside) => match programs::Tools::ready() {
            Err(why) => Isolation::None { why },
            Ok(tools) => {
                let arguments = std::env::args_os().skip(1).collect();
                let run = outside::run(&tools, arguments, outside::Output::Inherited, None);
                match run {
                    Ok(ended) => std::process::exit(exit_code(ended.status)),
                    Err(outside::Failure::Interrupted(signal)) => std::process::exit(128 + signal),
                    Err(failure) => Isolation::None {
                        why: failure.to_string(),
                    },
                }
            }
        },
        Err(why) => Isolation::None { why },
    }
}

/// Runs the body of a test inside namespaces of its own: for `#[test]` functions, as their only
/// statement, with a closure written in the function itself (the name of the test is that of the
/// function around the closure).
///
/// The test's program runs itself again inside with just this test, and the test fails, with all
/// that was printed, if that fails.
///
/// # Panics
///
/// When the body panics, when it takes longer than a quarter of an hour, and where namespaces
/// cannot be had (they need root, `unshare`, `setpriv` and `ip`): a test that cannot run has not
/// passed.
pub fn isolated<F: FnOnce()>(body: F) {
    let test = name_of_the_test_around::<F>();
    let done = format!("[the isolated body of {test} has ended]\n");
    match mark::stage() {
        Ok(Stage::Inside) => {
            body();
            inside::say(&done);
        }
        Ok(Stage::Init) => inside::be_init(),
        Ok(Stage::Outside) => {
            let tools = programs::Tools::ready()
                .unwrap_or_else(|why| panic!("the test {test} needs namespaces: {why}"));
            let arguments = ["--exact", &test, "--nocapture", "--test-threads=1"];
            let ended = outside::run(
                &tools,
                arguments.map(Into::into).to_vec(),
                outside::Output::Captured,
                Some(LONGEST_TEST),
            )
            .unwrap_or_else(|failure| panic!("the test {test} could not be run: {failure}"));

            outside::show(&ended.output);
            assert!(
                ended.status.success(),
                "the test {test} failed inside its namespaces ({}); see its output above",
                ended.status
            );
            assert!(
                ended.output.contains(done.trim_end()),
                "the body of {test} was not run; is the closure written in the test function?"
            );
        }
        Err(why) => panic!("the test {test} cannot tell where it is: {why}"),
    }
}

/// The path of the function that the closure `F` is written in, without the crate's name: what the
/// test harness calls the test.
fn name_of_the_test_around<F>() -> String {
    let path = std::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_crate, rest)| rest);
    path.trim_end_matches("::{{closure}}").to_owned()
}

/// As a shell would report it.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;

    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::name_of_the_test_around;

    fn name_of<F: FnOnce()>(_: F) -> String {
        name_of_the_test_around::<F>()
    }

    #[test]
    fn the_name_is_what_the_test_harness_calls_the_test() {
        assert_eq!(
            name_of(|| ()),
            "isolation::tests::the_name_is_what_the_test_harness_calls_the_test"
        );
    }
}
