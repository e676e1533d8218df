//! Wakes a host and waits for its SSH server:
//! `cargo run --example wake_and_wait -- 18:66:da:0a:0b:0c 192.168.0.11`

use std::time::Duration;

use reachability::{ProbeSpec, UpOptions, wait_until_up};
use wol::{Aim, LanWaker, WakeRequest, Waker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(mac), Some(host)) = (arguments.next(), arguments.next()) else {
        return Err("expected a MAC address and a host".into());
    };
    let (mac, probe) = (mac.parse()?, format!("ssh:{host}").parse::<ProbeSpec>()?);
    let options = UpOptions {
        deadline: Duration::from_secs(10),
        ..UpOptions::default()
    };
    for _ in 0..30 {
        // Each time anew: an interface may come up late.
        let targets = Aim::default().take(&LanWaker.interfaces()?)?;
        for sent in LanWaker
            .wake(&WakeRequest::new(mac, targets.destinations))?
            .sent
        {
            println!("sent {sent}");
        }
        let up = wait_until_up(&*probe.build()?, &options, &mut |seen| println!("{seen}")).await;
        if let Ok(up) = up {
            println!("{host} is up after {:?}", up.took);
            return Ok(());
        }
    }
    Err("it did not wake: look at its BIOS, and at `ethtool` on it".into())
}
