//! `backup-window check`: is everything there that a night needs?

use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::sentence;
use backup_window::setup::{self, ConfiguredHost};
use docker_stacks::Engine;
use serde::Serialize;
use truenas_client::TrueNas;
use wol::{Destination, LanWaker, Waker as _};

use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

#[derive(Debug, Serialize)]
struct Checked {
    part: &'static str,
    ok: bool,
    found: String,
}

pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let state = session.state(Some(&config))?;
    // What is wrong with the configuration itself is said first, and alone.
    ConfiguredHost::new(&config, &state).map_err(|error| Failure::usage(&error))?;
    setup::wake(&config).map_err(|error| Failure::usage(&error))?;
    setup::shutdown(&config).map_err(|error| Failure::usage(&error))?;
    tonight::night(&config)?;
    let checks = vec![
        engine(&config).await?,
        mounted(&config)?,
        primary(&config).await?,
        waking(&config)?,
        backup(&config)?,
    ];
    session.output().write(&checks, || {
        checks
            .iter()
            .map(|check| {
                let mark = if check.ok { "[ok]  " } else { "[FAIL]" };
                format!("{mark} {:<12} {}", check.part, check.found)
            })
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    Ok(if checks.iter().all(|check| check.ok) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn engine(config: &Config) -> Result<Checked, Failure> {
    let engine = setup::engine(config).map_err(|error| Failure::usage(&error))?;
    let found = match engine.version().await {
        Ok(version) => Ok(format!(
            "{} is version {}",
            engine.endpoint(),
            version.version
        )),
        Err(error) => Err(sentence::failed_to(&error)),
    };
    Ok(checked("engine", found))
}

fn mounted(config: &Config) -> Result<Checked, Failure> {
    let repository = config
        .repository()
        .map_err(|error| Failure::usage(&error))?;
    let found = setup::check_mount(repository)
        .map(|mounted| match mounted {
            Some(mounted) => format!(
                "{} ({}) is mounted on {}",
                mounted.source,
                mounted.file_system,
                mounted.mount_point.display()
            ),
            None => format!("none: the repository is {}", repository.place.shown()),
        })
        .map_err(|error| sentence::of(&error));
    Ok(checked("NAS path", found))
}

async fn primary(config: &Config) -> Result<Checked, Failure> {
    let nas = setup::primary_nas(config).map_err(|error| Failure::usage(&error))?;
    let wanted = &config
        .primary_nas()
        .map_err(|error| Failure::usage(&error))?
        .replication_tasks;
    let found = match nas.replication_tasks().await {
        Err(error) => Err(sentence::failed_to(&error)),
        Ok(tasks) => match wanted
            .iter()
            .find(|name| !tasks.iter().any(|task| task.name == **name))
        {
            Some(missing) => {
                let names: Vec<String> = tasks
                    .iter()
                    .map(|task| format!("\"{}\"", task.name))
                    .collect();
                Err(format!(
                    "{} has no replication task \"{missing}\": it has {}",
                    nas.url(),
                    names.join(", ")
                ))
            }
            None => Ok(format!("{} has the replication tasks", nas.url())),
        },
    };
    Ok(checked("primary NAS", found))
}

/// Where the magic packets would go; none is sent.
fn waking(config: &Config) -> Result<Checked, Failure> {
    let aim = &config
        .backup_nas()
        .map_err(|error| Failure::usage(&error))?
        .aim;
    let targets = match LanWaker.interfaces() {
        Ok(machine) => aim.take(&machine),
        Err(_) => aim.take_blindly(),
    };
    let found = match targets {
        Ok(targets) => {
            let places: Vec<String> = targets
                .destinations
                .iter()
                .map(Destination::to_string)
                .collect();
            Ok(format!("packets will go to {}", places.join(", ")))
        }
        Err(error) => Err(sentence::failed_to(&error)),
    };
    Ok(checked("waking", found))
}

/// The backup NAS sleeps by day, so only what is needed to speak to it is looked at.
fn backup(config: &Config) -> Result<Checked, Failure> {
    let found = match setup::backup_nas(config).map_err(|error| Failure::usage(&error))? {
        Some(nas) => Ok(format!(
            "{} will be asked for evidence and by the guard",
            nas.url()
        )),
        None => Err(format!(
            "it would never be switched off, because whether a scrub runs cannot be known: {}",
            backup_window::night::no_backup_api()
        )),
    };
    Ok(checked("backup NAS", found))
}

fn checked(part: &'static str, found: Result<String, String>) -> Checked {
    let ok = found.is_ok();
    Checked {
        part,
        ok,
        found: found.unwrap_or_else(|why| why),
    }
}
