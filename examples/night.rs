//! One whole night with the real code, in a homelab that is built for it and vanishes afterwards.
//!
//! ```sh
//! cargo run --example night
//! ```
//!
//! As root it gets namespaces of its own, with a private Docker engine and a real SSH server where
//! the machine has the programs; otherwise stand-ins serve, and the first lines say which.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use backup_store::testing::compare_trees;
use backup_store::{
    InitOptions, RestoreRequest, RusticStore, Store, StoreError, generate_password,
    write_password_file,
};
use backup_window::clock::{Clock, SystemClock};
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::mount::{Mounted, NotMounted};
use backup_window::night::{self, Homelab as Parts, NightOptions, NightReport};
use backup_window::setup::{self, ConfiguredHost};
use backup_window::state::StateDir;
use backup_window::step::stacks::{DockerHost, Permission};
use docker_stacks::testing::MemoryEngine;
use docker_stacks::{Engine, EngineError, Journal};
use jiff::tz::TimeZone;
use lab::homelab::{Homelab, HomelabOptions, LabEngine};
use lab::isolation::{Isolation, enter_or_reexec};
use tokio_util::sync::CancellationToken;
use truenas_client::TrueNas;
use wol::LanWaker;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let isolation = enter_or_reexec();
    let runtime = tokio::runtime::Runtime::new();
    let result = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(show_a_night(&isolation)));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("the example failed: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprintln!("  because: {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn show_a_night(isolation: &Isolation) -> Result<Exit> {
    let folder = tempfile::tempdir()?;
    println!("Building a homelab: a Docker host, a primary NAS, and a backup NAS that sleeps …");
    if let Isolation::None { why } = isolation {
        println!("  stand-in: no namespaces ({why}): everything stays on the loopback interface");
    }
    let lab = Homelab::build(folder.path(), HomelabOptions::default()).await?;
    for stand_in in lab.stand_ins() {
        println!("  stand-in: {stand_in}");
    }
    let file = lab.write_config(include_str!("homelab.toml"))?;
    let config = Config::load(&file)?;
    let repository = config.repository()?;
    let password = generate_password()?;
    write_password_file(&config.path_of(&repository.password_file)?, &password)?;
    let place = setup::repository_place(&config)?;
    RusticStore::init(place, &password, InitOptions::default()).await?;

    println!("Running the night, with the configuration of examples/homelab.toml …\n");
    let report = run_the_night(&lab, &config).await?;
    println!("{}", report.render(&TimeZone::UTC));

    let identical = restore_and_compare(&lab, &config, folder.path()).await?;
    println!(
        "\nThe backup NAS is {}.",
        if lab.host().is_up() { "up" } else { "off" }
    );
    Ok(if identical { report.exit } else { Exit::Failed })
}

async fn run_the_night(lab: &Homelab, config: &Config) -> Result<NightReport> {
    let state = StateDir::open(config.state_dir())?;
    let (wake, ready) = setup::wake(config)?;
    let (down, _) = setup::confirmation(config)?;
    let configured = ConfiguredHost::new(config, &state)?;
    let parts = Parts {
        clock: Box::new(SystemClock),
        waker: Box::new(LanWaker),
        ready,
        docker_host: match lab.engine() {
            LabEngine::Docker(_) => Box::new(configured),
            LabEngine::Memory { engine, .. } => Box::new(MemoryHost {
                engine: Arc::clone(engine),
                configured,
            }),
        },
        primary: Box::new(setup::primary_nas(config)?),
        backup: setup::backup_nas(config)?.map(|nas| Box::new(nas) as Box<dyn TrueNas>),
        shutdown: Box::new(setup::shutdown(config)?),
    };
    let options = NightOptions {
        upkeep: None,
        wake,
        stacks: ConfiguredHost::options(config, Vec::new(), Permission::WithinWindow),
        replication: setup::replication(config)?,
        down,
        keep_up: false,
    };
    let night = config.window()?.night_at(SystemClock.now())?;
    let never = CancellationToken::new();
    Ok(night::run(&parts, &options, night, &state.history(), &never).await?)
}

/// Restores the first stack and holds every file against the original, which nothing has written to
/// since the copy.
async fn restore_and_compare(lab: &Homelab, config: &Config, folder: &Path) -> Result<bool> {
    let repository = config.repository()?;
    let password = config.read_secret(&repository.password_file)?;
    let store = RusticStore::open(
        setup::repository_place(config)?,
        &password,
        Default::default(),
    )
    .await?;
    let stack = &lab.stacks()[0];
    let snapshots = store.snapshots().await?;
    let Some(snapshot) = snapshots
        .iter()
        .rfind(|snapshot| snapshot.stack == stack.name)
    else {
        println!("There is no snapshot of {} to restore.", stack.name);
        return Ok(false);
    };
    let to = folder.join("restored");
    let request = RestoreRequest {
        snapshot: snapshot.id,
        only: None,
        to: to.clone(),
    };
    let restored = store.restore(request).await?;
    println!(
        "Restored {} from the snapshot {}: {} files.",
        stack.name, snapshot.id, restored.files
    );
    let mut identical = true;
    for (inside, original) in &stack.data {
        let differences = compare_trees(original, &to.join(inside));
        for difference in &differences {
            println!("  differs: {difference}");
        }
        identical &= differences.is_empty();
        if differences.is_empty() {
            println!(
                "  {} is identical to the original, in every attribute.",
                inside.display()
            );
        }
    }
    Ok(identical)
}

/// The configured host with the lab's engine in memory in place of a real one.
#[derive(Debug)]
struct MemoryHost {
    engine: Arc<MemoryEngine>,
    configured: ConfiguredHost,
}

#[async_trait]
impl DockerHost for MemoryHost {
    async fn engine(&self) -> std::result::Result<Arc<dyn Engine>, EngineError> {
        Ok(self.engine.clone())
    }

    fn check_mount(&self) -> std::result::Result<Option<Mounted>, NotMounted> {
        self.configured.check_mount()
    }

    async fn store(&self) -> std::result::Result<Arc<dyn Store>, StoreError> {
        self.configured.store().await
    }

    fn journal(&self) -> &dyn Journal {
        self.configured.journal()
    }

    fn host_name(&self) -> &str {
        self.configured.host_name()
    }
}
