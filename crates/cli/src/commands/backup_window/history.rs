//! `backup-window history`: what happened in earlier nights.

use backup_window::exit::Exit;
use backup_window::history::NightHistory;
use backup_window::night::render_step;
use backup_window::state::StateDir;
use jiff::civil::Date;

use crate::failure::Failure;
use crate::session::Session;
use crate::table::table;
use crate::tonight;

pub(super) fn run(session: &Session, date: Option<Date>) -> Result<Exit, Failure> {
    let config = session.config()?;
    let state = session.state(Some(&config))?;
    let Some(date) = date else {
        return overview(session, &state);
    };
    let known = read(&state, date)?.ok_or_else(|| {
        Failure::text(
            Exit::Usage,
            format!(
                "nothing is known of the night of {date}: `backup-window history` lists the nights"
            ),
        )
    })?;
    let time_zone = tonight::time_zone(Some(&config));
    session.output().write(&known, || {
        known
            .records
            .iter()
            .map(|record| render_step(record, &time_zone))
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    Ok(Exit::Done)
}

fn overview(session: &Session, state: &StateDir) -> Result<Exit, Failure> {
    let dates = state
        .history()
        .dates()
        .map_err(|error| Failure::failed(&error))?;
    let mut nights = Vec::new();
    for date in dates {
        nights.extend(read(state, date)?);
    }
    session.output().write(&nights, || {
        if nights.is_empty() {
            return "no night has been run yet".to_owned();
        }
        let rows = nights.iter().map(|known| {
            let steps = known.records.iter().map(|record| record.step.name());
            [
                known.night.date.to_string(),
                known.exit().meaning().to_owned(),
                steps.collect::<Vec<_>>().join(", "),
            ]
        });
        table(["NIGHT", "HOW IT ENDED", "STEPS"], rows)
    })?;
    Ok(Exit::Done)
}

fn read(state: &StateDir, date: Date) -> Result<Option<NightHistory>, Failure> {
    state
        .history()
        .read(date)
        .map_err(|error| Failure::failed(&error))
}
