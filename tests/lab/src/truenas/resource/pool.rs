//! Pools.

use serde_json::{Value, json};

use crate::truenas::options::PoolHealth;
use crate::truenas::world::{Scan, World, millis};

pub(in crate::truenas) fn pools(world: &World) -> Vec<Value> {
    let pools = world.pools();
    pools
        .iter()
        .zip(1..)
        .map(|(name, id)| pool(world, name, id))
        .collect()
}

fn scan(scan: &Scan) -> Value {
    json!({
        "function": scan.function,
        "state": if scan.ended.is_some() { "FINISHED" } else { "SCANNING" },
        "start_time": millis(scan.started),
        "end_time": scan.ended.map(millis),
        "percentage": scan.percent,
        "bytes_to_process": 1_000_000_000_u64,
        "bytes_processed": 0,
        "bytes_issued": 0,
        "pause": null,
        "errors": 0,
        "total_secs_left": if scan.ended.is_some() { json!(null) } else { json!(60) },
    })
}

fn pool(world: &World, name: &str, id: u32) -> Value {
    let healthy = PoolHealth::online();
    let health = world.pools.get(name).unwrap_or(&healthy);
    // Nobody knows how large a pool is that is not there.
    let there = health.status != "OFFLINE";
    let size = |bytes: u64| there.then_some(bytes);
    let text = |bytes: u64| there.then(|| bytes.to_string());
    let (total, allocated) = (4_000_000_000_000_u64, 1_000_000_000_000_u64);
    let mut entry = json!({
        "id": id,
        "name": name,
        "guid": format!("{}", 1_000_000_007_u64 + u64::from(id)),
        "status": health.status,
        "path": format!("/mnt/{name}"),
        "scan": world.scans.get(name).filter(|_| there).map(scan),
        "expand": null,
        "is_upgraded": there,
        "healthy": health.healthy,
        "warning": health.warning,
        "status_code": health.code,
        "status_detail": health.detail,
        "size": size(total),
        "allocated": size(allocated),
        "free": size(total - allocated),
        "freeing": size(0),
        "dedup_table_size": size(0),
        "dedup_table_quota": null,
        "fragmentation": there.then_some("1"),
        "size_str": text(total),
        "allocated_str": text(allocated),
        "free_str": text(total - allocated),
        "freeing_str": text(0),
        "autotrim": { "value": "off", "rawvalue": "off", "parsed": "off", "source": "DEFAULT" },
        "topology": there.then(|| json!({
            "data": [], "log": [], "cache": [], "spare": [], "special": [], "dedup": [],
        })),
    });
    if world.options.version.knows_self_encrypting_pools() {
        entry["all_sed"] = json!(false);
    }
    entry
}
