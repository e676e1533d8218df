//! What of an engine's API each command uses: what a socket proxy must let through, and no more.
//!
//! | endpoint                        | [`PLAN`] | [`RUN`] | [`RECOVER`] | what for                    |
//! |---------------------------------|----------|---------|-------------|-----------------------------|
//! | `GET /version`                  | yes      | yes     |             | is it an engine             |
//! | `GET /info`                     | yes      | yes     |             | does it run on this machine |
//! | `GET /containers/json`          | yes      | yes     | yes         | which containers there are  |
//! | `GET /containers/{id}/json`     | yes      | yes     | yes         | what they mount and need    |
//! | `GET /volumes`                  | yes      | yes     |             | where their data is         |
//! | `POST /containers/{id}/stop`    |          | yes     |             | the outage                  |
//! | `POST /containers/{id}/start`   |          | yes     | yes         | its end                     |
//! | `POST /containers/{id}/pause`   |          | yes     | yes         | what was paused is again    |
//! | `POST /containers/{id}/unpause` |          | yes     |             | what is paused cannot stop  |
//!
//! Requests name no version of the API (`/containers/json`, not `/v1.51/containers/json`).
//!
//! Without the last two, only stacks with a paused container cannot be backed up. Without
//! `GET /info`, an engine at a `tcp://` address is taken to be on another machine.
//!
//! The lists are checked against what the commands use, in both directions, by a test of the
//! project's with a socket proxy in between.

use std::fmt;

/// An endpoint of the Docker Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, in which a part in braces stands for any one part: `/containers/{id}/stop`.
    pub path: &'static str,
}

const fn get(path: &'static str) -> Endpoint {
    Endpoint {
        method: "GET",
        path,
    }
}

const fn post(path: &'static str) -> Endpoint {
    Endpoint {
        method: "POST",
        path,
    }
}

/// What finding and planning takes, which changes nothing: `docker-backup plan`.
pub const PLAN: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    get("/info"),
    get("/version"),
    get("/volumes"),
];

/// What a backup takes: `docker-backup run`, `backup-window run`.
pub const RUN: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    get("/info"),
    get("/version"),
    get("/volumes"),
    post("/containers/{id}/pause"),
    post("/containers/{id}/start"),
    post("/containers/{id}/stop"),
    post("/containers/{id}/unpause"),
];

/// What starting again what a run left stopped takes: `docker-backup recover`.
pub const RECOVER: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    post("/containers/{id}/pause"),
    post("/containers/{id}/start"),
];

impl Endpoint {
    /// A regular expression for the whole path, with or without a version of the API, as the
    /// allow lists of [wollomatic/socket-proxy](https://github.com/wollomatic/socket-proxy) take
    /// them.
    ///
    /// ```
    /// let stop = docker_stacks::endpoints::RUN[7];
    /// assert_eq!(stop.to_string(), "POST /containers/{id}/stop");
    /// assert_eq!(stop.pattern(), r"(/v1\.\d+)?/containers/[a-zA-Z0-9_.-]+/stop");
    /// ```
    #[must_use]
    pub fn pattern(&self) -> String {
        let path = self.path.split('/').map(|part| {
            if part.starts_with('{') {
                "[a-zA-Z0-9_.-]+"
            } else {
                part
            }
        });
        let path = path.collect::<Vec<_>>().join("/");
        format!(r"(/v1\.\d+)?{path}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_lists_say() {
        let source = include_str!("endpoints.rs");
        let rows: Vec<Vec<&str>> = source
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .map(|line| {
                line.split('|')
                    .map(|cell| cell.trim().trim_matches('`'))
                    .collect()
            })
            .collect();
        assert_eq!(rows.len(), RUN.len());
        for (column, list) in [(1, PLAN), (2, RUN), (3, RECOVER)] {
            assert!(list.is_sorted(), "not in order: {list:?}");
            let mut said: Vec<&str> = rows
                .iter()
                .filter(|row| row[column] == "yes")
                .map(|row| row[0])
                .collect();
            said.sort_unstable();
            let listed: Vec<String> = list.iter().map(ToString::to_string).collect();
            assert_eq!(said, listed);
        }
    }
}
