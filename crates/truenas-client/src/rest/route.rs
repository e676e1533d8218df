//! Where things are in REST v2.0.

use url::Url;

use crate::SnapshotQuery;
use crate::address::NasAddress;
use crate::differences::Differences;
use crate::paging::Page;

/// One address of the API.
#[derive(Debug, Clone)]
pub(crate) enum Route<'a> {
    SystemInfo,
    SystemVersion,
    SystemBootId,
    SystemState,
    SnapshotTasks,
    ReplicationTasks,
    Snapshots {
        query: &'a SnapshotQuery,
        page: Page,
        differences: Differences,
    },
    Pools,
    Alerts,
    RunSnapshotTask {
        id: i64,
    },
    RunReplicationTask {
        path: String,
    },
    Shutdown,
    Job {
        id: i64,
    },
}

impl Route<'_> {
    /// The full address on this NAS.
    pub(crate) fn url(&self, nas: &NasAddress) -> Url {
        let mut url = nas.at(&format!("/api/v2.0/{}", self.path()));
        // In the query string, any word but `limit`, `offset`, `count`, `sort` and `extra.…` is a
        // filter on the field of that name (`restful.py` in `truenas/middleware`). There is a
        // second way, filters in the body of the GET request, that could sort and compare times;
        // but bodies of GET requests get lost in proxies, and what is lost here is the filter.
        match self {
            Self::Snapshots { query, page, .. } => snapshot_filters(&mut url, query, *page),
            Self::Job { id } => {
                url.query_pairs_mut().append_pair("id", &id.to_string());
            }
            _ => {}
        }
        url
    }

    fn path(&self) -> String {
        match self {
            Self::SystemInfo => "system/info".to_owned(),
            Self::SystemVersion => "system/version".to_owned(),
            Self::SystemBootId => "system/boot_id".to_owned(),
            Self::SystemState => "system/state".to_owned(),
            Self::SnapshotTasks => "pool/snapshottask".to_owned(),
            Self::ReplicationTasks => "replication".to_owned(),
            Self::Snapshots { differences, .. } => differences.snapshot_resource().to_owned(),
            Self::Pools => "pool".to_owned(),
            Self::Alerts => "alert/list".to_owned(),
            Self::RunSnapshotTask { id } => format!("pool/snapshottask/id/{id}/run"),
            Self::RunReplicationTask { path } => path.clone(),
            Self::Shutdown => "system/shutdown".to_owned(),
            Self::Job { .. } => "core/get_jobs".to_owned(),
        }
    }
}

fn snapshot_filters(url: &mut Url, query: &SnapshotQuery, page: Page) {
    let SnapshotQuery {
        dataset,
        name,
        names_from,
        since: _,
    } = query;
    let mut pairs = url.query_pairs_mut();
    if let Some(dataset) = dataset {
        pairs.append_pair("dataset", dataset);
    }
    // The NAS turns a value that looks like a number, a truth or `null` into one, which no name
    // equals then. An expression never looks like one.
    if let Some(name) = name {
        if is_text_to_the_nas(name) {
            pairs.append_pair("snapshot_name", name);
        } else {
            pairs.append_pair("snapshot_name__regex", &format!("^{name}$"));
        }
    }
    if let Some(from) = names_from
        .as_deref()
        .filter(|from| is_text_to_the_nas(from))
    {
        pairs.append_pair("snapshot_name__gte", from);
    }
    pairs.append_pair("limit", &page.limit.to_string());
    pairs.append_pair("offset", &page.offset.to_string());
}

/// Whether the NAS takes a value of a query string for text.
fn is_text_to_the_nas(value: &str) -> bool {
    let word = value.to_ascii_lowercase();
    // What Python's `int()` might take, and more.
    let may_be_a_number = value
        .chars()
        .all(|c| c.is_numeric() || c.is_whitespace() || ['_', '+', '-'].contains(&c));
    !may_be_a_number && !["true", "false", "null", "none"].contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn urls<const N: usize>(routes: &[Route<'_>; N]) -> Vec<String> {
        let nas = NasAddress::new(&Url::parse("https://nas.example:8443/ui/").unwrap()).unwrap();
        routes
            .iter()
            .map(|route| {
                let url = route.url(&nas).to_string();
                let path = url.strip_prefix("https://nas.example:8443/api/v2.0/");
                path.unwrap().to_owned()
            })
            .collect()
    }

    #[test]
    fn addresses_are_built_and_escaped() {
        assert_eq!(
            urls(&[
                Route::SystemInfo,
                Route::RunSnapshotTask { id: 3 },
                Route::Job { id: 7 },
            ]),
            [
                "system/info",
                "pool/snapshottask/id/3/run",
                "core/get_jobs?id=7"
            ]
        );
    }

    #[test]
    fn snapshots_are_filtered_on_the_nas_by_values_that_stay_text() {
        let of = |query: &SnapshotQuery, version: &str| {
            let page = Page {
                offset: 10,
                limit: 5,
            };
            let differences = Differences::of(&Version::parse(version));
            urls(&[Route::Snapshots {
                query,
                page,
                differences,
            }])
            .remove(0)
        };
        let core = "TrueNAS-13.0-U6.7";
        assert_eq!(
            of(&SnapshotQuery::of("tank/a&b c?limit=1"), core),
            "zfs/snapshot?dataset=tank%2Fa%26b+c%3Flimit%3D1&limit=5&offset=10"
        );
        assert_eq!(
            of(&SnapshotQuery::everywhere("auto-1"), "TrueNAS-25.10.0"),
            "pool/snapshot?snapshot_name=auto-1&limit=5&offset=10"
        );
        for name in ["20261127", "true", "None", "1_000"] {
            assert_eq!(
                of(&SnapshotQuery::everywhere(name), core),
                format!("zfs/snapshot?snapshot_name__regex=%5E{name}%24&limit=5&offset=10")
            );
        }
        let from = |text: &str| SnapshotQuery::of("tank").names_from(Some(text.to_owned()));
        assert_eq!(
            of(&from("auto-2026"), core),
            "zfs/snapshot?dataset=tank&snapshot_name__gte=auto-2026&limit=5&offset=10"
        );
        assert_eq!(
            of(&from("2026-11"), core),
            "zfs/snapshot?dataset=tank&limit=5&offset=10"
        );
    }
}
