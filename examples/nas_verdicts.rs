//! What the replications of a NAS are worth: `cargo run --example nas_verdicts -- https://NAS SHA256 [USER]`,
//! with the API key in $NAS_KEY and the fingerprint of its certificate from `nas-replication trust`.

use std::error::Error;

use jiff::{SignedDuration, tz::TimeZone};
use truenas_client::{NasClient, NasOptions, TrueNas as _, Trust, VerdictInput, judge};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("expected https://NAS")?.parse()?;
    let pin = arguments.next().ok_or("expected a fingerprint")?.parse()?;
    let key = std::env::var("NAS_KEY").map_err(|_| "expected the API key in $NAS_KEY")?;
    let mut options = NasOptions::new(url, key.into(), Trust::Certificate(pin));
    options.user = arguments.next();

    let nas = NasClient::new(options)?;
    let (system, tasks) = tokio::try_join!(nas.system(), nas.replication_tasks())?;
    println!("{}, {}", system.hostname, system.version);
    let evidence = VerdictInput {
        time_zone: Some(TimeZone::get(&system.time_zone)?),
        // By its own clock: whether something was sent that is not older than a day.
        ..VerdictInput::since(system.datetime - SignedDuration::from_hours(24))
    };
    for task in &tasks {
        let judgement = judge(Some(task), &evidence);
        println!("{}: {}", task.name, judgement.verdict);
        println!("    {}", judgement.reasons.join("; "));
    }
    Ok(())
}
