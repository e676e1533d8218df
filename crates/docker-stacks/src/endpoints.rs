//! What of an engine's API each command uses: what a socket proxy must let through, and no more.
//!
//! | endpoint                        | [`PLAN`] | [`RUN`] | [`RECOVER`] | [`DRILL`] | what for                          |
//! |---------------------------------|----------|---------|-------------|-----------|-----------------------------------|
//! | `GET /version`                  | yes      | yes     |             | yes       | is it an engine                   |
//! | `GET /info`                     | yes      | yes     | swarm       | yes       | which machine, which swarm        |
//! | `GET /containers/json`          | yes      | yes     | yes         | yes       | which containers there are        |
//! | `GET /containers/{id}/json`     | yes      | yes     | yes         | yes       | what they mount and need          |
//! | `GET /volumes`                  | yes      | yes     |             | yes       | where their data is               |
//! | `GET /networks`                 |          | yes     |             | yes       | how they were made                |
//! | `GET /images/json`              |          | yes     |             | yes       | what is to be pulled again        |
//! | `GET /events`                   |          | yes     |             |           | who starts what meanwhile         |
//! | `POST /containers/{id}/stop`    |          | yes     |             |           | the outage                        |
//! | `POST /containers/{id}/start`   |          | yes     | yes         | yes       | its end                           |
//! | `POST /containers/{id}/pause`   |          | yes     | yes         |           | what was paused is again          |
//! | `POST /containers/{id}/unpause` |          | yes     |             |           | what is paused cannot stop        |
//! | `GET /containers/{id}/archive`  |          | archive |             |           | data without a path here          |
//! | `POST /containers/{id}/exec`    |          | hooks   | hooks       | check     | commands of labels                |
//! | `POST /exec/{id}/start`         |          | hooks   | hooks       | check     | the same                          |
//! | `GET /exec/{id}/json`           |          | hooks   | hooks       | check     | how they ended                    |
//! | `GET /services`                 | swarm    | swarm   | swarm       |           | which services there are          |
//! | `GET /services/{id}`            |          | swarm   | swarm       |           | how one fares                     |
//! | `GET /tasks`                    | swarm    | swarm   | swarm       |           | what runs of them                 |
//! | `GET /nodes`                    | swarm    | swarm   | swarm       |           | where                             |
//! | `POST /services/{id}/update`    |          | swarm   | swarm       |           | the outage, and its end           |
//! | `POST /volumes/create`          |          |         |             | yes       | volumes of the drill; [`RESTORE`] |
//! | `POST /networks/create`         |          |         |             | yes       | networks that lead nowhere        |
//! | `POST /networks/{id}/connect`   |          |         |             | yes       | a copy in several of them         |
//! | `POST /containers/create`       |          |         |             | yes       | copies of containers              |
//! | `DELETE /containers/{id}`       |          |         |             | yes       | all of it goes again              |
//! | `DELETE /networks/{id}`         |          |         |             | yes       | the same                          |
//! | `DELETE /volumes/{id}`          |          |         |             | yes       | the same                          |
//!
//! What says `hooks` is used only for containers with the labels `backup-window.exec-pre` and
//! `backup-window.exec-post` ([`HOOKS`]); what says `swarm`, only of an engine that manages a swarm
//! ([`SWARM`]); what says `archive`, only for data that this machine has no path to ([`ARCHIVE`]); what
//! says `check`, only for containers with the label `backup-window.drill`, and it is [`HOOKS`] too.
//! Requests name no version of the API (`/containers/json`, not `/v1.51/containers/json`).
//!
//! A restore takes what a run takes, and `POST /volumes/create` where a volume is not there any more
//! ([`RESTORE`]).
//!
//! - Without `GET /info`, an engine at a `tcp://` address is taken to be on another machine, so that
//!   all data is read through it, and Swarm stacks are left alone.
//! - Without `GET /containers/{id}/archive`, data that this machine has no path to is not saved, and
//!   each run fails because of it.
//! - Without `GET /networks` and `GET /images/json`, snapshots lack those definitions, and each run
//!   says so.
//! - Without `GET /events`, a container that somebody starts on the data during an outage is noticed
//!   only if it was stopped for it.
//! - Without `pause` and `unpause`, only stacks with a paused container cannot be backed up.
//!
//! The lists are checked against what the commands use, in both directions, by tests of the project's
//! with a socket proxy in between.

use std::fmt;

/// An endpoint of the Docker Engine API.
///
/// ```
/// use docker_stacks::endpoints::{Endpoint, PLAN};
///
/// assert!(PLAN.contains(&Endpoint { method: "GET", path: "/info" }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path, in which a part in braces stands for any one part: `/containers/{id}/stop`.
    pub path: &'static str,
}

const fn delete(path: &'static str) -> Endpoint {
    Endpoint {
        method: "DELETE",
        path,
    }
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
///
/// ```
/// use docker_stacks::endpoints::PLAN;
///
/// assert!(PLAN.iter().all(|endpoint| endpoint.method == "GET"));
/// ```
pub const PLAN: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    get("/info"),
    get("/version"),
    get("/volumes"),
];

