//! What `nas-replication status` of 50 tasks costs: round trips, and whether a large NAS costs more.
//!
//! A round trip is measured, not counted: the simulated NAS gives each answer so much later, and
//! answers that are asked for at once come at once.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long a command really takes is the point"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use end_to_end::binary_path;
use lab::truenas::{
    SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

const TASKS: i64 = 50;

/// How much later each answer comes.
const DELAY: Duration = Duration::from_millis(500);

/// How many snapshots a large NAS has.
const SNAPSHOTS: u32 = 200_000;

/// What it may cost.
const MOST_ROUND_TRIPS_OVER_REST: f64 = 4.0;
const MOST_ROUND_TRIPS_OVER_JSON_RPC: f64 = 3.0;
const LARGE_TO_SMALL: f64 = 1.1;

/// An odd number, so that the median is a figure that was measured.
const ROUNDS: usize = 3;

/// Whoever measures has the machine for itself: the tests of a file run at once.
static MEASURING: Mutex<()> = Mutex::const_new(());

struct House {
    nas: Simulator,
    folder: TempDir,
}

impl House {
    async fn of(version: SimulatedVersion) -> Self {
        let dataset = |number: i64| format!("tank/data-{number}");
        let numbers = 1..=TASKS;
        let options = SimulatorOptions {
            version,
            datasets: numbers.clone().map(dataset).collect(),
            snapshot_tasks: numbers
                .clone()
                .map(|number| SimSnapshotTask::new(number, &dataset(number)))
                .collect(),
            replication_tasks: numbers
                .map(|number| {
                    let target = format!("dozer/data-{number}");
                    let name = format!("task {number}");
                    SimReplication::new(number, &name, &dataset(number), &target).after(number)
                })
                .collect(),
            ..SimulatorOptions::new("primary")
        };
        let house = Self {
            nas: Simulator::start(options).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let key = house.folder.path().join("nas.key");
        fs::write(&key, house.nas.api_key()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let config = format!(
            "state_dir = \"{}\"\n[primary_nas]\nurl = \"{}\"\nuser = \"{}\"\napi_key_file = \"{}\"\n\
             certificate_sha256 = \"{}\"\nreplication_tasks = [\"task 1\"]\n",
            house.folder.path().join("state").display(),
            house.nas.url(),
            house.nas.username(),
            key.display(),
            house.nas.certificate_sha256(),
        );
        fs::write(house.folder.path().join("config.toml"), config).unwrap();
        house
    }

    /// How long `status` takes, in seconds. It shows every task.
    async fn status(&self) -> f64 {
        let mut command = Command::new(binary_path("nas-replication"));
        command
            .args(["status", "--json", "--config"])
            .arg(self.folder.path().join("config.toml"))
            .env_remove("BACKUP_WINDOW_STATE_DIR");
        let (output, took) = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let output = command.output().unwrap();
            (output, begun.elapsed())
        })
        .await
        .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let shown = said.to_string();
        for number in 1..=TASKS {
            assert!(shown.contains(&format!("\"task {number}\"")), "{shown}");
        }
        took.as_secs_f64()
    }

    async fn median_of(&self, delay: Duration) -> f64 {
        self.nas.control().delay_answers(delay);
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            took.push(self.status().await);
        }
        median(took)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_fifty_tasks_takes_few_round_trips() {
    let _alone = MEASURING.lock().await;
    for (version, most) in [
        (SimulatedVersion::Core13_0, MOST_ROUND_TRIPS_OVER_REST),
        (SimulatedVersion::Scale24_10, MOST_ROUND_TRIPS_OVER_REST),
        (SimulatedVersion::Scale25_04, MOST_ROUND_TRIPS_OVER_JSON_RPC),
        (SimulatedVersion::Scale25_10, MOST_ROUND_TRIPS_OVER_JSON_RPC),
        (SimulatedVersion::Scale26_0, MOST_ROUND_TRIPS_OVER_JSON_RPC),
    ] {
        let house = House::of(version).await;
        let at_once = house.median_of(Duration::ZERO).await;
        let delayed = house.median_of(DELAY).await;
        let round_trips = (delayed - at_once) / DELAY.as_secs_f64();
        println!(
            "{}: {round_trips:.2} round trips ({at_once:.3} s without delay, at most {most} wanted)",
            version.as_str()
        );
        // A round trip is a whole one: what is less is the noise of the machine.
        assert!(round_trips < most + 0.5, "{version:?}: {round_trips}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_snapshots_cost_nothing() {
    let _alone = MEASURING.lock().await;
    for version in [SimulatedVersion::Scale24_10, SimulatedVersion::Scale26_0] {
        let (small, large) = (House::of(version).await, House::of(version).await);
        for number in 1..=4 {
            let dataset = format!("tank/data-{number}");
            large
                .nas
                .control()
                .add_snapshots(&dataset, SNAPSHOTS / 4, 60);
        }
        // In pairs, so that the machine's mood is the same for both; with the delay of a network.
        for house in [&small, &large] {
            house
                .nas
                .control()
                .delay_answers(Duration::from_millis(150));
        }
        let mut quickest = [f64::INFINITY; 2];
        for _ in 0..=2 * ROUNDS {
            for (house, quickest) in [&large, &small].into_iter().zip(&mut quickest) {
                // The machine makes things slower than they are, and never quicker.
                *quickest = quickest.min(house.status().await);
            }
        }
        let ratio = quickest[0] / quickest[1];
        println!(
            "{}: with {SNAPSHOTS} snapshots on the NAS, status takes {ratio:.3} times as long",
            version.as_str()
        );
        assert!(ratio <= LARGE_TO_SMALL, "{version:?}: {ratio}");
    }
}
