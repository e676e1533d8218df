//! What containers say of their own backup, in labels.
//!
//! - `backup-window.enable`: `false` leaves the container alone, as if the configuration excluded
//!   it; `true` is what goes without saying.
//! - `backup-window.stop`: `false` leaves it running, and its data is copied live.
//! - `backup-window.stop-timeout`: how long it is given between its stop signal and SIGKILL.
//! - `backup-window.exec-pre`, `backup-window.exec-post`: a command to run in it before the first
//!   stop of its group, or when the group is up again. A JSON array of strings is a program with its
//!   arguments, anything else is for `/bin/sh -c`, as with `CMD` in a Dockerfile. With `-timeout`
//!   (5 minutes by default) and `-user` added to either name, how long it may take and as whom.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{engine::ExecCommand, model::Container};

/// What the names of all our labels begin with.
const PREFIX: &str = "backup-window.";
const ENABLE: &str = "backup-window.enable";
const STOP: &str = "backup-window.stop";
const STOP_TIMEOUT: &str = "backup-window.stop-timeout";
const EXEC_PRE: &str = "backup-window.exec-pre";
const EXEC_POST: &str = "backup-window.exec-post";

/// What is added to the name of a command's label, for how long it may take and as whom.
const TIMEOUT_SUFFIX: &str = "-timeout";
const USER_SUFFIX: &str = "-user";

/// How long a command may take that asks for no time of its own: enough to dump the database of a
/// household, and short enough that a command which hangs does not take the whole window.
const DEFAULT_EXEC_LIMIT: Duration = Duration::from_mins(5);

/// Whoever gives a container longer than this has mistyped a unit: no window is as long.
const LONGEST_STOP: Duration = Duration::from_hours(24);

/// What the labels of one container ask for. What they ask wrongly, they do not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    /// It is to be backed up.
    pub(super) enable: bool,
    /// It may be stopped.
    pub(super) stop: bool,
}

impl Labels {
    pub(super) fn of(container: &Container) -> Self {
        Self {
            enable: flag(container, ENABLE).and_then(Result::ok).unwrap_or(true),
            stop: flag(container, STOP).and_then(Result::ok).unwrap_or(true),
        }
    }

    /// Its data is copied while it runs.
    pub(super) fn live(self) -> bool {
        self.enable && !self.stop
    }
}

/// How long the container asks for between its stop signal and SIGKILL.
pub(crate) fn stop_timeout(container: &Container) -> Option<Duration> {
    container
        .label(STOP_TIMEOUT)
        .and_then(|text| read_timeout(text).ok())
}

/// What is to be run in the container before its group is stopped.
pub(super) fn exec_before(container: &Container) -> Option<ExecCommand> {
    exec(container, EXEC_PRE)
}

/// What is to be run in the container when its group is up again.
pub(super) fn exec_after(container: &Container) -> Option<ExecCommand> {
    exec(container, EXEC_POST)
}

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
    [EXEC_PRE, EXEC_POST]
        .into_iter()
        .find(|key| *key == command)
}

/// What is wrong with the labels of a container, in sentences that name it.
pub(super) fn complaints(container: &Container) -> Vec<String> {
    let ours = container
        .labels
        .iter()
        .filter(|(key, _)| key.starts_with(PREFIX));
    ours.filter_map(|(key, value)| {
        let expected = match key.as_str() {
            ENABLE | STOP => read_flag(value).err(),
            STOP_TIMEOUT => read_timeout(value).err(),
            EXEC_PRE | EXEC_POST => read_command(value).err(),
            _ => {
                let timeout = goes_with(key, TIMEOUT_SUFFIX);
                let Some(command) = timeout.or_else(|| goes_with(key, USER_SUFFIX)) else {
                    return Some(format!(
                        "container {}: the label {key} ('{value}') is not known: expected {ENABLE}, {STOP}, {STOP_TIMEOUT}, {EXEC_PRE} or {EXEC_POST}; it is ignored",
                        container.name
                    ));
                };
                if container.label(command).is_none() {
                    return Some(format!(
                        "container {}: the label {key} ('{value}') goes with {command}, which is missing; it is ignored",
                        container.name
                    ));
                }
                if timeout.is_some() {
                    read_timeout(value).err()
                } else {
                    read_user(value).err()
                }
            }
        };
        expected.map(|expected| {
            format!(
                "container {}: the label {key} is '{value}': expected {expected}; it is ignored",
                container.name
            )
        })
    })
    .collect()
}

