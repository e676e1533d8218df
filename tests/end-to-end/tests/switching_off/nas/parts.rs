//! What comes and goes with a case: an agent, a light, keys.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What answers while the NAS is on.
pub(crate) struct Light {
    _listener: TcpListener,
}

impl Light {
    /// On, until it is dropped.
    pub(super) fn on(port: u16) -> Self {
        ip(&format!("addr add {LIGHT}/32 dev lo"));
        Self {
            _listener: TcpListener::bind((LIGHT, port)).unwrap(),
        }
    }
}

impl Drop for Light {
    fn drop(&mut self) {
        ip(&format!("addr del {LIGHT}/32 dev lo"));
    }
}

/// Where it answers: an address that goes with it.
pub(super) const LIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "{arguments}");
}

/// A running SSH agent; it ends when dropped.
pub(crate) struct Agent(Child);

impl Agent {
    /// Listens when this returns, or will soon.
    pub(super) fn start(socket: &Path) -> Self {
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(socket)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where magic packets go in the lab.
pub(super) const MAGIC_PORT: u16 = 9;

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Makes a key.
pub(crate) fn keygen(path: &Path, key_type: &str, passphrase: &str) {
    let status = Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            key_type,
            "-N",
            passphrase,
            "-C",
            "orchestrator",
            "-f",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
