//! The labels that ask for commands to be run in a container around its copy, or in a drill.
//!
//! A JSON array of strings is a program with its arguments, anything else is for `/bin/sh -c`, as
//! with `CMD` in a Dockerfile. With `-timeout` (5 minutes by default) and `-user` added to either
//! name, how long it may take and as whom.

use std::time::Duration;

use super::{DRILL, EXEC_POST, EXEC_PRE, expected, read_timeout};
use crate::{engine::ExecCommand, model::Container};

/// What is added to the name of a command's label, for how long it may take and as whom.
const TIMEOUT_SUFFIX: &str = "-timeout";
const USER_SUFFIX: &str = "-user";

/// How long a command may take that asks for no time of its own: enough to dump the database of a
/// household, and short enough that a command which hangs does not take the whole window.
const DEFAULT_EXEC_LIMIT: Duration = Duration::from_mins(5);

/// What is to be run in the container before its group is stopped.
pub(in crate::plan) fn exec_before(container: &Container) -> Option<ExecCommand> {
    exec(container, EXEC_PRE)
}

/// What is to be run in the container when its group is up again.
pub(in crate::plan) fn exec_after(container: &Container) -> Option<ExecCommand> {
    exec(container, EXEC_POST)
}

/// What is to be run in a drill's copy of the container.
pub(crate) fn drill_check(container: &Container) -> Option<ExecCommand> {
    exec(container, DRILL)
}

/// The labels that are commands.
const COMMANDS: [&str; 3] = [EXEC_PRE, EXEC_POST, DRILL];

fn exec(container: &Container, key: &str) -> Option<ExecCommand> {
    let command = read_command(container.label(key)?).ok()?;
    let beside = |suffix| container.label(&format!("{key}{suffix}"));
    Some(ExecCommand {
        command,
        user: beside(USER_SUFFIX).and_then(|text| read_user(text).ok()),
        limit: beside(TIMEOUT_SUFFIX)
            .and_then(|text| read_timeout(text).ok())
            .unwrap_or(DEFAULT_EXEC_LIMIT),
    })
}

/// The command whose label this one goes with.
fn goes_with(key: &str, suffix: &str) -> Option<&'static str> {
    let command = key.strip_suffix(suffix)?;
    COMMANDS.into_iter().find(|key| *key == command)
}

/// Is the label a command's, or does it go with one?
pub(super) fn is_ours(key: &str) -> bool {
    COMMANDS.contains(&key)
        || goes_with(key, TIMEOUT_SUFFIX).is_some()
        || goes_with(key, USER_SUFFIX).is_some()
}

/// What is wrong with such a label, to be read after its name.
pub(super) fn wrong(container: &Container, key: &str, value: &str) -> Option<String> {
    let timeout = goes_with(key, TIMEOUT_SUFFIX);
    let Some(command) = timeout.or_else(|| goes_with(key, USER_SUFFIX)) else {
        return expected(value, read_command);
    };
    if container.label(command).is_none() {
        return Some(format!("('{value}') goes with {command}, which is missing"));
    }
    if timeout.is_some() {
        expected(value, read_timeout)
    } else {
        expected(value, read_user)
    }
}

fn read_command(text: &str) -> Result<Vec<String>, &'static str> {
    const EXPECTED: &str = "a command line, or a JSON array of a program and its arguments";
    let text = text.trim();
    let words = if text.starts_with('[') {
        serde_json::from_str::<Vec<String>>(text).map_err(|_| EXPECTED)?
    } else if text.is_empty() {
        Vec::new()
    } else {
        ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(EXPECTED),
    }
}

/// As `docker exec --user` takes it.
fn read_user(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let parts: Vec<&str> = text.split(':').collect();
    let is_name = |part: &&str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if parts.len() <= 2 && parts.iter().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err("a user, or a user and a group with ':' between them")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{complaints, tests::labelled};
    use super::*;

    #[test]
    fn commands_are_read() {
        let db = labelled(&[
            (EXEC_PRE, "pg_dump -U wiki > /dump/wiki.sql"),
            ("backup-window.exec-pre-timeout", "20m"),
            ("backup-window.exec-pre-user", "postgres:postgres"),
            (EXEC_POST, r#"["rm", "/dump/wiki.sql"]"#),
        ]);
        assert!(complaints(&db).is_empty(), "{:?}", complaints(&db));
        let before = exec_before(&db).unwrap();
        let words = ["/bin/sh", "-c", "pg_dump -U wiki > /dump/wiki.sql"];
        assert_eq!(before.command, words);
        assert_eq!(before.user.as_deref(), Some("postgres:postgres"));
        assert_eq!(before.limit, Duration::from_mins(20));
        let after = exec_after(&db).unwrap();
        assert_eq!(after.command, ["rm", "/dump/wiki.sql"]);
        assert_eq!((after.user, after.limit), (None, DEFAULT_EXEC_LIMIT));
    }

    #[test]
    fn wrong_commands_are_spoken_of() {
        let db = labelled(&[
            (EXEC_PRE, "[\"pg_dump\", 5]"),
            (EXEC_POST, "true"),
            ("backup-window.exec-post-timeout", "soon"),
            ("backup-window.exec-post-user", "a:b:c"),
        ]);
        insta::assert_snapshot!(complaints(&db).join("\n"), @r#"
        container db: the label backup-window.exec-post-timeout is 'soon': expected a duration of at most a day with its unit, such as 30s or 2m; it is ignored
        container db: the label backup-window.exec-post-user is 'a:b:c': expected a user, or a user and a group with ':' between them; it is ignored
        container db: the label backup-window.exec-pre is '["pg_dump", 5]': expected a command line, or a JSON array of a program and its arguments; it is ignored
        "#);
        assert_eq!(exec_before(&db), None);
        assert_eq!(exec_after(&db).unwrap().limit, DEFAULT_EXEC_LIMIT);
        let alone = labelled(&[("backup-window.exec-pre-user", "root")]);
        assert_eq!(
            complaints(&alone),
            [
                "container db: the label backup-window.exec-pre-user ('root') goes with backup-window.exec-pre, which is missing; it is ignored"
            ]
        );
    }
}
