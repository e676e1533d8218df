//! The backup NAS as a machine: a small Debian in QEMU, which a magic packet starts and whose power
//! really goes off.
//!
//! ```text
//! lab: lan0 10.202.7.137/24 ═══ veth ═══ port0 ┐
//!                                              ├ bridge switch0      (a namespace of its own)
//!           QEMU: eth0 10.202.7.11/24 ═══ tap0 ┘
//! ```
//!
//! While the machine is off there is no process, and nobody has its address. Only its network card
//! has power: a packet socket on the bridge, which hears every frame that comes through the switch
//! and looks for the magic packet in it, whatever the protocol. When one comes, QEMU is started with a
//! kernel, its own disk and nothing else; it emulates the processor by itself, so that no hardware
//! is needed, and boots in seven seconds or so. When the guest's kernel switches the power off, QEMU
//! ends, and that is the only thing that counts as off.
//!
//! The disk is a layer over an image that all guests share, so that each starts
//! clean, and it is kept while the guest lives: what happens at one boot is there at the next.
//! Accounts and files are put there at the first boot, before anything of it runs.
//!
//! # Not real
//!
//! The processor, and the firmware: QEMU loads the kernel itself, and Wake-on-LAN cannot be
//! forgotten by a BIOS. The system is Debian, not TrueNAS.

mod build;
mod first_boot;
mod image;
mod machine;
mod network;
mod power;

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc::UnboundedSender, watch};
use wol::MacAddr;

use crate::cable::{BROADCAST, CableError, HOST};
use crate::isolation::{self, MissingProgram};
use image::Image;
use machine::Machine;
use network::Network;
use power::{Command, Power, Status};

/// A file that is to be in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFile {
    /// Where, from the root. Folders on the way to it are made, for everybody to look into.
    pub path: PathBuf,
    /// What is in it.
    pub contents: Vec<u8>,
    /// Who may do what with it, such as `0o440`.
    pub mode: u32,
    /// Whose it is, as `chown` takes it, such as `root:root`.
    pub owner: String,
}

impl GuestFile {
    /// A file that belongs to root.
    pub fn new(path: impl Into<PathBuf>, mode: u32, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            contents: contents.into(),
            mode,
            owner: "root:root".to_owned(),
        }
    }

    /// The same file, of somebody else.
    #[must_use]
    pub fn of(mut self, owner: &str) -> Self {
        owner.clone_into(&mut self.owner);
        self
    }
}

/// How a [`Guest`] is made, and how it behaves.
#[derive(Clone, Debug)]
pub struct GuestOptions {
    /// The address of its network card, which magic packets have to name.
    pub mac: MacAddr,
    /// The password that its network card wants to see in magic packets, if it does (SecureOn).
    pub secure_on: Option<[u8; 6]>,
    /// Accounts to create, with a home in `/home`, a shell and no password.
    pub users: Vec<String>,
    /// Lines of shell to run as root in the guest, after that and before its system starts.
    pub commands: Vec<String>,
    /// Files to put there, after that. The image has no SSH host keys: without one, its `sshd` does
    /// not start.
    pub files: Vec<GuestFile>,
    /// How long its firmware takes before it starts again, of a machine that does so whenever its
    /// power goes off. `None` for one that stays off.
    pub reboots_instead: Option<Duration>,
}

impl Default for GuestOptions {
    /// Without accounts and without a password; it stays off.
    fn default() -> Self {
        Self {
            mac: MacAddr::new([0x02, 0x00, 0x5e, 0xca, 0x07, 0x11])
                .expect("a locally administered unicast address"),
            secure_on: None,
            users: Vec::new(),
            commands: Vec::new(),
            files: Vec::new(),
            reboots_instead: None,
        }
    }
}

/// A machine that sleeps. Dropping it pulls its plug; if that is because a test fails, what its
/// console said is printed.
#[derive(Debug)]
pub struct Guest {
    mac: MacAddr,
    console: PathBuf,
    network: Arc<Network>,
    commands: UnboundedSender<Command>,
    status: watch::Receiver<Status>,
    thread: Option<JoinHandle<()>>,
    _image: Image,
}

/// As [`isolation::isolated`], for tests with a [`Guest`]: the image is made first, outside, where
/// there is a way to Debian's packages.
///
/// # Panics
///
/// As that, and when the image cannot be made: a test that cannot run has not passed.
pub fn isolated<F: FnOnce()>(body: F) {
    if isolation::is_outside()
        && let Err(error) = image::prepare()
    {
        panic!("the guest's image cannot be made: {}", all_of(&error));
    }
    isolation::isolated(body);
}

