//! Switches a host off and believes it only when it stays silent:
//! `cargo run --example switch_off_and_confirm -- 192.168.0.11 ~/.ssh/shutdown ~/.ssh/known_hosts`

use std::time::Duration;

use reachability::{DownOptions, ProbeSpec, wait_until_down};
use remote_shutdown::{
    Deadlines, HostKeyPolicy, KeyFile, Outcome, RemoteShutdown, SshShutdown, SshTarget, System,
    Verdict,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().ok_or(format!("expected {what}"));
    let (host, key, known_hosts) = (next("a host")?, next("a key")?, next("known hosts")?);
    let target = SshTarget::new(host.clone(), "shutdown");
    let trust = HostKeyPolicy::KnownHosts(known_hosts.into());
    let (key, system) = (KeyFile::new(key), System::LinuxSystemd);
    // The dispatcher of the kit is behind the key: see remote_shutdown::Kit.
    let nas = SshShutdown::new(target, key, trust, system, Deadlines::default()).with_dispatcher();

    let account = nas.check_account().await?;
    if account.verdict() != Verdict::Proven {
        return Err(format!("the account is not as it should be: {account:#?}").into());
    }
    match nas.shut_down().await? {
        Outcome::Accepted { output, .. } => println!("accepted: {output}"),
        Outcome::SentUnknown { why } => println!("sent, and not known: {why}"),
    }
    let probe = ProbeSpec::Ssh { host, port: 22 }.build()?;
    let options = DownOptions {
        silence: Duration::from_mins(5), // longer than a restart takes
        ..DownOptions::default()
    };
    wait_until_down(probe.as_ref(), &options, &mut |seen| println!("{seen:?}")).await?;
    println!("it is off");
    Ok(())
}
