//! `docker-backup retain`: what is kept of the stacks, and why; and away with the rest.

use std::fmt::Write as _;

use backup_store::{Retention, Verdict};
use backup_window::clock::{Clock as _, SystemClock};
use backup_window::config::Config;
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;
use backup_window::setup;
use backup_window::state::StateDir;
use backup_window::step::retain::{self, Retain, judge};
use backup_window::step::upkeep::UpkeepOptions;
use backup_window::upkeep::{PruneSchedule, Upkeep};
use docker_stacks::{FileJournal, Journal as _};
use jiff::tz::TimeZone;

use super::{RetainArgs, repository};
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::table::table;
use crate::tonight;

pub(super) async fn run(session: &Session, args: RetainArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let state = session.state(Some(&config))?;
    let options = setup::upkeep(&config, &state).map_err(|error| Failure::usage(&error))?;
    let mut upkeep =
        Upkeep::load(&options.state_file).map_err(|error| failed_to(Exit::Failed, &error))?;
    if args.dry_run {
        return show(session, &config, &options, &upkeep).await;
    }
    let Some(rules) = &options.rules else {
        return Err(Failure::text(Exit::Usage, without_rules()));
    };
    let _lock = tonight::lock(&state, "docker-backup retain")?;
    nothing_is_down(&state).await?;
    let night = tonight::night(&config)?;
    let store = repository::open(session, &config).await?;
    for stack in &args.accept {
        let snapshots = repository::list(store.as_ref(), Some(stack)).await?;
        let Some(newest) = snapshots.last() else {
            return Err(Failure::text(
                Exit::Usage,
                format!("there is no snapshot of {stack} whose size could be accepted"),
            ));
        };
        upkeep
            .accept(stack, newest.time)
            .map_err(|error| failed_to(Exit::Failed, &error))?;
    }
    let task = Retain {
        rules,
        prune: if args.prune {
            PruneSchedule::Nightly
        } else {
            PruneSchedule::Never
        },
        night: &night,
        deadline: night.time_left(SystemClock.now()),
    };
    let cancel = session.cancelled();
    let record = retain::run(&SystemClock, store.as_ref(), &mut upkeep, &task, cancel).await;
    tonight::remember(&state, &night, &record)?;
    session
        .output()
        .write_steps(&[record], &tonight::time_zone(Some(&config)))
}

fn without_rules() -> String {
    "nothing is ever forgotten: the configuration has no rules; add for instance \
     keep = { last = 3, daily = 7, weekly = 4, monthly = 6 } to [repository]"
        .to_owned()
}

/// Nobody waits for a repository while his stack is down.
async fn nothing_is_down(state: &StateDir) -> Result<(), Failure> {
    let record = FileJournal::new(state.outage_journal())
        .read()
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    match record {
        None => Ok(()),
        Some(_) => Err(Failure::text(
            Exit::Refused,
            "an earlier run left stacks stopped; start them with docker-backup recover first"
                .to_owned(),
        )),
    }
}

async fn show(
    session: &Session,
    config: &Config,
    options: &UpkeepOptions,
    upkeep: &Upkeep,
) -> Result<Exit, Failure> {
    let store = repository::open(session, config).await?;
    let retention = match &options.rules {
        Some(rules) => judge(&SystemClock, store.as_ref(), upkeep, rules)
            .await
            .map_err(|error| failed_to(Exit::Failed, &error))?,
        None => Retention::default(),
    };
    let time_zone = tonight::time_zone(Some(config));
    session.output().write(&retention, || {
        if options.rules.is_none() {
            return without_rules();
        }
        describe(&retention, &time_zone)
    })?;
    Ok(if retention.shrunk.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

fn describe(retention: &Retention, time_zone: &TimeZone) -> String {
    let rows = retention.verdicts.iter().map(|verdict| {
        let time = verdict.time.to_zoned_datetime(time_zone.clone());
        [
            verdict.snapshot.to_string(),
            time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            verdict.stack.clone(),
            fate(verdict),
        ]
    });
    let mut text = table(["ID", "TIME", "STACK", "KEPT FOR"], rows);
    for shrunk in &retention.shrunk {
        let _ = write!(
            text,
            "\nattention: {} shrank from {} to {}, and so nothing of it is forgotten",
            shrunk.stack,
            Bytes(shrunk.before_bytes),
            Bytes(shrunk.after_bytes)
        );
    }
    text
}

fn fate(verdict: &Verdict) -> String {
    if verdict.is_forgotten() {
        return "- (to be forgotten)".to_owned();
    }
    let reasons: Vec<String> = verdict.kept_for.iter().map(ToString::to_string).collect();
    reasons.join(", ")
}