fn all_of(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl Guest {
    /// Puts the machine on the lab's network, switched off.
    ///
    /// # Errors
    ///
    /// When there is no image (see [`isolated`]), when the network cannot be built, and outside of
    /// the lab's namespaces.
    pub fn start(options: GuestOptions) -> Result<Self, GuestError> {
        let scratch = isolation::scratch().ok_or(GuestError::NotIsolated)?;
        let image = image::find()?;
        let network = Arc::new(Network::new()?);
        let dir = scratch.join("guest");
        std::fs::create_dir_all(&dir)
            .map_err(GuestError::system(format!("create {}", dir.display())))?;
        let machine = Machine::assemble(&dir, &image, &options)?;
        let console = machine.console().to_owned();
        let mac = options.mac;
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let (reporter, status) = watch::channel(Status::default());
        let power = Power {
            network: Arc::clone(&network),
            machine,
            options,
            commands: received,
            status: reporter,
        };
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("guest".to_owned())
            .spawn(move || power.live(&ready))
            .map_err(GuestError::system("start a thread for the guest"))?;
        match is_ready.recv().unwrap_or(Err(GuestError::Ended)) {
            Ok(()) => Ok(Self {
                mac,
                console,
                network,
                commands,
                status,
                thread: Some(thread),
                _image: image,
            }),
            Err(error) => {
                // It is about to end; a panic in it is not news beside the error.
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// Its IP address, while it is up.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        HOST.into()
    }

    /// Where to send magic packets: the broadcast address and the port.
    #[must_use]
    pub fn broadcast(&self) -> SocketAddrV4 {
        SocketAddrV4::new(BROADCAST, wol::DEFAULT_PORT)
    }

    /// The address of its network card.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// Whether its power is on, whatever it is doing with it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.status.borrow().on
    }

    /// How often its power went on.
    #[must_use]
    pub fn boots(&self) -> usize {
        self.status.borrow().boots
    }

    /// How many magic packets for it have come through the switch, in whatever state it was.
    #[must_use]
    pub fn packets_seen(&self) -> usize {
        self.status.borrow().packets
    }

    /// Whatever went wrong with the machine itself; what went wrong in it, its
    /// [console](Self::console) says.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.status.borrow().faults.clone()
    }

    /// What its console has said since the first boot.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = std::fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until its power is on.
    ///
    /// # Errors
    ///
    /// [`Ended`](GuestError::Ended) when there is no machine any more; see [`faults`](Self::faults).
    pub async fn wait_on(&self) -> Result<(), GuestError> {
        self.wait_for(|status| status.on).await
    }

    /// Waits until its power is off: until there is no process any more.
    ///
    /// # Errors
    ///
    /// As [`wait_on`](Self::wait_on).
    pub async fn wait_off(&self) -> Result<(), GuestError> {
        self.wait_for(|status| !status.on).await
    }

    /// Waits until its power has gone on so often.
    ///
    /// # Errors
    ///
    /// As [`wait_on`](Self::wait_on).
    pub async fn wait_for_boots(&self, boots: usize) -> Result<(), GuestError> {
        self.wait_for(|status| status.boots >= boots).await
    }

    async fn wait_for(&self, is_it: impl FnMut(&Status) -> bool) -> Result<(), GuestError> {
        let mut status = self.status.clone();
        match status.wait_for(is_it).await {
            Ok(_) => Ok(()),
            Err(_) => Err(GuestError::Ended),
        }
    }

    /// Cuts its power, as pulling the plug does. The network card wakes it again afterwards.
    pub fn cut_power(&self) {
        // An error means that the machine is gone, which is as off as can be.
        let _ = self.commands.send(Command::CutPower);
    }

    /// Has the switch lose the next magic packets, so many, whatever carries them.
    ///
    /// # Errors
    ///
    /// When the kernel does not take the rule.
    pub fn drop_first(&self, packets: u32) -> Result<(), GuestError> {
        self.network.drop_first(packets)
    }

    /// How many magic packets the switch has lost since [`drop_first`](Self::drop_first).
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn dropped(&self) -> Result<u32, GuestError> {
        self.network.dropped()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(&self.console(), &self.faults());
        }
        // An error means that it has ended already.
        let _ = self.commands.send(Command::Dismantle);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed by then.
            let _ = thread.join();
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the test harness captures nothing else"
)]
fn show(console: &str, faults: &[String]) {
    println!("--- the guest's console\n{console}\n--- faults: {faults:?}");
}

/// Why there is no guest, or why it does not do what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// A guest broadcasts, which is for a network of its own.
    #[error("start a guest outside of the lab's namespaces")]
    NotIsolated,
    /// The image has not been made.
    #[error("find the guest's image at {}; `guest::isolated` makes it", path.display())]
    NoImage {
        /// Where it should be.
        path: PathBuf,
    },
    /// The machine does not say where Debian's packages are.
    #[error("find Debian's packages: {why}")]
    NotDebian {
        /// What was looked for and not found.
        why: String,
    },
    /// A program is not installed.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// A program failed.
    #[error("{what}: `{command}` says:\n{said}")]
    Program {
        /// What it was to do.
        what: &'static str,
        /// Its command line.
        command: String,
        /// The end of what it printed.
        said: String,
    },
    /// The network could not be built or changed.
    #[error(transparent)]
    Network(#[from] CableError),
    /// The operating system refused something.
    #[error("{what}")]
    System {
        /// What was wanted.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// The guest's thread ended.
    #[error("reach the guest: it has ended")]
    Ended,
}

impl GuestError {
    fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
