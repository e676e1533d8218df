//! Where things are in REST v2.0. Versions differ here (25.10 moves some of it) and nowhere else.

use url::Url;

/// One address of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route<'a> {
    SystemInfo,
    SystemBootId,
    SnapshotTasks,
    ReplicationTasks,
    Snapshots { dataset: &'a str },
    Pools,
    RunSnapshotTask { id: i64 },
    RunReplicationTask { id: i64 },
    Job { id: i64 },
}

impl Route<'_> {
    /// The full address, given that of the NAS.
    pub(crate) fn url(self, nas: &Url) -> Url {
        let mut url = nas.clone();
        url.set_path(&format!("/api/v2.0/{}", self.path()));
        // In the query string, any word but `limit`, `offset`, `count`, `sort` and `extra.…` is a
        // filter on the field of that name (`restful.py` in `truenas/middleware`). There is a
        // second way, filters in the body of the GET request, that could sort and compare times;
        // but bodies of GET requests get lost in proxies, and what is lost here is the filter.
        match self {
            Self::Snapshots { dataset } => {
                url.query_pairs_mut().append_pair("dataset", dataset);
            }
            Self::Job { id } => {
                url.query_pairs_mut().append_pair("id", &id.to_string());
            }
            _ => {}
        }
        url
    }

    fn path(self) -> String {
        match self {
            Self::SystemInfo => "system/info".to_owned(),
            Self::SystemBootId => "system/boot_id".to_owned(),
            Self::SnapshotTasks => "pool/snapshottask".to_owned(),
            Self::ReplicationTasks => "replication".to_owned(),
            Self::Snapshots { .. } => "zfs/snapshot".to_owned(),
            Self::Pools => "pool".to_owned(),
            Self::RunSnapshotTask { id } => format!("pool/snapshottask/id/{id}/run"),
            Self::RunReplicationTask { id } => format!("replication/id/{id}/run"),
            Self::Job { .. } => "core/get_jobs".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_built_and_escaped() {
        let nas = Url::parse("https://nas.example:8443/").unwrap();
        let urls: Vec<String> = [
            Route::SystemInfo,
            Route::RunReplicationTask { id: 3 },
            Route::Job { id: 7 },
            Route::Snapshots {
                dataset: "tank/a&b c?limit=1",
            },
        ]
        .map(|route| route.url(&nas).to_string())
        .to_vec();
        assert_eq!(
            urls,
            [
                "https://nas.example:8443/api/v2.0/system/info",
                "https://nas.example:8443/api/v2.0/replication/id/3/run",
                "https://nas.example:8443/api/v2.0/core/get_jobs?id=7",
                "https://nas.example:8443/api/v2.0/zfs/snapshot?dataset=tank%2Fa%26b+c%3Flimit%3D1",
            ]
        );
    }
}
