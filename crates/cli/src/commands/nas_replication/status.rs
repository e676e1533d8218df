//! `nas-replication status`: the tasks of every configured NAS, and what they are worth.

mod show;

use backup_window::exit::Exit;
use backup_window::nas_status::{self, NasStatus};
use backup_window::{nas_error, sentence, setup};
use serde::Serialize;
use truenas_client::{ErrorKind, Transport, TrueNas, TrueNasError};

use crate::failure::Failure;
use crate::session::Session;

/// The whole document.
#[derive(Debug, Serialize)]
struct Document {
    exit: Exit,
    code: u8,
    nas: Vec<Shown>,
}

/// One NAS.
#[derive(Debug, Serialize)]
struct Shown {
    /// `primary` or `backup`.
    nas: &'static str,
    url: String,
    /// How it is spoken to, if it answers.
    transport: Option<Transport>,
    /// How it is, if it answers.
    status: Option<NasStatus>,
    /// Why it is not known how it is.
    problem: Option<String>,
    /// What its part adds to the exit code.
    #[serde(skip)]
    exit: Exit,
}

pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let usage = |error: setup::SetupError| Failure::usage(&error);
    let primary = setup::primary_nas(&config).map_err(usage)?;
    let backup = match config.backup_nas() {
        Ok(_) => setup::backup_nas(&config).map_err(usage)?,
        Err(_) => None,
    };
    let wanted = setup::replication(&config).map_err(usage)?.tasks;
    let asked = async {
        match &backup {
            Some(backup) => Some(ask("backup", backup, &[]).await),
            None => None,
        }
    };
    let (primary, backup) = tokio::join!(ask("primary", &primary, &wanted), asked);
    let mut nas = vec![primary];
    nas.extend(backup);
    let document = Document::new(nas);
    session
        .output()
        .write(&document, || show::render(&document))?;
    Ok(document.exit)
}

impl Document {
    fn new(nas: Vec<Shown>) -> Self {
        let exit = nas.iter().map(|nas| nas.exit).fold(Exit::Done, Exit::worse);
        Self {
            exit,
            code: exit.code(),
            nas,
        }
    }
}

async fn ask(nas: &'static str, api: &dyn TrueNas, wanted: &[String]) -> Shown {
    let asked: Result<_, TrueNasError> = async {
        let answers = nas_status::ask(api).await?;
        Ok((NasStatus::of(answers, wanted), api.transport().await?))
    }
    .await;
    match asked {
        Ok((status, transport)) => Shown {
            nas,
            url: api.url(),
            exit: if status.needs_attention {
                Exit::Attention
            } else {
                Exit::Done
            },
            transport: Some(transport),
            status: Some(status),
            problem: None,
        },
        Err(error) => {
            let problem = sentence::failed_to(&error);
            // It sleeps by day.
            let sleeps = nas == "backup" && error.kind() == ErrorKind::Unreachable;
            if !sleeps {
                tracing::error!("{nas} NAS: {problem}");
            }
            Shown {
                nas,
                url: api.url(),
                transport: None,
                status: None,
                exit: if sleeps {
                    Exit::Done
                } else {
                    nas_error::exit(&error)
                },
                problem: Some(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests;
