//! Running a command in a container.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::seconds;

/// How much of what a command printed is kept, from its end: enough for the lines that say why it
/// failed, and no more of what may be a whole database.
const OUTPUT_BYTES: usize = 4 * 1024;

/// A command to run in a container that runs.
///
/// ```
/// use std::time::Duration;
///
/// use docker_stacks::ExecCommand;
///
/// let dump = ExecCommand {
///     command: ["pg_dump", "-f", "/dump/wiki.sql"].map(str::to_owned).to_vec(),
///     user: Some("postgres".into()),
///     limit: Duration::from_secs(300),
/// };
/// assert_eq!(dump.to_string(), "pg_dump -f /dump/wiki.sql");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecCommand {
    /// The program and its arguments; no shell looks at them.
    pub command: Vec<String>,
    /// The user, and optionally group, as `docker exec --user` takes them: `postgres`, `1000:1000`.
    /// The container's own where nothing is said.
    pub user: Option<String>,
    /// How long it may take.
    #[serde(with = "seconds", rename = "limit_seconds")]
    pub limit: Duration,
}

impl fmt::Display for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a shell was given is what people wrote.
        match self.command.as_slice() {
            [shell, flag, script] if shell == "/bin/sh" && flag == "-c" => f.write_str(script),
            words => f.write_str(&words.join(" ")),
        }
    }
}

/// How a command in a container ended.
///
/// ```
/// use docker_stacks::ExecEnd;
///
/// fn has_worked(end: &ExecEnd) -> bool {
///     matches!(end, ExecEnd::Exited { code: 0, .. })
/// }
/// assert!(!has_worked(&ExecEnd::StillRuns { output: String::new() }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// It ended by itself.
    Exited {
        /// What it ended with.
        code: i64,
        /// The end of what it printed, on both of its streams.
        output: String,
    },
    /// Its time was over before it ended. It goes on: an engine cannot take it back.
    StillRuns {
        /// The end of what it has printed.
        output: String,
    },
}

/// The end of what a command prints.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let surplus = self.bytes.len().saturating_sub(OUTPUT_BYTES);
        self.bytes.drain(..surplus);
    }

    /// The whole lines of what was kept, or all of it where there is but one.
    pub(crate) fn into_text(self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let cut = self.bytes.len() == OUTPUT_BYTES;
        let whole = match text.split_once('\n') {
            Some((_, rest)) if cut && !rest.trim().is_empty() => rest,
            _ => &text,
        };
        whole.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_is_kept_in_whole_lines() {
        let mut tail = Tail::default();
        for line in 0..10_000 {
            tail.push(format!("line {line}\n").as_bytes());
        }
        let text = tail.into_text();
        assert!(text.len() <= OUTPUT_BYTES);
        assert!(text.starts_with("line ") && text.ends_with("line 9999"));

        let mut one = Tail::default();
        one.push("é".repeat(OUTPUT_BYTES).as_bytes());
        assert!(one.into_text().ends_with('é'));
        assert_eq!(Tail::default().into_text(), "");
    }

    #[test]
    fn a_command_is_shown_as_it_was_written() {
        let command = |words: &[&str]| {
            ExecCommand {
                command: words.iter().map(|word| (*word).to_owned()).collect(),
                user: None,
                limit: Duration::from_secs(1),
            }
            .to_string()
        };
        assert_eq!(command(&["/bin/sh", "-c", "pg_dump > /d"]), "pg_dump > /d");
        assert_eq!(command(&["pg_dump", "-U", "wiki"]), "pg_dump -U wiki");
    }
}
