//! This project's `docker-backup`, as a program.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    contender::{Contender, Destination},
    house::{BEATS, House},
    measure,
};

#[derive(Debug)]
pub(crate) struct Ours {
    program: Option<PathBuf>,
    log: bool,
}

impl Ours {
    pub(crate) fn new(program: Option<PathBuf>, log: bool) -> Self {
        Self { program, log }
    }

    fn run(&self, to: &Destination, arguments: &[&str], log: bool) -> Outcome<u64> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => env::current_exe()?.with_file_name("docker-backup"),
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("--config")
            .arg(config(to))
            .env_remove("BACKUP_WINDOW_STATE_DIR");
        if log {
            command.arg("-vv");
        }
        measure::run(&command, &to.beside("time"), &[0], log)
    }
}

fn config(to: &Destination) -> PathBuf {
    to.beside("config.toml")
}

impl Contender for Ours {
    fn name(&self) -> String {
        "docker-backup".to_owned()
    }

    fn saves(&self) -> bool {
        true
    }

    fn prepare(&mut self, house: &House, to: &Destination) -> Outcome<()> {
        let password = to.beside("password");
        fs::write(&password, "a password of the lab\n")?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        let show = |path: &Path| path.display().to_string();
        let text = format!(
            "state_dir = \"{}\"\n\
             [window]\nstart = \"00:00\"\nend = \"23:59\"\ntime_zone = \"UTC\"\n\
             [docker]\nhost = \"unix://{}\"\nexclude = [\"bind:{BEATS}\"]\n\
             [repository]\npath = \"{}\"\nmount = \"{}\"\npassword_file = \"{}\"\n",
            show(&to.beside("state")),
            show(&house.socket()),
            show(&to.mount_point().join("restic")),
            show(&to.mount_point()),
            show(&password),
        );
        fs::write(config(to), text)?;
        self.run(to, &["init"], false)?;
        Ok(())
    }

    fn night(&mut self, _house: &House, to: &Destination) -> Outcome<u64> {
        self.run(to, &["run", "--now"], self.log)
    }
}
