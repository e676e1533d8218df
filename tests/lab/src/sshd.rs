//! A real `sshd` of its own: own keys, own configuration, own port, and one
//! account whose key can only run the forced command.

mod config;
mod processes;

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};

use self::config::{Paths, Version};
pub(crate) use self::processes::kill_tree;
use crate::ssh_server::{Account, PowerButton, SshServerError};

const SSHD: &str = "/usr/sbin/sshd";
const SSH_KEYGEN: &str = "/usr/bin/ssh-keygen";

/// Where an `sshd` of root locks its unprivileged part in.
const EMPTY_DIR: &str = "/run/sshd";

/// Gives `sshd` an empty directory of its own where the machine has none,
/// without touching the machine: in a mount namespace. `exec` keeps the pid.
const WITH_EMPTY_DIR: &str = "mount -t tmpfs -o mode=0755 tmpfs /run && mkdir /run/sshd && \
                              exec /usr/sbin/sshd \"$@\"";

/// From the start of the process to "Server listening".
const START_DEADLINE: Duration = Duration::from_secs(15);

/// Another process may take the port between its choice and its use.
const PORT_ATTEMPTS: usize = 5;

/// A running `sshd`.
#[derive(Debug)]
pub(crate) struct Sshd {
    child: Child,
    address: SocketAddr,
    version: Version,
    host_key_sha256: String,
    client_key_file: PathBuf,
    user: String,
    watcher: Watcher,
}

impl Sshd {
    /// The first program that is not installed, if any.
    pub(crate) fn missing_program() -> Option<PathBuf> {
        [SSHD, SSH_KEYGEN]
            .into_iter()
            .map(PathBuf::from)
            .find(|program| !program.exists())
    }

    /// Whether the account of this process can be logged in to. Service accounts cannot.
    pub(crate) fn lets_this_account_in() -> bool {
        usable_account().is_ok()
    }

