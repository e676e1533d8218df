//! What `nas-wake` costs beside `wakeonlan`, and how soon it sees that a host is ready.
//!
//! ```text
//! cargo bench -p benches --bench wake
//! ```
//!
//! Nothing leaves the loopback interface. `README.md` says what is measured.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{
    env, error,
    ffi::OsString,
    io,
    net::{SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use socket2::{Domain, Socket, Type};

type Outcome<T> = Result<T, Box<dyn error::Error>>;

const MAC: &str = "02:00:5e:00:53:01";

/// What the way to the first packet may cost, the report and the end included.
const MOST_PROCESSOR_TIME: Duration = Duration::from_millis(20);
/// How late it may see that the host is ready: the interval between two probes.
const LATEST: Duration = Duration::from_secs(1);

/// An odd number, so that the median is a figure that was measured.
const COLD_STARTS: usize = 31;
/// When the stand-in is ready after its packet: at all times between two probes.
const READY_AFTER: [u64; 10] = [
    2_050, 2_150, 2_250, 2_350, 2_450, 2_550, 2_650, 2_750, 2_850, 2_950,
];

fn main() -> Outcome<ExitCode> {
    // `cargo bench` passes this to what it runs; `cargo test --benches` does not.
    if !env::args().any(|argument| argument == "--bench") {
        println!("Nothing was measured: run it with `cargo bench -p benches --bench wake`.");
        return Ok(ExitCode::SUCCESS);
    }
    let program = build()?;
    let ours = cold_starts(&program)?;
    println!("processor time of {COLD_STARTS} cold starts, user and system:");
    tell("nas-wake, one packet, no answer", &ours);
    match wakeonlan() {
        Ok(theirs) => tell("wakeonlan, one packet", &theirs),
        Err(why) => println!("  wakeonlan (apt-get install wakeonlan): {why}"),
    }
    let late = wake_ups(&program)?;
    println!(
        "from the readiness of a host to the end of nas-wake, {} times:",
        late.len()
    );
    tell("nas-wake, a probe a second", &late);

    let (median, latest) = (ours[ours.len() / 2], late[late.len() - 1]);
    let kept = median <= MOST_PROCESSOR_TIME && latest <= LATEST;
    println!(
        "the limits ({MOST_PROCESSOR_TIME:?} of processor time in the median, {LATEST:?} at most) \
         are {}",
        if kept { "kept" } else { "NOT KEPT" }
    );
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(what: &str, sorted: &[Duration]) {
    let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
    if let (Some(fastest), Some(slowest)) = (sorted.first(), sorted.last()) {
        let median = &sorted[sorted.len() / 2];
        println!(
            "  {what}: median {:.1} ms ({:.1} to {:.1})",
            ms(median),
            ms(fastest),
            ms(slowest)
        );
    }
}

/// The program as it is released, which no benchmark of another package builds.
fn build() -> Outcome<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--release", "--package", "nas-wake"])
        .status()?;
    if !status.success() {
        return Err("nas-wake cannot be built".into());
    }
    // This program lies in target/release/deps.
    let own = env::current_exe()?;
    let folder = own.ancestors().nth(2).ok_or("no folder of the build")?;
    Ok(folder.join("nas-wake"))
}

/// What one run costs: it sends its packet, hears nothing, and reports that.
fn cold_starts(program: &PathBuf) -> Outcome<Vec<Duration>> {
    let nas = Nas::asleep()?;
    let mut arguments = nas.arguments()?;
    arguments.extend(["--deadline", "50ms"].map(OsString::from));
    measured(|| {
        let status = quiet(Command::new(program).args(&arguments)).status()?;
        nas.packet.recv(&mut [0; 256])?;
        match status.code() {
            Some(3) => Ok(()),
            code => Err(format!("nas-wake ended with {code:?}").into()),
        }
    })
}

fn wakeonlan() -> Outcome<Vec<Duration>> {
    let nas = Nas::asleep()?;
    let port = nas.packet.local_addr()?.port().to_string();
    measured(|| {
        let mut command = Command::new("wakeonlan");
        command.args(["-i", "127.255.255.255", "-p", &port, MAC]);
        let status = quiet(&mut command).status()?;
        nas.packet.recv(&mut [0; 256])?;
        if status.success() {
            Ok(())
        } else {
            Err("it failed".into())
        }
    })
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_remove("BACKUP_WINDOW_CONFIG")
}

/// The processor time that the children of this process take in each of the runs, sorted.
fn measured(mut run: impl FnMut() -> Outcome<()>) -> Outcome<Vec<Duration>> {
    let mut all = Vec::new();
    for _ in 0..COLD_STARTS {
        let before = of_children()?;
        run()?;
        all.push(of_children()?.saturating_sub(before));
    }
    all.sort();
    Ok(all)
}

fn of_children() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// From the readiness of a host to the end of the program, sorted.
fn wake_ups(program: &PathBuf) -> Outcome<Vec<Duration>> {
    let mut all = Vec::new();
    for ready_after in READY_AFTER {
        let nas = Nas::asleep()?;
        let mut command = Command::new(program);
        let mut child = quiet(command.args(nas.arguments()?)).spawn()?;
        nas.packet.recv(&mut [0; 256])?;
        wait(Duration::from_millis(ready_after));
        let ready = now();
        let _up = nas.wake_up()?;
        let status = child.wait()?;
        all.push(ready.elapsed());
        if !status.success() {
            return Err(format!("nas-wake ended with {status}").into());
        }
    }
    all.sort();
    Ok(all)
}

/// A host on the loopback interface: where its packet comes to, and a port that does not answer.
///
/// Linux drops what comes to a listener whose queue is full, as `listen(2)` says under *backlog*.
struct Nas {
    packet: UdpSocket,
    listener: Socket,
    queue: Vec<TcpStream>,
}

impl Nas {
    fn asleep() -> io::Result<Self> {
        const ANSWERED_WITHIN: Duration = Duration::from_millis(250);
        let packet = UdpSocket::bind("127.255.255.255:0")?;
        packet.set_read_timeout(Some(Duration::from_secs(10)))?;
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        listener.listen(0)?;
        let mut nas = Self {
            packet,
            listener,
            queue: Vec::new(),
        };
        let mut unanswered = 0;
        while unanswered < 2 {
            match TcpStream::connect_timeout(&nas.address()?, ANSWERED_WITHIN) {
                Ok(stream) => nas.queue.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => unanswered += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(nas)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let address = self.listener.local_addr()?.as_socket();
        address.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn arguments(&self) -> io::Result<Vec<OsString>> {
        let broadcast = self.packet.local_addr()?.to_string();
        let until = format!("tcp:{}", self.address()?);
        let arguments = ["--mac", MAC, "--broadcast", &broadcast, "--until", &until];
        Ok(arguments.map(OsString::from).to_vec())
    }

    /// Takes what is in the queue, so that the next attempt to connect succeeds.
    fn wake_up(&self) -> io::Result<Vec<Socket>> {
        let mut up = Vec::new();
        for _ in &self.queue {
            up.push(self.listener.accept()?.0);
        }
        Ok(up)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time in which a host boots is real here"
)]
fn wait(time: Duration) {
    thread::sleep(time);
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring time is what this program is for"
)]
fn now() -> Instant {
    Instant::now()
}
