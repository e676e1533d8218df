//! Finds out what the account may do, without switching anything off.
//!
//! The trap: with a forced command *every* session of the key that runs
//! anything (a command, a shell, SFTP) runs the forced command, which may be the
//! one that switches the host off. So no session is even opened here unless the
//! dispatcher is known to be behind the key, and after its first answer was not
//! the dispatcher's, none any more. What is no session runs nothing: logging in,
//! and the two ways to forward a port.

use ssh2::{Channel, ErrorCode, Session};

use super::connection::fingerprint;
use super::control::{Progress, Step};
use super::exchange::{Held, command_end};
use super::job::{GRACE, Job, Stop, code, millis};
use crate::account::{AccountReport, Attempt, Examined, Finding, Verdict};
use crate::dispatcher::{Answer, REFUSED_STATUS, Request};
use crate::outcome::{CommandEnd, printable};
use crate::{ShutdownError, Stage};

/// A command that does no harm where it is allowed.
const HARMLESS: &str = "exit 0";

/// Where a connection through the host would lead: to the host itself.
const LOOPBACK: &str = "127.0.0.1";

/// What a session is asked for.
#[derive(Clone, Copy)]
enum Ask {
    Run(&'static str),
    Shell,
    Sftp,
}

impl Job {
    /// Looks at the account.
    pub(super) fn examine(
        &self,
        progress: &Progress<AccountReport>,
        held: &mut Held,
    ) -> Result<AccountReport, Stop> {
        let session = held.session.insert(self.log_in(progress)?).clone();
        session.set_timeout(millis(self.deadlines.examine + GRACE));
        let host_key = fingerprint(&session).ok_or_else(|| {
            self.failed(
                Stage::Connect,
                "see the host key of",
                ssh2::Error::unknown(),
            )
        })?;
        let mut findings = vec![
            proven(
                Examined::HostKey,
                format!("it is the expected one, {host_key}"),
            ),
            proven(
                Examined::Key,
                format!("it lets the user {} in", self.target.user),
            ),
        ];
        let mut look = Look {
            job: self,
            progress,
            session: &session,
            held,
        };
        let dispatcher = if self.dispatcher {
            let found = look.dispatcher()?;
            let is_there = found.verdict == Verdict::Proven;
            findings.push(found);
            if is_there {
                findings.push(look.sudo_rule()?);
            } else {
                findings.push(unproven(Examined::SudoRule, NO_SESSION));
            }
            is_there
        } else {
            findings.push(unproven(Examined::Dispatcher, NOT_CONFIGURED));
            findings.push(unproven(Examined::SudoRule, NOT_CONFIGURED));
            false
        };
        findings.push(look.local_forwarding()?);
        findings.push(look.remote_forwarding()?);
        for what in [
            Examined::AgentForwarding,
            Examined::Terminal,
            Examined::Shell,
            Examined::OtherCommand,
            Examined::Sftp,
        ] {
            findings.push(if dispatcher {
                look.session(what)?
            } else {
                let why = if self.dispatcher {
                    NO_SESSION
                } else {
                    NOT_CONFIGURED
                };
                unproven(what, why)
            });
        }
        Ok(AccountReport {
            endpoint: self.endpoint(),
            host_key,
            findings,
        })
    }
}

const NOT_CONFIGURED: &str =
    "not tried: without the dispatcher, a session might switch the host off";
const NO_SESSION: &str = "not tried: it is not the dispatcher that answers";

fn proven(what: Examined, detail: String) -> Finding {
    Finding {
        what,
        verdict: Verdict::Proven,
        detail,
    }
}

fn unproven(what: Examined, why: &str) -> Finding {
    Finding {
        what,
        verdict: Verdict::Unproven,
        detail: why.to_owned(),
    }
}

/// One look after the other, through one connection.
struct Look<'a> {
    job: &'a Job,
    progress: &'a Progress<AccountReport>,
    session: &'a Session,
    held: &'a mut Held,
}