    /// Starts it, from the calling thread: it serves that thread's network
    /// namespace.
    pub(crate) fn start(
        address: SocketAddr,
        dir: &Path,
        button: Arc<PowerButton>,
    ) -> Result<Self, SshServerError> {
        if let Some(program) = Self::missing_program() {
            return Err(SshServerError::Missing { program });
        }
        if dir.starts_with("/run") {
            return Err(SshServerError::HiddenDir {
                dir: dir.to_owned(),
            });
        }
        let user = usable_account()?.name;
        let version = Version::installed()?;
        let paths = Paths::new(dir);
        generate_key(&paths.host_key)?;
        generate_key(&paths.client_key)?;
        let host_key_sha256 = fingerprint(&paths.host_key)?;
        let client_public_key = fs::read_to_string(paths.client_key.with_extension("pub"))
            .map_err(SshServerError::io("read the client's public key"))?;
        write(
            &paths.authorized_keys,
            &paths.authorized_key(&client_public_key),
        )?;
        write(&paths.forced_command, &paths.script())?;
        let request = open_fifo(&paths.request)?;
        let answer = open_fifo(&paths.answer)?;

        let (child, address) = listen(address, &paths, &user, version)?;
        // No thread is started before the child: it must inherit the caller's
        // namespaces, and nobody else's.
        let watcher = Watcher::start(request, answer, button)
            .map_err(SshServerError::io("watch the FIFO of the forced command"))?;
        Ok(Self {
            child,
            address,
            version,
            host_key_sha256,
            client_key_file: paths.client_key,
            user,
            watcher,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn version(&self) -> String {
        self.version.to_string()
    }

    pub(crate) fn host_key_sha256(&self) -> &str {
        &self.host_key_sha256
    }

    pub(crate) fn client_key_file(&self) -> &Path {
        &self.client_key_file
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // The processes that serve connections would outlive the listener.
        processes::kill_tree(&mut self.child);
        self.watcher.stop();
    }
}

/// The account of this process, if an `sshd` without PAM lets it in.
pub(crate) fn usable_account() -> Result<Account, SshServerError> {
    let uid = rustix::process::getuid().as_raw();
    let account = Account::current()?;
    let unusable = |reason| Err(SshServerError::Account { uid, reason });
    if account.shell.ends_with("nologin") || account.shell.ends_with("false") {
        return unusable("its shell is no shell, and forced commands run through it");
    }
    // Only root can read it; where nobody can, sshd will tell.
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let locked = format!("{}:!", account.name);
    if shadow.lines().any(|line| line.starts_with(&locked)) {
        return unusable("it is locked (`!` in /etc/shadow)");
    }
    Ok(account)
}

fn write(path: &Path, text: &str) -> Result<(), SshServerError> {
    fs::write(path, text).map_err(SshServerError::io("write the files of the SSH server"))
}

/// Makes a FIFO and opens it for both reading and writing, so that opening
/// never waits for the other end, and the other end's leaving is no end of
/// file.
fn open_fifo(path: &Path) -> Result<File, SshServerError> {
    let doing = "make a FIFO for the forced command";
    // One of an earlier start may hold old requests.
    let _ = fs::remove_file(path);
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(|error| SshServerError::io(doing)(error.into()))?;
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(SshServerError::io(doing))
}

/// Makes a key pair, unless it was made before.
pub(crate) fn generate_key(path: &Path) -> Result<(), SshServerError> {
    generate_key_of(path, "ed25519")
}

/// The same, of this type.
pub(crate) fn generate_key_of(path: &Path, key_type: &str) -> Result<(), SshServerError> {
    if path.exists() {
        return Ok(());
    }
    let output = Command::new(SSH_KEYGEN)
        .args(["-q", "-t", key_type, "-N", "", "-C", "lab", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(SshServerError::io("run ssh-keygen"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(SshServerError::DidNotStart { log })
}

/// What `ssh-keygen -l` prints: bits, fingerprint, comment, type.
pub(crate) fn fingerprint(key: &Path) -> Result<String, SshServerError> {
    let output = Command::new(SSH_KEYGEN)
        .args(["-l", "-E", "sha256", "-f"])
        .arg(key.with_extension("pub"))
        .stdin(Stdio::null())
        .output()
        .map_err(SshServerError::io("run ssh-keygen"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.split_whitespace().nth(1) {
        Some(fingerprint) => Ok(fingerprint.to_owned()),
        None => Err(SshServerError::DidNotStart { log: text }),
    }
}

/// Starts `sshd` on a port, a free one where it is 0, and waits until it
/// listens.
fn listen(
    wanted: SocketAddr,
    paths: &Paths,
    user: &str,
    version: Version,
) -> Result<(Child, SocketAddr), SshServerError> {
    let mut attempts = if wanted.port() == 0 { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let address = choose(wanted).map_err(SshServerError::io("choose a port"))?;
        write(&paths.config, &paths.sshd_config(address, user, version))?;
        let mut child = spawn(&paths.config).map_err(SshServerError::io("start sshd"))?;
        match wait_until_listening(&mut child, &paths.log) {
            Ok(()) => return Ok((child, address)),
            Err(log) => {
                processes::kill_tree(&mut child);
                if attempts == 0 || !log.contains("Address already in use") {
                    return Err(SshServerError::DidNotStart { log });
                }
            }
        }
    }
}

pub(crate) fn choose(wanted: SocketAddr) -> io::Result<SocketAddr> {
    if wanted.port() == 0 {
        TcpListener::bind(wanted)?.local_addr()
    } else {
        Ok(wanted)
    }
}

pub(crate) fn spawn(config: &Path) -> io::Result<Child> {
    let needs_empty_dir = rustix::process::getuid().is_root() && !Path::new(EMPTY_DIR).is_dir();
    let mut command = if needs_empty_dir {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "/bin/sh", "-c"]);
        command.args([WITH_EMPTY_DIR, "sshd"]);
        command
    } else {
        Command::new(SSHD)
    };
    command
        .args(["-D", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Waits for the line that says so. What `sshd` says goes on into the log.
pub(crate) fn wait_until_listening(child: &mut Child, log: &Path) -> Result<(), String> {
    let Some(stderr) = child.stderr.take() else {
        return Err("it has no output".into());
    };
    let file = File::create(log).map_err(|error| error.to_string())?;
    let (ready, listening) = mpsc::channel();
    // It ends with the last process that holds the other end of the pipe.
    thread::spawn(move || copy_log(stderr, file, &ready));
    match listening.recv_timeout(START_DEADLINE) {
        Ok(()) => Ok(()),
        Err(_) => Err(fs::read_to_string(log)
            .unwrap_or_default()
            .trim()
            .to_owned()),
    }
}

fn copy_log(stderr: ChildStderr, mut log: File, ready: &mpsc::Sender<()>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        // A full disk is a fault that the lab makes on purpose.
        let _ = writeln!(log, "{line}");
        tracing::debug!(line, "sshd");
        if line.starts_with("Server listening on") {
            let _ = ready.send(());
        }
    }
}

/// Watches the FIFO that the forced command writes into.
#[derive(Debug)]
struct Watcher {
    request: File,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    fn start(request: File, mut answer: File, button: Arc<PowerButton>) -> io::Result<Self> {
        let requests = BufReader::new(request.try_clone()?).lines();
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        let thread = thread::Builder::new()
            .name("power-button".into())
            .spawn(move || {
                for line in requests.map_while(Result::ok) {
                    if told.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Some(command) = line.strip_prefix(config::POWER_OFF) {
                        button.press(command.trim());
                        // The forced command may be dead by now, as it should.
                        let _ = answer.write_all(b"noted\n");
                    }
                }
            })?;
        Ok(Self {
            request,
            stopping,
            thread: Some(thread),
        })
    }

    fn stop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let woken = self.request.write_all(b"\n").is_ok();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The callback may drop the server on this very thread.
        if woken && thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}
