//! What differs between the versions of TrueNAS: each difference here, once.
//!
//! The crate's documentation lists them. What the shapes of answers differ in is not here but in
//! `wire`, which reads all of them.

use serde_json::{Value, json};

use crate::Version;

/// How a NAS of one version wants to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Differences {
    /// `None` for a version that cannot be read, which is taken for the newest: development builds
    /// have such.
    release: Option<(u32, u32)>,
}

/// How to log in over JSON-RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// `auth.login_ex`, with the name of the key's user.
    WithUser,
    /// `auth.login_with_api_key`, with the key alone.
    KeyAlone,
    /// Not without a user's name.
    UserMissing,
}

impl Differences {
    pub(crate) fn of(version: &Version) -> Self {
        Self {
            release: version.release(),
        }
    }

    fn since(self, major: u32, minor: u32) -> bool {
        self.release.is_none_or(|release| release >= (major, minor))
    }

    /// Whether it has the JSON-RPC API: since 25.04. Where it has, REST is deprecated (25.10
    /// complains to the user about each client that still speaks it) or gone (26).
    pub(crate) fn has_json_rpc(self) -> bool {
        self.since(25, 4)
    }

    /// Where snapshots are: they moved in 25.10, when `zfs.snapshot` became private.
    pub(crate) fn snapshot_resource(self) -> &'static str {
        if self.since(25, 10) {
            "pool/snapshot"
        } else {
            "zfs/snapshot"
        }
    }

    /// The same as a method of JSON-RPC.
    pub(crate) fn snapshot_query(self) -> &'static str {
        if self.since(25, 10) {
            "pool.snapshot.query"
        } else {
            "zfs.snapshot.query"
        }
    }

    /// How a replication task is run over REST: its path and body. In 25.10, `run` ceased to be a
    /// method of one task, and takes its number as an argument.
    pub(crate) fn run_replication(self, id: i64) -> (String, Option<Value>) {
        if self.since(25, 10) {
            ("replication/run".to_owned(), Some(json!(id)))
        } else {
            (format!("replication/id/{id}/run"), None)
        }
    }

    /// What `system.shutdown` takes: a reason since 25.04.
    pub(crate) fn shutdown_body(self, reason: &str) -> Value {
        if self.since(25, 4) {
            json!({ "reason": reason })
        } else {
            json!({})
        }
    }

    /// How a key is shown over JSON-RPC. Keys have users since 25.04, and the way without a name
    /// goes after 26.
    pub(crate) fn login(self, has_user: bool) -> Login {
        if has_user {
            Login::WithUser
        } else if self.since(27, 0) {
            Login::UserMissing
        } else {
            Login::KeyAlone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Differences {
        Differences::of(&Version::parse(version))
    }

    #[test]
    fn each_version_is_asked_in_its_way() {
        for (version, json_rpc, snapshots, run) in [
            (
                "TrueNAS-13.0-U6.7",
                false,
                "zfs/snapshot",
                "replication/id/3/run",
            ),
            (
                "TrueNAS-13.3-U1.2",
                false,
                "zfs/snapshot",
                "replication/id/3/run",
            ),
            (
                "TrueNAS-SCALE-22.12.4.2",
                false,
                "zfs/snapshot",
                "replication/id/3/run",
            ),
            (
                "TrueNAS-SCALE-24.10.1",
                false,
                "zfs/snapshot",
                "replication/id/3/run",
            ),
            (
                "TrueNAS-25.04.2",
                true,
                "zfs/snapshot",
                "replication/id/3/run",
            ),
            ("TrueNAS-25.10.1", true, "pool/snapshot", "replication/run"),
            ("TrueNAS-26.0.0", true, "pool/snapshot", "replication/run"),
            ("TrueNAS-MASTER", true, "pool/snapshot", "replication/run"),
        ] {
            let differences = of(version);
            assert_eq!(differences.has_json_rpc(), json_rpc, "{version}");
            assert_eq!(differences.snapshot_resource(), snapshots, "{version}");
            assert_eq!(differences.run_replication(3).0, run, "{version}");
            assert_eq!(
                differences.snapshot_query(),
                format!("{}.query", snapshots.replace('/', ".")),
                "{version}"
            );
        }
        assert_eq!(
            of("TrueNAS-SCALE-24.10.1").shutdown_body("night is over"),
            json!({})
        );
        assert_eq!(
            of("TrueNAS-25.04.2").shutdown_body("night is over"),
            json!({"reason": "night is over"})
        );
    }

    #[test]
    fn a_name_is_needed_from_27_on() {
        assert_eq!(of("TrueNAS-26.0.0").login(false), Login::KeyAlone);
        assert_eq!(of("TrueNAS-25.04.2").login(true), Login::WithUser);
        assert_eq!(of("TrueNAS-27.0.0").login(false), Login::UserMissing);
    }
}
