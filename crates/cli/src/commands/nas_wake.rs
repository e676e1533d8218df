//! `nas-wake`: wake the backup NAS and wait until it is ready.

use std::time::Duration;

use backup_window::clock::SystemClock;
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::setup;
use backup_window::step::wake::{AllOf, WakeOptions, run};
use clap::Parser;
use reachability::{Probe, ProbeSpec};
use wol::{Destination, MacAddr, UdpWaker, WakeRequest};

use crate::args::{EXIT_CODES, Global, duration};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

/// Wake the backup NAS and wait until it is ready.
///
/// Sends Wake-on-LAN packets, again and again, until a service of the NAS answers or the deadline
/// passes. It looks first: a NAS that is already up gets no packet, and tonight's nas-shutdown will
/// leave it up. Without options, everything comes from the configuration; with
/// --mac, --broadcast and --until, no configuration is needed.
#[derive(Debug, Parser)]
#[command(name = "nas-wake", version, after_help = EXIT_CODES)]
pub struct NasWake {
    /// The MAC address of the NAS, such as 00:11:22:33:44:55.
    #[arg(long)]
    mac: Option<MacAddr>,

    /// Where to send the packets: the broadcast address of the NAS's network, with a port if it is
    /// not 9. May be given several times.
    #[arg(long, value_name = "ADDR[:PORT]")]
    broadcast: Vec<Destination>,

    /// The network interface through which the packets leave. May be given several times.
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// What must answer before the NAS counts as ready.
    #[arg(
        long,
        value_name = "PROBE",
        help = "What must answer before the NAS counts as ready: icmp:HOST, tcp:HOST:PORT, \
                ssh:HOST[:PORT] for the banner of an SSH server, or https://HOST[:PORT]/PATH for a \
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
        let says_enough =
            self.mac.is_some() && !self.broadcast.is_empty() && !self.until.is_empty();
        let config = if says_enough {
            session.config_if_any()?
        } else {
            Some(session.config()?)
        };
        let (options, probe) = self.parts(config.as_ref())?;
        let clock = SystemClock;
        let record = run(
            &clock,
            &UdpWaker,
            probe.as_ref(),
            &options,
            session.cancelled(),
        )
        .await;
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
    fn parts(&self, config: Option<&Config>) -> Result<(WakeOptions, Box<dyn Probe>), Failure> {
        let configured = config
            .filter(|config| config.backup_nas().is_ok() || self.mac.is_none())
            .map(setup::wake)
            .transpose()
            .map_err(|error| Failure::usage(&error))?;
        let (mut options, probe) = match (configured, self.mac) {
            (Some((options, probe)), _) => (options, Some(probe)),
            (None, Some(mac)) => (WakeOptions::new(WakeRequest::new(mac, Vec::new())), None),
            (None, None) => {
                return Err(Failure::text(
                    Exit::Usage,
                    "no NAS to wake: expected --mac, --broadcast and --until, or a configuration",
                ));
            }
        };
        if let Some(mac) = self.mac {
            options.request.mac = mac;
        }
        if !self.broadcast.is_empty() {
            options.request.destinations.clone_from(&self.broadcast);
        }
        if !self.interface.is_empty() {
            options.request.destinations = options
                .request
                .destinations
                .iter()
                .flat_map(|destination| {
                    self.interface
                        .iter()
                        .map(|interface| destination.clone().on_interface(interface.clone()))
                })
                .collect();
        }
        if let Some(deadline) = self.deadline {
            options.deadline = deadline;
        }
        if let Some(every) = self.every {
            options.interval = every;
        }
        let given = setup::probes(&self.until).map_err(|error| Failure::usage(&error))?;
        let probe = match (given.is_empty(), probe) {
            (false, _) => Box::new(AllOf::new(given)),
            (true, Some(probe)) => probe,
            (true, None) => {
                return Err(Failure::text(
                    Exit::Usage,
                    "nothing says when the NAS is ready: expected --until, or a configuration",
                ));
            }
        };
        Ok((options, probe))
    }
}
