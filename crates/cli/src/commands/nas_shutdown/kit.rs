//! `nas-shutdown kit`: what to install on the NAS.

use std::path::PathBuf;

use backup_window::exit::Exit;
use clap::Args;
use remote_shutdown::{Kit, KitOptions, PublicKey, System};

use crate::failure::{Failure, failed_to};
use crate::session::Session;

#[derive(Debug, Args)]
pub(super) struct KitArgs {
    /// The kind of system: truenas-core, truenas-scale (25.04 and later), truenas-scale-24.10 (and
    /// before), linux-systemd or synology.
    #[arg(long, value_name = "SYSTEM", required_unless_present = "command")]
    system: Option<System>,

    /// A command of one's own in its place: `sudo -n /PATH ARGUMENT…`, without quotes.
    #[arg(long, value_name = "COMMAND", conflicts_with = "system")]
    command: Option<String>,

    /// Where the key may be used from: addresses, networks or names, separated by commas.
    #[arg(long, value_name = "ADDR")]
    from: Option<String>,

    /// The name of the account on the NAS.
    #[arg(long, value_name = "NAME", default_value = "shutdown")]
    user: String,

    /// The public half of the key (`.pub`).
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    /// The folder on the NAS for the kit's programs, which only root may write to and which upgrades
    /// leave alone.
    #[arg(long, value_name = "DIR")]
    directory: Option<String>,

    /// Put the command itself behind the key, without the dispatcher: every session of the key
    /// switches the NAS off then, and `nas-shutdown check` can prove little.
    #[arg(long)]
    plain: bool,
}

pub(super) fn run(session: &Session, args: &KitArgs) -> Result<Exit, Failure> {
    let system = match (&args.system, &args.command) {
        (Some(system), _) => system.clone(),
        (None, Some(command)) => System::Command(command.clone()),
        // clap asks for one of them.
        (None, None) => return Err(Failure::text(Exit::Usage, "expected --system or --command")),
    };
    let usage = |error: remote_shutdown::KitError| failed_to(Exit::Usage, &error);
    let kit = Kit::new(&KitOptions {
        user: args.user.clone(),
        from: args.from.clone(),
        public_key: args.public_key.as_ref().map(read).transpose()?,
        directory: args.directory.clone(),
        dispatcher: !args.plain,
        ..KitOptions::new(system)
    })
    .map_err(usage)?;
    session.output().write(&kit, || kit.to_string())?;
    Ok(Exit::Done)
}

fn read(file: &PathBuf) -> Result<PublicKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::text(
            Exit::Usage,
            format!(
                "failed to read the public key {}: {error}; expected the .pub file of ssh-keygen",
                file.display()
            ),
        )
    })?;
    text.parse().map_err(|error| failed_to(Exit::Usage, &error))
}
