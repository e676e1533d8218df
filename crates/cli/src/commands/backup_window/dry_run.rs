//! `backup-window run --dry-run`: what the night would do, without doing any of it.

use backup_window::clock::{Clock as _, SystemClock};
use backup_window::exit::Exit;
use backup_window::step::stacks::plan_stacks;
use backup_window::window::Night;
use docker_stacks::Plan;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{RunArgs, put_together};
use crate::commands::docker_backup::{Reads, connected_engine, describe_plan, reads_of_plan};
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

/// What a night would do.
#[derive(Debug, Serialize)]
struct Intention {
    night: Night,
    window_is_open: bool,
    wake: String,
    stacks: Plan,
    #[serde(flatten)]
    reads: Reads,
    replication_tasks: Vec<String>,
    shut_down: String,
}

pub(super) async fn run(session: &Session, args: &RunArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let state = session.state(Some(&config))?;
    let (homelab, options) =
        put_together(session, &config, &state, args).map_err(|error| Failure::usage(&error))?;
    let engine = connected_engine(&config).await?;
    let stacks = plan_stacks(&engine, &options.stacks)
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    let reads = reads_of_plan(&config, &options.stacks, &engine, &stacks).await?;
    let intention = Intention {
        night,
        window_is_open: night.is_open_at(SystemClock.now()),
        wake: format!(
            "send a packet for {} every {:?}, until {} answers, for {:?} at most",
            options.wake.mac,
            options.wake.interval,
            homelab.ready.target(),
            options.wake.deadline
        ),
        stacks,
        reads,
        replication_tasks: options.replication.tasks,
        shut_down: if options.keep_up {
            "leave the backup NAS on".to_owned()
        } else {
            format!(
                "switch it off as {}, if that is safe",
                homelab.shutdown.endpoint()
            )
        },
    };
    let time_zone = tonight::time_zone(Some(&config));
    session
        .output()
        .write(&intention, || describe(&intention, &time_zone))?;
    Ok(Exit::Done)
}

fn describe(intention: &Intention, time_zone: &TimeZone) -> String {
    let time = |at: jiff::Timestamp| {
        at.to_zoned_datetime(time_zone.clone())
            .strftime("%H:%M")
            .to_string()
    };
    let night = &intention.night;
    format!(
        "Night of {}, from {} to {}; the window is {} now.\n\n\
         wake       {}\n\
         stacks     as follows\n\n{}\n\n\
         replicate  wait for {}\n\
         evidence   find tonight's snapshot on both NAS\n\
         shut down  {}\n\
         confirm    make sure that it is off",
        night.date,
        time(night.start),
        time(night.end),
        if intention.window_is_open {
            "open"
        } else {
            "closed"
        },
        intention.wake,
        describe_plan(&intention.stacks, &intention.reads),
        intention.replication_tasks.join(", "),
        intention.shut_down,
    )
}