fn flag(container: &Container, key: &str) -> Option<Result<bool, &'static str>> {
    container.label(key).map(read_flag)
}

fn read_flag(text: &str) -> Result<bool, &'static str> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false"),
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

fn read_timeout(text: &str) -> Result<Duration, &'static str> {
    text.trim()
        .parse::<SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        // Without any time, every stop would be a kill, and every copy unclean.
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST_STOP)
        .ok_or("a duration of at most a day with its unit, such as 30s or 2m")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::container;

    fn labelled(labels: &[(&str, &str)]) -> Container {
        let mut container = container("db");
        container.labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        container
    }

    #[test]
    fn without_labels_a_container_is_backed_up_and_stopped() {
        let plain = labelled(&[("com.example", "x"), ("backup-windows.stop", "false")]);
        let labels = Labels::of(&plain);
        assert!(labels.enable && labels.stop && !labels.live());
        assert_eq!(stop_timeout(&plain), None);
        assert!(complaints(&plain).is_empty());
    }

    #[test]
    fn labels_are_read() {
        let db = labelled(&[
            (ENABLE, "true"),
            (STOP, " false "),
            (STOP_TIMEOUT, "1m 30s"),
        ]);
        assert!(Labels::of(&db).live());
        assert_eq!(stop_timeout(&db), Some(Duration::from_secs(90)));
        assert!(complaints(&db).is_empty());
        let off = Labels::of(&labelled(&[(ENABLE, "false"), (STOP, "false")]));
        assert!(!off.enable && !off.live());
    }

    #[test]
    fn what_is_wrong_is_said_and_ignored() {
        let db = labelled(&[
            (ENABLE, "no"),
            (STOP, ""),
            (STOP_TIMEOUT, "30"),
            ("backup-window.stop_timeout", "30s"),
            ("backup-window.exec-before", "pg_dump"),
        ]);
        assert_eq!(
            Labels::of(&db),
            Labels {
                enable: true,
                stop: true
            }
        );
        assert_eq!(stop_timeout(&db), None);
        insta::assert_snapshot!(complaints(&db).join("\n"), @r"
        container db: the label backup-window.enable is 'no': expected true or false; it is ignored
        container db: the label backup-window.exec-before ('pg_dump') is not known: expected backup-window.enable, backup-window.stop, backup-window.stop-timeout, backup-window.exec-pre or backup-window.exec-post; it is ignored
        container db: the label backup-window.stop is '': expected true or false; it is ignored
        container db: the label backup-window.stop-timeout is '30': expected a duration of at most a day with its unit, such as 30s or 2m; it is ignored
        container db: the label backup-window.stop_timeout ('30s') is not known: expected backup-window.enable, backup-window.stop, backup-window.stop-timeout, backup-window.exec-pre or backup-window.exec-post; it is ignored
        ");
        for wrong in ["0s", "-5s", "25h", "soon"] {
            let db = labelled(&[(STOP_TIMEOUT, wrong)]);
            assert_eq!(
                (stop_timeout(&db), complaints(&db).len()),
                (None, 1),
                "{wrong}"
            );
        }
    }

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

    proptest! {
        #[test]
        fn a_label_is_either_followed_or_spoken_of(
            name in prop::sample::select(vec!["enable", "stop", "stop-timeout", "exec-pre", "exec-pre-user", "Stop", "x"]),
            value in "true|false|[0-9]{1,3}[smh]|\\PC{0,8}",
        ) {
            let key = format!("{PREFIX}{name}");
            let db = labelled(&[(&key, &value)]);
            let followed = match key.as_str() {
                ENABLE | STOP => flag(&db, &key).is_some_and(|read| read.is_ok()),
                STOP_TIMEOUT => stop_timeout(&db).is_some(),
                EXEC_PRE => exec_before(&db).is_some(),
                _ => false,
            };
            let said = complaints(&db);
            prop_assert_eq!(said.is_empty(), followed);
            prop_assert!(said.iter().all(|s| s.starts_with("container db:") && s.contains(&key)));
        }
    }
}
