//! The program outside: starts the one inside, waits for it, and cleans up.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::lab_id::LabId;
use super::namespaces::Namespaces;
use super::programs::Tools;
use super::signals::OpenLab;
use super::{cgroups, mark, processes};

/// How long to wait before something is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often control groups are tried to be removed: processes that were just killed leave them
/// with a little delay.
const ATTEMPTS: u32 = 100;

/// What becomes of what the program inside prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// It goes where the program outside prints.
    Inherited,
    /// It is kept.
    Captured,
}

/// The end of the program inside.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What it printed, if that was captured: standard output, then standard error.
    pub(super) output: String,
}

/// Why the program inside could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Something that it needs could not be had.
    #[error("failed to {what}: {source}")]
    System { what: String, source: io::Error },
    /// It took too long.
    #[error("it did not end within {limit:?}, and was killed; it printed:\n{output}")]
    TooLong { limit: Duration, output: String },
    /// A signal with this number asked the program outside to end.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    let what = what.into();
    move |source| Failure::System { what, source }
}

/// Runs this program again inside, with these arguments.
///
/// On a thread of its own: it needs a runtime, which cannot be had on a thread that has one, and
/// the thread has to live as long as the program inside because that dies with it.
pub(super) fn run(
    tools: &Tools,
    arguments: Vec<OsString>,
    output: Output,
    limit: Option<Duration>,
) -> Result<Ended, Failure> {
    let on_its_own_thread = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system("start a runtime"))?;
        runtime.block_on(run_to_the_end(tools, arguments, output, limit))
    };
    std::thread::scope(|scope| match scope.spawn(on_its_own_thread).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Prints what was captured, for the test harness to capture in turn.
#[expect(
    clippy::print_stdout,
    reason = "the test harness captures nothing else"
)]
pub(super) fn show(output: &str) {
    print!("{output}");
}

async fn run_to_the_end(
    tools: &Tools,
    arguments: Vec<OsString>,
    output: Output,
    limit: Option<Duration>,
) -> Result<Ended, Failure> {
    let mut open = OpenLab::new();
    let lab = Lab::new().await?;
    let result = lab.run(&mut open, tools, arguments, output, limit).await;
    lab.clean_up().await;
    result
}

/// What a lab has on the machine outside of its namespaces.
#[derive(Debug)]
struct Lab {
    id: LabId,
    /// Empty for ever: inside, a file system is mounted over it.
    directory: PathBuf,
}

impl Lab {
    async fn new() -> Result<Self, Failure> {
        remove_stale_directories();
        remove_stale_cgroups().await;
        let id = LabId::new();
        let directory = std::env::temp_dir().join(id.name());
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(system(format!("create {}", directory.display())))?;
        Ok(Self { id, directory })
    }

    async fn run(
        &self,
        open: &mut OpenLab,
        tools: &Tools,
        arguments: Vec<OsString>,
        output: Output,
        limit: Option<Duration>,
    ) -> Result<Ended, Failure> {
        let program = std::env::current_exe().map_err(system("find the program itself"))?;
        let outside = Namespaces::own().map_err(system("read /proc/self/ns"))?;
        let mut command = tools.unshare_command();
        command.arg(&program).args(arguments).envs(mark::for_init(
            self.id,
            &self.directory,
            &outside,
        ));
        if output == Output::Captured {
            command.stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(system(format!("run {} again", program.display())))?;

        let unshare = child.id();
        let (mut printed, mut complained) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // The pipes end with the last process inside, and that is gone when PID 1 is.
        // Boxed for the buffers in it, which would be copied into each future around it.
        let to_the_end = Box::pin(async {
            let (status, (), ()) = tokio::join!(
                child.wait(),
                read_all(stdout, &mut printed),
                read_all(stderr, &mut complained),
            );
            status
        });
        let ended = tokio::select! {
            status = self.thawing_at_its_end(unshare, to_the_end) => Ok(status),
            signal = open.interrupted() => Err(Failure::Interrupted(signal)),
            limit = passed(limit) => Err(Failure::TooLong { limit, output: String::new() }),
        };
        if ended.is_err() {
            self.kill_all_inside(&mut child).await;
        }
        printed.append(&mut complained);
        let output = String::from_utf8_lossy(&printed).into_owned();
        match ended {
            Ok(status) => Ok(Ended {
                status: status.map_err(system("wait for the program inside"))?,
                output,
            }),
            Err(Failure::TooLong { limit, .. }) => Err(Failure::TooLong { limit, output }),
            Err(failure) => Err(failure),
        }
    }

    /// Removes what the kernel does not.
    async fn clean_up(self) {
        // Not recursively: what lies in it is none of the lab's.
        let _ = fs::remove_dir(&self.directory);
        for _ in 0..ATTEMPTS {
            cgroups::thaw(self.id);
            if cgroups::remove(self.id).is_ok() {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Kills PID 1 of the namespaces and waits for `unshare` to report its end, because only then is
    /// everything inside gone: the kernel ends the others before it lets PID 1 go. Killing `unshare`
    /// would do the same, but without a way to know when it is done.
    async fn kill_all_inside(&self, unshare: &mut Child) {
        let id = unshare.id();
        for init in id.map(processes::children).unwrap_or_default() {
            if let Some(pid) = i32::try_from(init).ok().and_then(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let all_gone = self.thawing_at_its_end(id, unshare.wait());
        if timeout(Duration::from_secs(5), all_gone).await.is_err() {
            // It had no child yet, or is not to be reached in a gentler way.
            let _ = unshare.kill().await;
        }
    }

    /// Waits for the end of the lab, and does what lets it come: a process in a frozen control group
    /// does not end when it is killed, and PID 1 of the namespaces waits for it. What is frozen while
    /// the lab still runs is left alone.
    async fn thawing_at_its_end<F: Future>(&self, unshare: Option<u32>, end: F) -> F::Output {
        let mut end = pin!(end);
        loop {
            if let Ok(output) = timeout(LOOK_EVERY, &mut end).await {
                return output;
            }
            // Not just once: whoever froze it may do so again until it is killed itself.
            if cgroups::is_frozen(self.id) && is_ending(unshare) {
                cgroups::thaw(self.id);
            }
        }
    }
}

/// Reads what a pipe gives until its end. What was read stays when the future is dropped.
async fn read_all(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..length]);
    }
}

/// Waits until the limit has passed, and gives it; for ever if there is none.
async fn passed(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

/// Whether PID 1 of the namespaces, the only child of `unshare`, is about to end or has ended. So it
/// is, too, when `unshare` has gone before it.
fn is_ending(unshare: Option<u32>) -> bool {
    let inits = unshare.map(processes::children).unwrap_or_default();
    inits.into_iter().all(processes::is_ending)
}

async fn remove_stale_cgroups() {
    let mut thawed = false;
    for _ in 0..ATTEMPTS {
        thawed |= cgroups::thaw_stale();
        // What cannot be removed is tried again by the next lab. Only what was frozen is waited for:
        // it has been killed already, and ends now.
        if cgroups::remove_stale() || !thawed {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
}

fn remove_stale_directories() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if LabId::of_path(&path).is_some_and(|id| !id.owner_lives()) {
            // Fails unless it is an empty directory, which is as it should be.
            let _ = fs::remove_dir(path);
        }
    }
}