impl Look<'_> {
    fn dispatcher(&mut self) -> Result<Finding, Stop> {
        let end = self.run(Ask::Run(Request::Status.word()))?;
        let said = printable(&end.stdout);
        let broken = |detail: String| Finding {
            what: Examined::Dispatcher,
            verdict: Verdict::Broken,
            detail,
        };
        Ok(match Answer::find(&said) {
            Ok(Answer::Ready) if end.exit_status == 0 => {
                proven(Examined::Dispatcher, "it is there".into())
            }
            Ok(other) => broken(format!(
                "it answers {other:?} when asked whether it is there"
            )),
            Err(error) => {
                let complaint = printable(&end.stderr);
                let seen = if complaint.is_empty() {
                    error.to_string()
                } else {
                    format!("{error}; it complained: {complaint}")
                };
                broken(format!("{seen} (status {})", end.exit_status))
            }
        })
    }

    fn sudo_rule(&mut self) -> Result<Finding, Stop> {
        let end = self.run(Ask::Run(Request::CheckSudo.word()))?;
        let broken = |detail: String| Finding {
            what: Examined::SudoRule,
            verdict: Verdict::Broken,
            detail,
        };
        Ok(match Answer::find(&printable(&end.stdout)) {
            Ok(Answer::SudoAllowed) if end.exit_status == 0 => proven(
                Examined::SudoRule,
                "sudo allows the command without a password, and no shell".into(),
            ),
            Ok(Answer::SudoAllowsMore) => Finding {
                what: Examined::SudoRule,
                verdict: Verdict::TooMuch,
                detail: "sudo allows a shell without a password: leave nothing but the kit's rule"
                    .into(),
            },
            Ok(Answer::SudoRefused) => broken(format!(
                "sudo does not allow the command without a password: {}; install the kit's rule",
                printable(&end.stderr)
            )),
            Ok(other) => broken(format!("the dispatcher answers {other:?}")),
            Err(error) => broken(error.to_string()),
        })
    }

    /// Has the host connect to its own SSH port, which is known to be open, so
    /// that a refused connection is no refusal of the forwarding.
    fn local_forwarding(&mut self) -> Result<Finding, Stop> {
        self.progress.enter(Step::Try)?;
        let port = self.job.target.port;
        let attempt = match self.session.channel_direct_tcpip(LOOPBACK, port, None) {
            Ok(channel) => {
                self.held.channels.push(channel);
                Attempt::Allowed(format!("it connects to {LOOPBACK}:{port} for the client"))
            }
            Err(error) => self.judge_channel(error)?,
        };
        Ok(attempt.finding(Examined::LocalForwarding))
    }

    /// What it means that a channel was not opened.
    fn judge_channel(&self, error: ssh2::Error) -> Result<Attempt, ShutdownError> {
        if error.code() != ErrorCode::Session(code::CHANNEL_FAILURE) {
            return Err(self.failed(error));
        }
        // Only libssh2's words tell the reasons of RFC 4254 apart.
        let said = error.message();
        Ok(
            if said.contains("prohibited") || said.contains("unknown channel type") {
                Attempt::Refused("refused".into())
            } else if said.contains("connect failed") {
                Attempt::Allowed("it tries to connect for the client".into())
            } else {
                Attempt::Unclear(format!("the host says neither yes nor no: {said}"))
            },
        )
    }

    /// Port 0: the host would choose a free one, on its loopback interface, for
    /// the moment until the connection ends.
    fn remote_forwarding(&mut self) -> Result<Finding, Stop> {
        self.progress.enter(Step::Try)?;
        let attempt = match self
            .session
            .channel_forward_listen(0, Some(LOOPBACK), Some(1))
        {
            Ok((listener, port)) => {
                self.held.listener = Some(listener);
                Attempt::Allowed(format!("it opens port {port} for the client"))
            }
            Err(error) if error.code() == ErrorCode::Session(code::REQUEST_DENIED) => {
                Attempt::Refused("refused".into())
            }
            Err(error) => return Err(self.failed(error).into()),
        };
        Ok(attempt.finding(Examined::RemoteForwarding))
    }

    /// What only a session can tell. To be asked only of a dispatcher.
    fn session(&mut self, what: Examined) -> Result<Finding, Stop> {
        let attempt = match what {
            Examined::AgentForwarding | Examined::Terminal => {
                self.progress.enter(Step::Try)?;
                let mut channel = self.open()?;
                let request = if what == Examined::Terminal {
                    channel.request_pty("xterm", None, None)
                } else {
                    channel.request_auth_agent_forwarding()
                };
                self.held.channels.push(channel);
                match request {
                    Ok(()) => Attempt::Allowed("it is granted".into()),
                    Err(error)
                        if matches!(
                            error.code(),
                            ErrorCode::Session(code::CHANNEL_REQUEST_DENIED | code::REQUEST_DENIED)
                        ) =>
                    {
                        Attempt::Refused("refused".into())
                    }
                    Err(error) => return Err(self.failed(error).into()),
                }
            }
            Examined::Shell => self.refused_by_dispatcher(Ask::Shell)?,
            Examined::Sftp => self.refused_by_dispatcher(Ask::Sftp)?,
            _ => self.refused_by_dispatcher(Ask::Run(HARMLESS))?,
        };
        Ok(attempt.finding(what))
    }

    fn refused_by_dispatcher(&mut self, ask: Ask) -> Result<Attempt, Stop> {
        let end = match self.run(ask) {
            Ok(end) => end,
            Err(Stop::Failed(ShutdownError::Protocol { source, .. }))
                if source.to_string().contains("denied") =>
            {
                return Ok(Attempt::Refused("refused".into()));
            }
            Err(other) => return Err(other),
        };
        let complaint = printable(&end.stderr);
        // OpenSSH gives nobody the standard error of a subsystem.
        let silent = match ask {
            Ask::Sftp => complaint.is_empty() && end.stdout.is_empty(),
            Ask::Run(_) | Ask::Shell => false,
        };
        let refused = end.exit_status == REFUSED_STATUS
            && (silent || Answer::find(&complaint) == Ok(Answer::Refused));
        Ok(if refused {
            Attempt::Refused("refused by the dispatcher".into())
        } else {
            Attempt::Allowed(format!(
                "it is not refused, but ends with status {}",
                end.exit_status
            ))
        })
    }

    fn open(&self) -> Result<Channel, ShutdownError> {
        self.session
            .channel_session()
            .map_err(|error| self.failed(error))
    }

    /// Asks for something in a session of its own, without any input.
    fn run(&mut self, ask: Ask) -> Result<CommandEnd, Stop> {
        self.progress.enter(Step::Try)?;
        let mut channel = self.open()?;
        let asked = match ask {
            Ask::Run(command) => channel.exec(command),
            Ask::Shell => channel.shell(),
            Ask::Sftp => channel.subsystem("sftp"),
        };
        let ended = asked.map_err(std::io::Error::from).and_then(|()| {
            channel.send_eof()?;
            command_end(&mut channel)
        });
        self.held.channels.push(channel);
        ended.map_err(|source| {
            Stop::Failed(ShutdownError::Protocol {
                endpoint: self.job.endpoint(),
                step: "ask the dispatcher at",
                source,
            })
        })
    }

    fn failed(&self, error: ssh2::Error) -> ShutdownError {
        self.job
            .failed(Stage::Examine, "find out what the account may do at", error)
    }
}
