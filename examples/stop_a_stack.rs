//! Stops a stack, does something, and has it back: `cargo run --example stop_a_stack -- wiki`

use backup_window::clock::{Clock, SystemClock};
use docker_stacks::{
    BollardEngine, Engine, EngineAddress, EngineOptions, FileJournal, GroupPlan, OutageOptions,
    PlanRules, find_stacks, outage, plan, recover,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("expected a stack's name")?;
    let address = EngineAddress::default();
    let engine = BollardEngine::connect(&address, EngineOptions::default()).await?;
    let journal = FileJournal::new("/var/tmp/stop_a_stack.json");
    let options = OutageOptions::default();
    // What a run that was killed had stopped is started first.
    let _ = recover(&engine, &journal, &options).await?;

    let stacks = find_stacks(engine.containers().await?);
    let plan = plan(&stacks, &engine.volumes().await?, &PlanRules::default());
    let has_it = |group: &&GroupPlan| group.stacks.iter().any(|s| s.name.as_str() == name);
    let group = plan.groups.iter().find(has_it).ok_or("no such stack")?;

    let now = SystemClock.now();
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    let work = async { println!("{name} is down: copy what it mounts") };
    let report = outage(&engine, &journal, group, now, &options, interrupted, work).await;
    println!("it was down for {:?}", report.outage);
    for missing in &report.not_running {
        println!("{} does not run: {}", missing.what.name(), missing.why);
    }
    Ok(())
}
