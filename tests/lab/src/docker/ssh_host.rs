//! A machine with an engine that one can log in to.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Child;

use docker_stacks::{AddressError, EngineAddress, EngineSsh};

use crate::ssh_server::SshServerError;
use crate::sshd;

/// An `sshd` whose account has an engine: what `docker system dial-stdio` connects to there.
///
/// Unlike the backup NAS's, its key may run anything: the one that `ssh://` addresses take.
#[derive(Debug)]
pub struct SshHost {
    child: Child,
    address: SocketAddr,
    user: String,
    dir: PathBuf,
}

impl SshHost {
    /// Starts it on a free port of the loopback interface, with all of its files in `dir`.
    ///
    /// # Errors
    ///
    /// If `sshd` is not installed, or does not start.
    pub fn start(dir: &Path, engine: &Path) -> Result<Self, SshServerError> {
        fs::create_dir_all(dir).map_err(SshServerError::io("make the folder of the SSH server"))?;
        let host_key = dir.join("host_ed25519");
        let client_key = dir.join("client_ed25519");
        let stranger_key = dir.join("stranger_ed25519");
        for key in [&host_key, &client_key, &stranger_key] {
            sshd::generate_key(key)?;
        }
        let user = sshd::usable_account()?.name;
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let address = sshd::choose(any).map_err(SshServerError::io("choose a port"))?;
        let copied = |from: &Path, to: &str| fs::copy(from.with_extension("pub"), dir.join(to));
        copied(&client_key, "authorized_keys")
            .and_then(|_| known_hosts(dir, "known_hosts", address, &host_key))
            .and_then(|()| known_hosts(dir, "stranger_known_hosts", address, &stranger_key))
            .and_then(|()| fs::write(dir.join("empty_known_hosts"), ""))
            .and_then(|()| fs::write(dir.join("sshd_config"), config(dir, address, &user, engine)))
            .map_err(SshServerError::io("write the files of the SSH server"))?;
        let mut child =
            sshd::spawn(&dir.join("sshd_config")).map_err(SshServerError::io("start sshd"))?;
        if let Err(log) = sshd::wait_until_listening(&mut child, &dir.join("sshd.log")) {
            sshd::kill_tree(&mut child);
            return Err(SshServerError::DidNotStart { log });
        }
        Ok(Self {
            child,
            address,
            user,
            dir: dir.to_owned(),
        })
    }

    /// The engine's address through it.
    ///
    /// # Errors
    ///
    /// If the account's name cannot be in one.
    pub fn address(&self) -> Result<EngineAddress, AddressError> {
        format!("ssh://{}@{}", self.user, self.address).parse()
    }

    /// What a client says whom it has been told of.
    #[must_use]
    pub fn client(&self) -> EngineSsh {
        self.client_with("client_ed25519", "known_hosts")
    }

    /// The same for a client that has never heard of the machine.
    #[must_use]
    pub fn client_that_knows_nobody(&self) -> EngineSsh {
        self.client_with("client_ed25519", "empty_known_hosts")
    }

    /// The same for a client that was told of another machine at this address.
    #[must_use]
    pub fn client_that_knows_another(&self) -> EngineSsh {
        self.client_with("client_ed25519", "stranger_known_hosts")
    }

    /// The same for a client whose key the machine does not know.
    #[must_use]
    pub fn stranger(&self) -> EngineSsh {
        self.client_with("stranger_ed25519", "known_hosts")
    }

    fn client_with(&self, key: &str, known_hosts: &str) -> EngineSsh {
        EngineSsh {
            key_file: Some(self.dir.join(key)),
            known_hosts_file: Some(self.dir.join(known_hosts)),
        }
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        sshd::kill_tree(&mut self.child);
    }
}

fn known_hosts(dir: &Path, name: &str, address: SocketAddr, key: &Path) -> io::Result<()> {
    let public = fs::read_to_string(key.with_extension("pub"))?;
    let line = format!("[{}]:{} {public}", address.ip(), address.port());
    fs::write(dir.join(name), line)
}

fn config(dir: &Path, address: SocketAddr, user: &str, engine: &Path) -> String {
    let file = |name: &str| dir.join(name).display().to_string();
    format!(
        "ListenAddress {address}\n\
         HostKey \"{}\"\n\
         AuthorizedKeysFile \"{}\"\n\
         PidFile \"{}\"\n\
         AllowUsers {user}\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UsePAM no\n\
         UseDNS no\n\
         PrintMotd no\n\
         LogLevel VERBOSE\n\
         # A temporary directory's parents belong to everybody.\n\
         StrictModes no\n\
         PermitRootLogin prohibit-password\n\
         # An answer for each of eight connections that come at once.\n\
         MaxStartups 64\n\
         SetEnv \"DOCKER_HOST=unix://{}\"\n",
        file("host_ed25519"),
        file("authorized_keys"),
        file("sshd.pid"),
        engine.display(),
    )
}
