//! In what the simulated versions of TrueNAS differ: everything, and only here.

/// The TrueNAS that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SimulatedVersion {
    /// TrueNAS CORE 13.0-U6.7.
    Core13_0,
    /// TrueNAS SCALE 24.10.1.
    Scale24_10,
    /// TrueNAS 25.04.2, the first with JSON-RPC and with keys that belong to a user.
    Scale25_04,
    /// TrueNAS 25.10.1, the last with REST, which it grumbles about.
    Scale25_10,
    /// TrueNAS 26.0.0, without REST.
    Scale26_0,
}

impl SimulatedVersion {
    /// Every version that is simulated, the oldest first.
    pub const ALL: [Self; 5] = [
        Self::Core13_0,
        Self::Scale24_10,
        Self::Scale25_04,
        Self::Scale25_10,
        Self::Scale26_0,
    ];

    /// As `system.info` writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core13_0 => "TrueNAS-13.0-U6.7",
            Self::Scale24_10 => "TrueNAS-SCALE-24.10.1",
            Self::Scale25_04 => "TrueNAS-25.04.2",
            Self::Scale25_10 => "TrueNAS-25.10.1",
            Self::Scale26_0 => "TrueNAS-26.0.0",
        }
    }

    /// Whether it speaks REST v2.0.
    #[must_use]
    pub fn speaks_rest(self) -> bool {
        self < Self::Scale26_0
    }

    /// Whether it speaks JSON-RPC 2.0.
    #[must_use]
    pub fn speaks_json_rpc(self) -> bool {
        self >= Self::Scale25_04
    }

    /// The versions of the API that it can be asked for, of which the last is its own. None without
    /// JSON-RPC.
    pub(super) fn api_versions(self) -> &'static [&'static str] {
        const API_VERSIONS: [&str; 6] = [
            "v25.04.0", "v25.04.1", "v25.04.2", "v25.10.0", "v25.10.1", "v26.0.0",
        ];
        match self {
            Self::Core13_0 | Self::Scale24_10 => &[],
            Self::Scale25_04 => &API_VERSIONS[..3],
            Self::Scale25_10 => &API_VERSIONS[..5],
            Self::Scale26_0 => &API_VERSIONS,
        }
    }

    /// CORE sends whoever is lost to its web page. SCALE says that there is no such thing.
    pub(super) fn redirects_unknown_addresses(self) -> bool {
        self == Self::Core13_0
    }

    /// The address of the snapshots in REST, and the method in JSON-RPC.
    pub(super) fn snapshots_at(self) -> (&'static str, &'static str) {
        if self >= Self::Scale25_10 {
            ("/pool/snapshot", "pool.snapshot.query")
        } else {
            ("/zfs/snapshot", "zfs.snapshot.query")
        }
    }

    /// Whether a replication is run by `POST /replication/run` with its number as body, and no
    /// longer by an address that has the number in it.
    pub(super) fn runs_by_body(self) -> bool {
        self >= Self::Scale25_10
    }

    /// Whether it wants to be told why it is to be switched off.
    pub(super) fn wants_reason_for_shutdown(self) -> bool {
        self >= Self::Scale25_04
    }

    /// Whether a key belongs to a user, who has to be named with it and whose roles count. REST
    /// knows nothing of roles, so a user who may not do everything may do nothing there.
    pub(super) fn keys_have_users(self) -> bool {
        self >= Self::Scale25_04
    }

    /// Whether a key that comes without encryption to a login is revoked, and whether it is said
    /// why.
    pub(super) fn revokes_insecure_keys(self) -> bool {
        self >= Self::Scale25_04
    }

    pub(super) fn tells_why_a_key_is_revoked(self) -> bool {
        self >= Self::Scale25_10
    }

    /// A login that fails otherwise than by a wrong key confuses the first version that knows it.
    pub(super) fn login_loses_its_way(self) -> bool {
        self == Self::Scale25_04
    }

    /// Whether a successful login has a place for a token to come back with.
    pub(super) fn has_reconnect_tokens(self) -> bool {
        self >= Self::Scale26_0
    }

    /// The longest list that can be asked for.
    pub(super) fn longest_list(self) -> Option<u64> {
        (self >= Self::Scale25_04).then_some(10_000)
    }

    /// Whether the result of a job method can be that of the job.
    pub(super) fn can_wait_for_jobs(self) -> bool {
        self >= Self::Scale25_10
    }

    /// Whether running a snapshot task is a job.
    pub(super) fn runs_snapshot_tasks_as_jobs(self) -> bool {
        self >= Self::Scale26_0
    }

    /// Whether snapshot tasks keep their state over a restart, and name their last snapshot.
    pub(super) fn keeps_states_of_snapshot_tasks(self) -> bool {
        self >= Self::Scale25_10
    }

    /// Whether the snapshot tasks of a replication are shown as the database has them: with their
    /// state as text.
    pub(super) fn shows_states_of_bound_tasks(self) -> bool {
        self >= Self::Scale25_10
    }

    /// Whether a disabled replication task still shows how it last ended, and one that has never
    /// ended what it has sent.
    pub(super) fn remembers_more_of_replications(self) -> bool {
        self >= Self::Scale26_0
    }

    /// How the job of a scheduled run says that it does not really run anything.
    pub(super) fn scheduled_run_options(self) -> serde_json::Value {
        if self >= Self::Scale26_0 {
            serde_json::json!({ "really_run": false })
        } else {
            serde_json::json!(false)
        }
    }

    /// Whether it raises an alert about those who still speak REST.
    pub(super) fn grumbles_about_rest(self) -> bool {
        self == Self::Scale25_10
    }

    /// Whether pools say if all their disks encrypt themselves.
    pub(super) fn knows_self_encrypting_pools(self) -> bool {
        self >= Self::Scale26_0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_speaks_something_and_they_are_in_order() {
        assert!(SimulatedVersion::ALL.is_sorted());
        for version in SimulatedVersion::ALL {
            assert!(version.speaks_rest() || version.speaks_json_rpc());
            assert_eq!(
                version.speaks_json_rpc(),
                !version.api_versions().is_empty()
            );
        }
        assert_eq!(
            SimulatedVersion::Scale25_10.api_versions().last(),
            Some(&"v25.10.1")
        );
    }
}
