//! What scripts do: stop, run a tool, start.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    contender::{Contender, Destination},
    house::House,
    measure,
};

/// A tool of others. All have the settings that keep every attribute, and their own defaults
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nothing,
    Restic,
    Borg,
    Rsync,
    Tar,
}

/// What is down while the tool runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    PerStack,
    AllStopped,
}

#[derive(Debug)]
pub(crate) struct Script {
    tool: Tool,
    scope: Scope,
    nights: u32,
}

impl Script {
    pub(crate) fn new(tool: Tool, scope: Scope) -> Self {
        Self {
            tool,
            scope,
            nights: 0,
        }
    }

    /// Copies these volumes, as `what`.
    fn copy(&self, what: &str, volumes: &[PathBuf], to: &Destination) -> Outcome<u64> {
        let target = to.mount_point().join("copy");
        let mut command = match self.tool {
            Tool::Nothing => return Ok(0),
            Tool::Restic => {
                let mut command = restic(to);
                command.args(["backup", "--quiet"]);
                command
            }
            Tool::Borg => {
                let mut command = borg(to);
                command.args(["create", "--compression=zstd,3"]);
                command.arg(format!("{}::{what}-{}", target.display(), self.nights));
                command
            }
            Tool::Rsync => {
                let mut command = Command::new("rsync");
                command.args(["-aHAXSR", "--numeric-ids", "--delete"]);
                command
            }
            Tool::Tar => {
                fs::create_dir_all(&target)?;
                let mut command = Command::new("bash");
                // The archive of the night before is written over, as it would be removed later.
                let script = "set -o pipefail; out=$1; shift; tar --xattrs --acls --create \"$@\" \
                              | zstd -3 -T0 --quiet --force -o \"$out\"";
                command.args(["-c", script, "tar"]);
                command.arg(target.join(format!("{what}.tar.zst")));
                command
            }
        };
        command.args(volumes);
        if self.tool == Tool::Rsync {
            command.arg(target);
        }
        measure::run(&command, &to.beside("time"), &[0], false)
    }
}

impl Contender for Script {
    fn name(&self) -> String {
        let tool = match self.tool {
            Tool::Nothing => return "bare stop and start".to_owned(),
            Tool::Restic => "restic",
            Tool::Borg => "borg",
            Tool::Rsync => "rsync",
            Tool::Tar => "tar, zstd",
        };
        match self.scope {
            Scope::PerStack => format!("{tool}, per stack"),
            Scope::AllStopped => format!("{tool}, all stopped"),
        }
    }

    fn saves(&self) -> bool {
        self.tool != Tool::Nothing
    }

    fn prepare(&mut self, _house: &House, to: &Destination) -> Outcome<()> {
        let target = to.mount_point().join("copy");
        match self.tool {
            Tool::Restic => {
                fs::write(to.beside("password"), "a password of the lab\n")?;
                let mut command = restic(to);
                command.args(["init", "--quiet"]);
                measure::run(&command, &to.beside("time"), &[0], false)?;
            }
            Tool::Borg => {
                let mut command = borg(to);
                command.args(["init", "--encryption=repokey"]).arg(target);
                measure::run(&command, &to.beside("time"), &[0], false)?;
            }
            Tool::Nothing | Tool::Rsync | Tool::Tar => {}
        }
        Ok(())
    }

    fn night(&mut self, house: &House, to: &Destination) -> Outcome<u64> {
        self.nights += 1;
        let mut peak = 0;
        match self.scope {
            Scope::PerStack => {
                for stack in house.stacks() {
                    house.stop(&stack.containers())?;
                    let copied = self.copy(stack.name, &[house.volume(stack)?], to);
                    // Whoever fails has not left the services down.
                    house.start(&stack.containers())?;
                    peak = peak.max(copied?);
                }
            }
            Scope::AllStopped => {
                house.stop(&house.services())?;
                let copied = self.copy("all", &house.volumes()?, to);
                house.start(&house.services())?;
                peak = copied?;
            }
        }
        Ok(peak)
    }
}

fn restic(to: &Destination) -> Command {
    let mut command = Command::new("restic");
    forget_settings(&mut command, "RESTIC_");
    command
        .env("RESTIC_PASSWORD_FILE", to.beside("password"))
        .env("RESTIC_CACHE_DIR", to.beside("cache"))
        .arg("--repo")
        .arg(to.mount_point().join("copy"));
    command
}

fn borg(to: &Destination) -> Command {
    let mut command = Command::new("borg");
    forget_settings(&mut command, "BORG_");
    let base: &Path = &to.beside("cache");
    command
        .env("BORG_BASE_DIR", base)
        .env("BORG_PASSPHRASE", "a password of the lab");
    command
}

/// Whoever runs this may have settings of their own.
fn forget_settings(command: &mut Command, prefix: &str) {
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(prefix.as_bytes()) {
            command.env_remove(name);
        }
    }
}
