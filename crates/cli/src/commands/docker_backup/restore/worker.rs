//! `docker-backup restore-worker`, hidden: writes what the repository holds, confined by the kernel
//! to where it may write.
//!
//! A restore starts its own program once more, tells it over a pipe what to do, and gets an answer
//! over another. The password goes through the pipe, and is in nobody's arguments or environment.
//! The pipe is open as long as the restore lives: when it closes, the process ends itself.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use async_trait::async_trait;
use backup_store::{OpenOptions, RusticStore};
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::restore::{
    Answer, ConfinementError, Job, JobRepository, Name, RestoreFailure, RestoreJob, Restored,
    Restorer, confine, restore_here,
};
use backup_window::sentence;
use backup_window::setup::repository_for_job;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::failure::Failure;
use crate::session::Session;

/// The name of the command, which no help text shows: only a restore has a use for it.
pub(crate) const COMMAND: &str = "restore-worker";

/// What is read besides: snapshots have times with time zones, and a server's certificate is held
/// against the authorities that this machine trusts.
const READ_BESIDES: [&str; 5] = [
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
];

/// Has a confined process write.
#[derive(Debug)]
pub(in crate::commands::docker_backup) struct ConfinedRestorer {
    repository: JobRepository,
    password: SecretString,
    allow_unconfined: bool,
    how_to_talk: Vec<&'static str>,
}

impl ConfinedRestorer {
    pub(in crate::commands::docker_backup) fn new(
        session: &Session,
        config: &Config,
    ) -> Result<Self, Failure> {
        let usage = |error| Failure::usage(&error);
        let repository = config.repository().map_err(usage)?;
        let global = session.global();
        let mut how_to_talk = vec!["--verbose"; global.verbose.into()];
        how_to_talk.extend(global.quiet.then_some("--quiet"));
        Ok(Self {
            repository: repository_for_job(config).map_err(|error| Failure::usage(&error))?,
            password: config
                .read_secret(&repository.password_file)
                .map_err(usage)?,
            allow_unconfined: config.restore().unconfined,
            how_to_talk,
        })
    }

    fn line(&self, job: &RestoreJob) -> Result<Vec<u8>, RestoreFailure> {
        let job = Job {
            repository: self.repository.clone(),
            password: self.password.expose_secret().to_owned(),
            snapshot: job.snapshot,
            only: job.only.as_ref().map(Name::of),
            to: job.to.clone(),
            verify: job.verify.iter().map(Name::of).collect(),
            allow_unconfined: self.allow_unconfined,
        };
        let line = serde_json::to_vec(&job);
        let mut line = line.map_err(|error| failed(&error))?;
        line.push(b'\n');
        Ok(line)
    }
}

fn failed(error: &dyn std::fmt::Display) -> RestoreFailure {
    let message = format!("the process that restores did not do its work: {error}");
    RestoreFailure::new(Exit::Failed, message)
}

#[async_trait]
impl Restorer for ConfinedRestorer {
    async fn restore(&self, job: RestoreJob) -> Result<Restored, RestoreFailure> {
        let line = self.line(&job)?;
        // The very program that runs now, also if the file on the disk was replaced since. A group
        // of its own, so that Ctrl-C on the terminal is for this process to act upon.
        let mut process = Command::new("/proc/self/exe")
            .arg(COMMAND)
            .args(&self.how_to_talk)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        let (Some(mut pipe), Some(mut answers)) = (process.stdin.take(), process.stdout.take())
        else {
            return Err(failed(&"it has no pipes"));
        };
        pipe.write_all(&line)
            .await
            .map_err(|error| failed(&error))?;
        pipe.flush().await.map_err(|error| failed(&error))?;
        let mut answer = Vec::new();
        let heard = answers.read_to_end(&mut answer).await;
        heard.map_err(|error| failed(&error))?;
        let status = process.wait().await.map_err(|error| failed(&error))?;
        drop(pipe);
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| {
            failed(&match status.signal() {
                Some(signal) => format!("signal {signal} ended it"),
                None => "it ended without an answer".to_owned(),
            })
        })?;
        let confined = answer.confined;
        answer.result.map(|summary| Restored { summary, confined })
    }
}

/// Does what it is told on standard input, and answers on standard output.
pub(crate) async fn work(session: &Session) -> Result<Exit, Failure> {
    let answer = obey(session).await;
    let mut line = serde_json::to_vec(&answer).map_err(|error| Failure::failed(&error))?;
    line.push(b'\n');
    io::stdout()
        .write_all(&line)
        .and_then(|()| io::stdout().flush())
        .map_err(|error| Failure::failed(&error))?;
    Ok(Exit::Done)
}

async fn obey(session: &Session) -> Answer {
    let mut confined = false;
    let result = obey_confined(session, &mut confined).await;
    Answer { confined, result }
}

async fn obey_confined(
    session: &Session,
    confined: &mut bool,
) -> Result<backup_store::RestoreSummary, RestoreFailure> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| failed(&error))?;
    let job: Job = serde_json::from_str(&line)
        .map_err(|_| failed(&"only `docker-backup restore` may start it"))?;
    // Before any other thread is started, so that it holds for all of them.
    let place = job.repository.to_place().map_err(|error| failed(&error))?;
    let mut reads: Vec<&Path> = job.repository.folder().into_iter().collect();
    reads.extend(
        READ_BESIDES
            .iter()
            .map(Path::new)
            .filter(|path| path.exists()),
    );
    *confined = judge(confine(&reads, &[&job.to]), job.allow_unconfined)?;
    std::thread::spawn(|| {
        // Whatever ends the pipe, nobody is there any more to answer to.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(Exit::Failed.code().into());
    });
    let password = SecretString::from(job.password.as_str());
    let options = OpenOptions {
        progress: session.progress(),
        ..OpenOptions::default()
    };
    let store = RusticStore::open(place, &password, options)
        .await
        .map_err(|error| RestoreFailure::new(Exit::Failed, sentence::failed_to(&error)))?;
    restore_here(&store, &job.to_job()?).await
}

/// Whether the process is confined, or may go on without.
fn judge(
    confinement: Result<(), ConfinementError>,
    allow_unconfined: bool,
) -> Result<bool, RestoreFailure> {
    match confinement {
        Ok(()) => Ok(true),
        Err(ConfinementError::Unsupported) if allow_unconfined => Ok(false),
        Err(error @ ConfinementError::Unsupported) => Err(RestoreFailure::new(
            Exit::Refused,
            format!(
                "nothing was restored: {error}; to restore all the same, by a process that could \
                 write anywhere, set unconfined = true in the section [restore] of the configuration"
            ),
        )),
        Err(error) => Err(RestoreFailure::new(
            Exit::Refused,
            format!("nothing was restored: {}", sentence::of(&error)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_landlock_nothing_is_restored_unless_the_configuration_allows_it() {
        assert_eq!(judge(Ok(()), false), Ok(true));
        let refused = judge(Err(ConfinementError::Unsupported), false).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.message.contains("unconfined = true"), "{refused}");
        assert_eq!(judge(Err(ConfinementError::Unsupported), true), Ok(false));
        // What is another matter is not allowed with it.
        let missing = ConfinementError::Path {
            path: "/nowhere".into(),
            source: io::ErrorKind::NotFound.into(),
        };
        assert_eq!(judge(Err(missing), true).unwrap_err().exit, Exit::Refused);
    }
}
