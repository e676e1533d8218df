//! `nas-wake`: wake the backup NAS and wait until it is ready.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backup_window::clock::SystemClock;
use backup_window::config::{Config, read_secret_file};
use backup_window::exit::Exit;
use backup_window::sentence;
use backup_window::setup;
use backup_window::step::wake::{WakeOptions, run};
use clap::Parser;
use reachability::{Probe, ProbeSpec};
use secrecy::ExposeSecret as _;
use wol::{Aim, Destination, LanWaker, MacAddr, SecureOn, Waker as _};

use crate::args::{EXIT_CODES, Global, duration};
use crate::command::Command;
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

/// Wake the backup NAS and wait until it is ready.
///
/// Sends Wake-on-LAN packets, the first at once, again and again, until a service of the NAS answers
/// or the deadline passes. A NAS that answers from the beginning was already up: it gets no further
/// packet, and tonight's nas-shutdown will leave it up. Without options, everything comes from the
/// configuration; with --mac and --until, no configuration is needed.
#[derive(Debug, Parser)]
#[command(name = "nas-wake", version, after_help = EXIT_CODES)]
pub struct NasWake {
    /// The MAC address of the NAS, such as 00:11:22:33:44:55.
    #[arg(long)]
    mac: Option<MacAddr>,

    /// The file with the SecureOn password that its network card wants, if it does: 1.2.3.4 or
    /// 00:22:44:66:88:aa. It is no secret to anybody on the network.
    #[arg(long, value_name = "PASSWORD_FILE")]
    secure_on: Option<PathBuf>,

    /// The network interface through which the packets leave. May be given several times. Without
    /// it: every one that is up and has a broadcast address, and is no tunnel and no bridge to
    /// containers or virtual machines; -v and --json say which and why.
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Where to send the packets, with a port if it is not 9: the broadcast address of the NAS's
    /// network, or `ff02::1%IF`. May be given several times. Without it: the broadcast address of
    /// each network of the interfaces.
    #[arg(long, value_name = "ADDR[:PORT]")]
    broadcast: Vec<Destination>,

    /// Send Ethernet frames (type 0x0842) in place of UDP, or as well if --broadcast is given.
    /// Needs root, or the right to send raw packets.
    #[arg(long)]
    ethernet: bool,

    /// What must answer before the NAS counts as ready.
    #[arg(
        long,
        value_name = "PROBE",
        help = "What must answer before the NAS counts as ready: icmp:HOST, tcp:HOST:PORT, \
                ssh:HOST[:PORT] for the banner of an SSH server, truenas:https://HOST for a TrueNAS \
                of the configuration that says that it is ready, or https://HOST[:PORT]/PATH for a \
                status below 500 (with #sha256=FINGERPRINT or #ca=FILE at its end, if no public \
                authority vouches for it). If given several times, all of them must"
    )]
    until: Vec<ProbeSpec>,

    /// How long the NAS may take to become ready [default: 10m, or what the configuration says].
    #[arg(long, value_parser = duration)]
    deadline: Option<Duration>,

    /// How long to wait before the packet is sent again [default: 10s, or what the configuration
    /// says].
    #[arg(long, value_parser = duration)]
    every: Option<Duration>,

    #[command(flatten)]
    global: Global,
}

impl Command for NasWake {
    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        let config = if self.mac.is_some() && !self.until.is_empty() {
            session.config_if_any()?
        } else {
            Some(session.config()?)
        };
        let (options, probes) = self.parts(config.as_ref())?;
        refuse_mistakes(&options.aim)?;
        let clock = SystemClock;
        let record = run(&clock, &LanWaker, &probes, &options, session.cancelled()).await;
        if let Some(config) = &config
            && config.window().is_ok()
        {
            // What nas-shutdown needs to know: that tonight found the NAS off.
            let night = tonight::night(config)?;
            let state = session.state(Some(config))?;
            tonight::remember(&state, &night, &record)?;
        }
        session
            .output()
            .write_steps(&[record], &tonight::time_zone(config.as_ref()))
    }
}

impl NasWake {
    /// The configuration, overridden by the arguments.
    fn parts(
        &self,
        config: Option<&Config>,
    ) -> Result<(WakeOptions, Vec<Box<dyn Probe>>), Failure> {
        let configured = config
            .filter(|config| config.backup_nas().is_ok() || self.mac.is_none())
            .map(setup::wake)
            .transpose()
            .map_err(|error| Failure::usage(&error))?;
        let (mut options, probe) = match (configured, self.mac) {
            (Some((options, probe)), _) => (options, Some(probe)),
            (None, Some(mac)) => (WakeOptions::new(mac, Aim::default()), None),
            (None, None) => {
                return Err(Failure::text(
                    Exit::Usage,
                    "no NAS to wake: expected --mac and --until, or a configuration",
                ));
            }
        };
        if let Some(mac) = self.mac {
            options.mac = mac;
        }
        if let Some(file) = &self.secure_on {
            options.secure_on = Some(read_password(file)?);
        }
        if !self.interface.is_empty() {
            options.aim.interfaces.clone_from(&self.interface);
        }
        if !self.broadcast.is_empty() {
            options.aim.broadcasts.clone_from(&self.broadcast);
        }
        options.aim.ethernet |= self.ethernet;
        if let Some(deadline) = self.deadline {
            options.deadline = deadline;
        }
        if let Some(every) = self.every {
            options.interval = every;
        }
        if self.until.is_empty() {
            let probe = probe.ok_or_else(|| {
                Failure::text(
                    Exit::Usage,
                    "nothing says when the NAS is ready: expected --until, or a configuration",
                )
            })?;
            return Ok((options, vec![probe]));
        }
        let probes = setup::probes(config, &self.until).map_err(|error| Failure::usage(&error))?;
        Ok((options, probes))
    }
}

/// Ends a run that can never send a packet before it waits in vain. What may pass by itself, such as
/// a cable that is not plugged in, is not for here.
fn refuse_mistakes(aim: &Aim) -> Result<(), Failure> {
    let Ok(machine) = LanWaker.interfaces() else {
        return Ok(());
    };
    match aim.take(&machine) {
        Err(error) if error.is_a_mistake() => Err(failed_to(Exit::Usage, &error)),
        _ => Ok(()),
    }
}

fn read_password(file: &Path) -> Result<SecureOn, Failure> {
    let password = read_secret_file(file).map_err(|problem| {
        Failure::text(
            Exit::Usage,
            format!("--secure-on: {} {problem}", file.display()),
        )
    })?;
    password.expose_secret().parse().map_err(|error| {
        let why = sentence::failed_to(&error as &wol::SecureOnError);
        Failure::text(
            Exit::Usage,
            format!("--secure-on: {} cannot be used: {why}", file.display()),
        )
    })
}
