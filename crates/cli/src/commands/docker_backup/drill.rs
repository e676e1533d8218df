//! `docker-backup drill`: try out what was saved of a stack.

use backup_window::clock::SystemClock;
use backup_window::config::Config;
use backup_window::drill::DrillReport;
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;
use backup_window::setup::ConfiguredHost;
use backup_window::state::StateDir;
use backup_window::step::StepRecord;
use backup_window::step::drill::{self, Drilling};
use backup_window::step::stacks::Permission;
use backup_window::window::Night;

use super::restore::ConfinedRestorer;
use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

pub(super) async fn run(session: &Session, stack: Option<String>) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let state = session.state(Some(&config))?;
    let host = session
        .docker_host(&config, &state)
        .map_err(|error| Failure::usage(&error))?;
    let _lock = tonight::lock(&state, "docker-backup drill")?;
    let (record, report) = drill_one(session, &config, &state, &host, stack.as_deref()).await?;
    tonight::remember(&state, &night, &record)?;
    let Some(report) = report else {
        let time_zone = tonight::time_zone(Some(&config));
        return session.output().write_steps(&[record], &time_zone);
    };
    session.output().write(&report, || describe(&report))?;
    let attention = if record.attention.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    };
    Ok(report.verdict.exit().worse(attention))
}

/// The drill of a night after its copy, if the configuration asks for one. The caller holds the lock.
pub(in crate::commands) async fn nightly(
    session: &Session,
    config: &Config,
    state: &StateDir,
    night: &Night,
) -> Result<Option<StepRecord>, Failure> {
    if !config.drill().nightly || session.cancelled().is_cancelled() {
        return Ok(None);
    }
    let host = session
        .docker_host(config, state)
        .map_err(|error| Failure::usage(&error))?;
    let (record, _) = drill_one(session, config, state, &host, None).await?;
    tonight::remember(state, night, &record)?;
    Ok(Some(record))
}

async fn drill_one(
    session: &Session,
    config: &Config,
    state: &StateDir,
    host: &ConfiguredHost,
    stack: Option<&str>,
) -> Result<(StepRecord, Option<DrillReport>), Failure> {
    let restorer = ConfinedRestorer::new(session, config)?;
    let stacks = ConfiguredHost::options(config, Vec::new(), Permission::Now);
    let drilling = Drilling {
        host,
        here: &stacks.here,
        restorer: &restorer,
        state,
        options: ConfiguredHost::drill_options(config),
    };
    Ok(drill::run(&SystemClock, &drilling, stack, session.cancelled()).await)
}

fn describe(report: &DrillReport) -> String {
    let mut lines = vec![
        format!("{}  {}", report.verdict, report.stack),
        format!("  {}", report.reason),
        format!(
            "  restored {} files ({}) of the snapshot {:.8}, {} entries the same in every byte and attribute",
            report.files,
            Bytes(report.bytes),
            report.snapshot,
            report.same_entries
        ),
    ];
    lines.push(match report.as_at_the_stop {
        Some(sources) => format!("  {sources} sources as they were when the stack stood still"),
        None => {
            "  nothing was recorded when the stack stood still, so it was held against itself only"
                .to_owned()
        }
    });
    let containers = report.findings.containers.iter();
    lines.extend(containers.map(|end| format!("  {} {}", end.container, end.life)));
    for check in &report.findings.checks {
        let end = match check.code {
            Some(0) => "passed".to_owned(),
            Some(code) => format!("failed with code {code}"),
            None => "came to no end".to_owned(),
        };
        lines.push(format!(
            "  {}: check {end}: {}",
            check.container, check.command
        ));
    }
    let withheld = report.withheld.iter();
    lines.extend(withheld.map(|what| format!("  not carried over: {what}")));
    let left = report.left_behind.iter();
    lines.extend(left.map(|why| format!("  LEFT BEHIND: {why}")));
    lines.join("\n")
}