/// What a backup takes: `docker-backup run`, `backup-window run`.
///
/// ```
/// use docker_stacks::endpoints::{PLAN, RUN};
///
/// assert!(PLAN.iter().all(|endpoint| RUN.contains(endpoint)));
/// ```
pub const RUN: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    get("/events"),
    get("/images/json"),
    get("/info"),
    get("/networks"),
    get("/version"),
    get("/volumes"),
    post("/containers/{id}/pause"),
    post("/containers/{id}/start"),
    post("/containers/{id}/stop"),
    post("/containers/{id}/unpause"),
];

/// What a restore takes besides [`RUN`], where a volume is not there any more: `docker-backup
/// restore`.
///
/// ```
/// use docker_stacks::endpoints::{RESTORE, RUN};
///
/// assert!(RESTORE.iter().all(|endpoint| !RUN.contains(endpoint)));
/// ```
pub const RESTORE: &[Endpoint] = &[post("/volumes/create")];

/// What trying a snapshot takes: `docker-backup drill`. Containers, networks and volumes are made and
/// deleted for that, so a proxy that allows it does not keep anybody from deleting others.
///
/// ```
/// use docker_stacks::endpoints::{DRILL, RUN};
///
/// let of_others = DRILL.iter().filter(|endpoint| endpoint.method == "DELETE");
/// assert!(of_others.count() == 3 && RUN.iter().all(|endpoint| endpoint.method != "DELETE"));
/// ```
pub const DRILL: &[Endpoint] = &[
    delete("/containers/{id}"),
    delete("/networks/{id}"),
    delete("/volumes/{id}"),
    get("/containers/json"),
    get("/containers/{id}/json"),
    get("/images/json"),
    get("/info"),
    get("/networks"),
    get("/version"),
    get("/volumes"),
    post("/containers/create"),
    post("/containers/{id}/start"),
    post("/networks/create"),
    post("/networks/{id}/connect"),
    post("/volumes/create"),
];

/// What starting again what a run left stopped takes: `docker-backup recover`.
///
/// ```
/// use docker_stacks::endpoints::RECOVER;
///
/// assert!(RECOVER.iter().all(|endpoint| !endpoint.path.ends_with("/stop")));
/// ```
pub const RECOVER: &[Endpoint] = &[
    get("/containers/json"),
    get("/containers/{id}/json"),
    post("/containers/{id}/pause"),
    post("/containers/{id}/start"),
];

/// What [`RUN`] takes besides for data that this machine has no path to: of an engine on another
/// machine, say.
///
/// ```
/// use docker_stacks::endpoints::{ARCHIVE, RUN};
///
/// assert!(ARCHIVE.iter().all(|endpoint| endpoint.method == "GET" && !RUN.contains(endpoint)));
/// ```
pub const ARCHIVE: &[Endpoint] = &[get("/containers/{id}/archive")];

/// What [`RUN`], [`RECOVER`] and [`DRILL`] take besides where containers have commands in their labels.
///
/// ```
/// use docker_stacks::endpoints::{HOOKS, RUN};
///
/// let patterns: Vec<String> = RUN.iter().chain(HOOKS).map(|endpoint| endpoint.pattern()).collect();
/// assert!(patterns.iter().any(|pattern| pattern.ends_with("/exec")));
/// ```
pub const HOOKS: &[Endpoint] = &[
    get("/exec/{id}/json"),
    post("/containers/{id}/exec"),
    post("/exec/{id}/start"),
];

/// What [`RUN`] and [`RECOVER`] take besides of an engine that manages a swarm. Planning takes no
/// single service, and changes none.
///
/// ```
/// use docker_stacks::endpoints::SWARM;
///
/// let changing = SWARM.iter().filter(|endpoint| endpoint.method == "POST").count();
/// assert_eq!(changing, 1);
/// ```
pub const SWARM: &[Endpoint] = &[
    get("/info"),
    get("/nodes"),
    get("/services"),
    get("/services/{id}"),
    get("/tasks"),
    post("/services/{id}/update"),
];

impl Endpoint {
    /// A regular expression for the whole path, with or without a version of the API, as the
    /// allow lists of [wollomatic/socket-proxy](https://github.com/wollomatic/socket-proxy) take
    /// them.
    ///
    /// ```
    /// let stop = docker_stacks::endpoints::RUN[10];
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
        for (column, word, list) in [
            (1, "yes", PLAN),
            (2, "yes", RUN),
            (3, "yes", RECOVER),
            (4, "yes", DRILL),
            (4, "check", HOOKS),
            (2, "archive", ARCHIVE),
            (2, "hooks", HOOKS),
            (3, "hooks", HOOKS),
            (3, "swarm", SWARM),
        ] {
            assert!(list.is_sorted(), "not in order: {list:?}");
            let mut said: Vec<&str> = rows
                .iter()
                .filter(|row| row[column] == word)
                .map(|row| row[0])
                .collect();
            said.sort_unstable();
            let listed: Vec<String> = list.iter().map(ToString::to_string).collect();
            assert_eq!(said, listed);
        }
    }
}
