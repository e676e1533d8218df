//! `nas-shutdown check`: is the account the right one, and can it do nothing else?

use std::fmt::Write as _;

use backup_window::exit::Exit;
use backup_window::setup;
use remote_shutdown::{AccountReport, ErrorKind, ShutdownError, Verdict};
use serde::Serialize;

use crate::failure::{Failure, failed_to};
use crate::session::Session;

/// What the exit codes mean here.
pub(super) const EXIT_CODES: &str = "\
Without `dispatcher = true` in the configuration it logs in and opens no session, because any session
would run the key's command: what it cannot prove then, it names.

Exit codes:
  0  proven: host, key and account are right, and the account can do nothing else
  1  the NAS was not reached or let nobody in, or the account cannot switch it off
  2  bad usage or configuration, the key's passphrase included
  3  a deadline passed
  4  refused as unsafe: another host key, or the account can do more than switch the NAS off
  6  what could be tried is right, but something is unproven";

#[derive(Debug, Serialize)]
struct Document<'a> {
    exit: Exit,
    code: u8,
    verdict: Verdict,
    #[serde(flatten)]
    report: &'a AccountReport,
}

pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let shutdown = setup::shutdown(&config).map_err(|error| Failure::usage(&error))?;
    let report = tokio::select! {
        report = shutdown.check_account() => report,
        () = session.cancelled().cancelled() => {
            return Err(Failure::text(Exit::Failed, "ended by a signal: nothing is known"));
        }
    };
    let report = report.map_err(|error| failed_to(exit_of_error(&error), &error))?;
    let verdict = report.verdict();
    let exit = exit_of(verdict);
    let document = Document {
        exit,
        code: exit.code(),
        verdict,
        report: &report,
    };
    session.output().write(&document, || text(&report))?;
    Ok(exit)
}

fn text(report: &AccountReport) -> String {
    let mut text = format!("{}\n", report.endpoint);
    for finding in &report.findings {
        let mark = match finding.verdict {
            Verdict::Proven => "[ok]  ",
            Verdict::Unproven => "[?]   ",
            Verdict::TooMuch => "[MORE]",
            _ => "[FAIL]",
        };
        let name = finding.what.name();
        let _ = writeln!(text, "{mark} {name:<18}{}", finding.detail);
    }
    let sum = match report.verdict() {
        Verdict::Proven => "The account can switch the NAS off, and do nothing else.",
        Verdict::Unproven => "What could be tried is right. What is marked with ? is not proven.",
        Verdict::TooMuch => {
            "The account can do more than switch the NAS off: nas-shutdown kit prints how to restrict it."
        }
        _ => "The account cannot switch the NAS off: nas-shutdown kit prints what to install.",
    };
    text.push_str(sum);
    text
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Proven => Exit::Done,
        Verdict::Unproven => Exit::Attention,
        Verdict::TooMuch => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn exit_of_error(error: &ShutdownError) -> Exit {
    match error {
        ShutdownError::KeyFile { .. } | ShutdownError::KnownHosts { .. } => Exit::Usage,
        error => match error.kind() {
            ErrorKind::Deadline => Exit::DeadlinePassed,
            ErrorKind::HostKey => Exit::Refused,
            _ => Exit::Failed,
        },
    }
}
