//! `docker-backup run`: saves the stacks.

use backup_window::clock::SystemClock;
use backup_window::exit::Exit;
use backup_window::setup::{ConfiguredHost, upkeep};
use backup_window::step::stacks::{self, DockerHost, Permission};
use backup_window::step::upkeep;

use super::leftovers::undo_leftovers;
use super::nightly_drill;
use super::show_plan::check_names;
use super::watch::Watcher;
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

pub(super) async fn run(session: &Session, only: Vec<String>, now: bool) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let state = session.state(Some(&config))?;
    let host = session
        .docker_host(&config, &state)
        .map_err(|error| Failure::usage(&error))?;
    let permission = if now {
        Permission::Now
    } else {
        Permission::WithinWindow
    };
    let options = ConfiguredHost::options(&config, only, permission);
    if !options.only.is_empty() {
        let engine = host
            .engine()
            .await
            .map_err(|error| failed_to(Exit::Failed, &error))?;
        check_names(engine.as_ref(), &options).await?;
    }
    let _lock = tonight::lock(&state, "docker-backup run")?;
    undo_leftovers(&state).await?;
    let watcher = Watcher::start(session, &state).await?;
    let record = stacks::run(&SystemClock, &host, &night, &options, session.cancelled()).await;
    watcher.done().await;
    tonight::remember(&state, &night, &record)?;
    let mut records = vec![record];
    // Whoever asks for single stacks is there, and waits for them.
    if options.only.is_empty() {
        let keep = upkeep(&config, &state).map_err(|error| Failure::usage(&error))?;
        let copy = records[0].end;
        let cancel = session.cancelled();
        let kept = upkeep::run(&SystemClock, &host, &night, &keep, copy, cancel).await;
        for record in &kept {
            tonight::remember(&state, &night, record)?;
        }
        records.extend(kept);
    }
    records.extend(nightly_drill(session, &config, &state, &night).await?);
    session
        .output()
        .write_steps(&records, &tonight::time_zone(Some(&config)))
}
