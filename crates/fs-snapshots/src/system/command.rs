//! Running a program of the system.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{process::Command, time::timeout};

use super::SystemOptions;
use crate::error::SnapshotError;

/// Where programs that are run in turn look for others: the environment is cleared.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// A program that makes snapshots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    pub(super) name: &'static str,
    /// The Debian package that has it.
    pub(super) package: &'static str,
}

impl Program {
    /// Where it is, absolute: whoever may set `PATH` does not get to say what root runs.
    pub(super) fn find(self, options: &SystemOptions) -> Option<PathBuf> {
        let candidates = options.programs.iter().map(|folder| folder.join(self.name));
        candidates.into_iter().find(|path| path.is_file())
    }

    /// Runs it to its end, and returns what it printed. It gets no input and an empty environment
    /// but for `PATH` and the language of its messages; it is killed when its time is over, or when
    /// nobody waits any more.
    pub(super) async fn run(
        self,
        options: &SystemOptions,
        arguments: &[&OsStr],
    ) -> Result<Vec<u8>, SnapshotError> {
        let Some(program) = self.find(options) else {
            return Err(SnapshotError::ProgramMissing {
                program: self.name,
                package: self.package,
                searched: join(options.programs.iter().map(PathBuf::as_path)),
            });
        };
        let command = self.shown(arguments);
        tracing::debug!(command, "running");
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match timeout(options.deadline, output).await {
            Ok(Ok(output)) => output,
            Ok(Err(source)) => return Err(SnapshotError::NotRun { command, source }),
            Err(_) => {
                return Err(SnapshotError::DeadlinePassed {
                    command,
                    deadline: options.deadline,
                });
            }
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(SnapshotError::Program {
            command,
            said: if said.is_empty() {
                output.status.to_string()
            } else {
                said
            },
        })
    }

    fn shown(self, arguments: &[&OsStr]) -> String {
        let mut shown = OsString::from(self.name);
        for argument in arguments {
            shown.push(" ");
            shown.push(argument);
        }
        shown.to_string_lossy().into_owned()
    }
}

fn join<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
