//! What containers say of their own backup, in labels.
//!
//! - `backup-window.enable`: `false` leaves the container alone, as if the configuration excluded
//!   it; `true` is what goes without saying.
//! - `backup-window.stop`: `false` leaves it running, and its data is copied live.
//! - `backup-window.stop-timeout`: how long it is given between its stop signal and SIGKILL.
//! - `backup-window.exclude`: patterns of paths, as the container sees them, that are not copied.
//! - `backup-window.include`: what of its mounts is copied although the rules would not.
//! - `backup-window.exec-pre`, `backup-window.exec-post`: a command to run in it before the first
//!   stop of its group, or when the group is up again, each with `-timeout` and `-user` beside it.
//! - `backup-window.drill`: a command to run in its copy in a drill, with the same beside it.

mod exec;
mod paths;

use std::time::Duration;

use jiff::SignedDuration;

use crate::{engine::workbench::MARK_LABEL, model::Container};

pub(crate) use exec::drill_check;
pub(super) use exec::{exec_after, exec_before};
pub(super) use paths::{exclude, include, is_named};

/// What the names of all our labels begin with.
const PREFIX: &str = "backup-window.";
const ENABLE: &str = "backup-window.enable";
const STOP: &str = "backup-window.stop";
const STOP_TIMEOUT: &str = "backup-window.stop-timeout";
pub(super) const EXCLUDE: &str = "backup-window.exclude";
pub(super) const INCLUDE: &str = "backup-window.include";
const EXEC_PRE: &str = "backup-window.exec-pre";
const EXEC_POST: &str = "backup-window.exec-post";
const DRILL: &str = "backup-window.drill";

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

/// What is wrong with the labels of a container, in sentences that name it.
pub(super) fn complaints(container: &Container) -> Vec<String> {
    let ours = container
        .labels
        .iter()
        .filter(|(key, _)| key.starts_with(PREFIX));
    ours.filter_map(|(key, value)| {
        let wrong = match key.as_str() {
            ENABLE | STOP => expected(value, read_flag),
            STOP_TIMEOUT => expected(value, read_timeout),
            // Lists: each of their entries may be wrong, and is spoken of there.
            // The mark is no label of people's.
            EXCLUDE | INCLUDE | MARK_LABEL => None,
            _ if exec::is_ours(key) => exec::wrong(container, key, value),
            _ => Some(format!(
                "('{value}') is not known: expected {ENABLE}, {STOP}, {STOP_TIMEOUT}, {EXCLUDE}, {INCLUDE}, {EXEC_PRE}, {EXEC_POST} or {DRILL} (the last three also with -timeout or -user at the end)"
            )),
        };
        wrong.map(|wrong| {
            format!(
                "container {}: the label {key} {wrong}; it is ignored",
                container.name
            )
        })
    })
    .chain(paths::complaints(container))
    .collect()
}

/// What is wrong with a value, to be read after its label.
fn expected<T>(value: &str, read: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<String> {
    let expected = read(value).err()?;
    Some(format!("is '{value}': expected {expected}"))
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

    pub(super) fn labelled(labels: &[(&str, &str)]) -> Container {
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
        container db: the label backup-window.exec-before ('pg_dump') is not known: expected backup-window.enable, backup-window.stop, backup-window.stop-timeout, backup-window.exclude, backup-window.include, backup-window.exec-pre, backup-window.exec-post or backup-window.drill (the last three also with -timeout or -user at the end); it is ignored
        container db: the label backup-window.stop is '': expected true or false; it is ignored
        container db: the label backup-window.stop-timeout is '30': expected a duration of at most a day with its unit, such as 30s or 2m; it is ignored
        container db: the label backup-window.stop_timeout ('30s') is not known: expected backup-window.enable, backup-window.stop, backup-window.stop-timeout, backup-window.exclude, backup-window.include, backup-window.exec-pre, backup-window.exec-post or backup-window.drill (the last three also with -timeout or -user at the end); it is ignored
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
