//! `docker-backup init`, `snapshots` and `verify`: the repository itself.

use backup_store::{
    CheckDepth, InitOptions, RusticStore, Severity, Snapshot, Store, generate_password,
    write_password_file,
};
use backup_window::config::Config;
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;
use backup_window::setup::{check_mount, repository_place};
use backup_window::step::stacks::DockerHost;
use serde::Serialize;
use std::sync::Arc;

use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::table::table;
use crate::tonight;

#[derive(Debug, Serialize)]
struct Created {
    repository: String,
    password_file: String,
    password_generated: bool,
}

pub(super) async fn init(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let repository = config
        .repository()
        .map_err(|error| Failure::usage(&error))?;
    check_mount(repository).map_err(|error| Failure::new(Exit::Refused, &error))?;
    let password_file = config
        .path_of(&repository.password_file)
        .map_err(|error| Failure::usage(&error))?;
    let password_generated = !repository.password_file.is_credential() && !password_file.exists();
    if password_generated {
        let password = generate_password().map_err(|error| failed_to(Exit::Failed, &error))?;
        write_password_file(&password_file, &password)
            .map_err(|error| failed_to(Exit::Failed, &error))?;
    }
    let password = config
        .read_secret(&repository.password_file)
        .map_err(|error| Failure::usage(&error))?;
    let options = InitOptions {
        chunks: repository.chunks,
        ..InitOptions::default()
    };
    let place = repository_place(&config).map_err(|error| Failure::usage(&error))?;
    RusticStore::init(place, &password, options)
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    tracing::warn!(
        "keep a copy of {} somewhere else: without this password, nobody can read the backups",
        password_file.display()
    );
    let created = Created {
        repository: repository.place.shown(),
        password_file: password_file.display().to_string(),
        password_generated,
    };
    session.output().write(&created, || {
        format!(
            "created the repository {}, which the password in {} opens",
            created.repository, created.password_file
        )
    })?;
    Ok(Exit::Done)
}

/// Opens the repository that the configuration describes, if the NAS is mounted.
pub(super) async fn open(session: &Session, config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let state = session.state(Some(config))?;
    let host = session
        .docker_host(config, &state)
        .map_err(|error| Failure::usage(&error))?;
    host.check_mount()
        .map_err(|error| Failure::new(Exit::Refused, &error))?;
    host.store()
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))
}

/// The snapshots of a stack, or of all, newest last.
pub(super) async fn list(store: &dyn Store, stack: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
    let mut snapshots = store
        .snapshots()
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    snapshots.retain(|snapshot| stack.is_none_or(|stack| snapshot.stack == stack));
    Ok(snapshots)
}

pub(super) async fn snapshots(session: &Session, stack: Option<String>) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = open(session, &config).await?;
    let snapshots = list(store.as_ref(), stack.as_deref()).await?;
    let time_zone = tonight::time_zone(Some(&config));
    session.output().write(&snapshots, || {
        let rows = snapshots.iter().map(|snapshot| {
            let time = snapshot.time.to_zoned_datetime(time_zone.clone());
            [
                snapshot.id.to_string(),
                time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                snapshot.stack.clone(),
                snapshot.host.clone(),
                snapshot
                    .files
                    .map_or_else(String::new, |files| files.to_string()),
                snapshot
                    .processed_bytes
                    .map_or_else(String::new, |bytes| Bytes(bytes).to_string()),
            ]
        });
        table(["ID", "TIME", "STACK", "HOST", "FILES", "SIZE"], rows)
    })?;
    Ok(Exit::Done)
}

pub(super) async fn verify(session: &Session, percent: u8) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = open(session, &config).await?;
    let depth = match percent {
        0 => CheckDepth::Structure,
        percent => CheckDepth::ReadData { percent },
    };
    let report = store
        .check(depth)
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    session.output().write(&report, || {
        let mut lines: Vec<String> = report
            .findings
            .iter()
            .map(|finding| match finding.severity {
                Severity::Error => format!("error: {}", finding.message),
                Severity::Warning => format!("warning: {}", finding.message),
            })
            .collect();
        lines.push(format!(
            "{} snapshots checked, {} read, {}",
            report.snapshots,
            Bytes(report.read_bytes),
            if report.is_ok() {
                "no errors"
            } else {
                "ERRORS FOUND"
            }
        ));
        lines.join("\n")
    })?;
    Ok(match (report.is_ok(), report.findings.is_empty()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::Attention,
        (true, true) => Exit::Done,
    })
}
